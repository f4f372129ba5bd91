import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../lib/types.ts'

/**
 * The contract of every store. Each check receives an empty store twice, as two instances share it.
 */
export const contract: Array<[name: string, check: (store: Store, other: Store) => Promise<void>]> =
  [
    ['put() writes and replaces the value of one key', async (store, other) => {
      assert.equal(await store.get('a'), null)
      assert.equal(await store.putIfAbsent('a', 'one', 60), null)
      assert.equal(await other.putIfAbsent('a', 'two', 60), 'one')
      assert.equal(await other.get('a'), 'one')
      await store.put('a', '', 60)
      assert.equal(await other.putIfAbsent('a', 'x', 60), '')
      assert.equal(await other.get('a'), '')
      assert.deepEqual([await store.get('b'), await store.get('__proto__')], [null, null])
    }],
    ['an entry expires, and its key can be claimed again', async (store, other) => {
      await store.put('a', '1', 0.01)
      await store.put('b', '1', 3600)
      while (await other.get('a') !== null) await sleep(5)
      assert.equal(await other.putIfAbsent('a', '2', 60), null)
      assert.deepEqual([await store.get('a'), await store.get('b')], ['2', '1'])
    }],
    ['every entry has a lifetime [S-07]', async (store) => {
      for (const ttl of [0, -1, 0.000_1]) {
        for (const write of [store.put, store.putIfAbsent]) {
          await write('a', '1', ttl)
          while (await store.get('a') !== null) await sleep(1)
        }
      }
      await store.put('a', '1', 60)
      await store.put('a', '1', 0)
      while (await store.get('a') !== null) await sleep(1)
    }],
    ['keys are opaque [S-05]', async (store, other) => {
      const ids = [
        'a:b',
        'a',
        'a*',
        '*',
        '\r\nSET x y',
        '..',
        '{a}b',
        '{}',
        '{',
        '\0',
        'é',
        '',
        'k'.repeat(10_000)
      ]
      for (const id of ids) assert.equal(await store.putIfAbsent(`k${id}`, id, 60), null)
      for (const id of ids) assert.equal(await other.get(`k${id}`), id)
    }],
    [
      'putIfAbsent() succeeds for one of many concurrent writers [T-15 L18]',
      async (store, other) => {
        for (let round = 0; round < 100; round++) {
          const results = await Promise.all(
            Array.from(
              { length: 20 },
              (_, index) =>
                (index % 2 ? store : other).putIfAbsent(`key${round}`, `value${index}`, 60)
            )
          )
          assert.equal(results.filter(result => result === null).length, 1)
          assert.equal(new Set(results).size, 2)
        }
      }
    ],
    ['index.list() has the members of one set, the last to expire first', async (store, other) => {
      const [index, same] = [store.index, other.index]
      assert.ok(index && same)
      const at = Date.now() + 60_000
      for (const offset of [0.25, 2, 0.5, 1]) await index.add('s{1', `m${offset}`, at + offset)
      await index.add('other', 'm', at)
      await same.add('s{1', 'm1', at + 3)
      assert.deepEqual(await same.list('s{1', Infinity, 2), [['m1', at + 3], ['m2', at + 2]])
      assert.deepEqual(await same.list('s{1', at + 2, 9), [['m0.5', at + 0.5], [
        'm0.25',
        at + 0.25
      ]])
      await index.remove('s{1', 'm0.5')
      await index.remove('s{1', 'none')
      assert.deepEqual(await same.list('s{1', at + 1, 9), [['m0.25', at + 0.25]])
      assert.deepEqual(await same.list('none', Infinity, 9), [])
    }],
    ['index.add() removes the members that have expired', async ({ index }) => {
      assert.ok(index)
      await index.add('s', 'past', Date.now() - 1)
      await index.add('s', 'soon', Date.now() + 10)
      await sleep(20)
      await index.add('s', 'late', Date.now() + 60_000)
      const members = await index.list('s', Infinity, 9)
      assert.deepEqual(members.map(([member]) => member), ['late'])
    }]
  ]
