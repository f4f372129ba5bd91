import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cached } from '../../lib/http/cached.ts'

/** A cached value with its own clock, from a source that counts its loads and can fail. */
function setUp () {
  const state = { time: 1_000, loads: 0, broken: false }
  const source = cached({
    load: async () => {
      state.loads++
      await null
      if (state.broken) throw new Error(`failure ${state.loads}`)
      return { load: state.loads }
    },
    freshFor: 600,
    staleFor: 3_600,
    now: () => state.time
  })
  return { state, source }
}

test('a thousand callers of get() share one load [M-13 D12]', async () => {
  const { state, source } = setUp()
  const values = await Promise.all(Array.from({ length: 1_000 }, () => source.get()))
  assert.equal(state.loads, 1)
  assert.equal(new Set(values).size, 1)
})

test('get() loads again once the value is no longer fresh', async () => {
  const { state, source } = setUp()
  assert.equal(source.peek(), undefined)
  const first = await source.get()
  state.time += 599.9
  assert.equal(await source.get(), first)
  state.time += 0.1
  assert.deepEqual(await source.get(), { load: 2 })
  assert.deepEqual(source.peek(), { load: 2 })
})

test('get() loads once for each back-off step while the source fails [F-01 L1]', async () => {
  const { state, source } = setUp()
  state.broken = true
  const loadsOfStep: number[] = []
  for (const step of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const before = state.loads
    await Promise.all(Array.from({ length: 100 }, () => assert.rejects(source.get(), /failure/)))
    state.time += step * 0.999
    await assert.rejects(source.get(), /failure/)
    await assert.rejects(source.refresh(), /failure/)
    loadsOfStep.push(state.loads - before)
    state.time += step * 0.252
  }
  assert.deepEqual(loadsOfStep, [1, 1, 1, 1, 1, 1, 1, 1])
  state.broken = false
  assert.deepEqual(await source.get(), { load: 9 })
})

test('an outage of a minute costs at most 8 loads [D12]', async () => {
  const { state, source } = setUp()
  state.broken = true
  for (let request = 0; request < 60_000; request += 50) {
    await source.get().catch(() => {})
    state.time += 0.05
  }
  assert.ok(state.loads >= 5 && state.loads <= 8, String(state.loads))
})

test('get() returns the last value for staleFor and not longer [F-02 L3]', async () => {
  const { state, source } = setUp()
  const cachedValue = await source.get()
  state.broken = true
  state.time += 601
  assert.equal(await source.get(), cachedValue)
  state.time += 3_500
  assert.equal(await source.get(), cachedValue)
  assert.equal(source.peek(), cachedValue)
  state.time += 100
  await assert.rejects(source.get(), /failure/)
  assert.equal(source.peek(), undefined)
})

test('get() does not wait for a source that failed before while there is a value [F-02]', async () => {
  let time = 0
  let load = async (): Promise<object> => ({})
  const source = cached({ load: () => load(), freshFor: 10, staleFor: 1_000, now: () => time })
  const cachedValue = await source.get()
  load = async () => {
    throw new Error('down')
  }
  time = 11
  assert.equal(await source.get(), cachedValue)
  load = () => new Promise(() => {})
  time = 20
  assert.equal(await source.get(), cachedValue)
})

test('refresh() loads at once, then once in 30 s [F-03 F-04 K-08]', async () => {
  const { state, source } = setUp()
  await source.get()
  const loads: number[] = []
  for (let second = 0; second < 60; second++) {
    await Promise.all(Array.from({ length: 100 }, () => source.refresh()))
    loads.push(state.loads)
    state.time++
  }
  assert.equal(loads[0], 2)
  assert.equal(loads[29], 2)
  assert.equal(loads[59], 3)
})

test('refresh() counts failed loads, and rejects while the last one failed [F-03 L2]', async () => {
  const { state, source } = setUp()
  const cachedValue = await source.get()
  state.broken = true
  for (let second = 0; second < 30; second++) {
    await assert.rejects(source.refresh(), /failure 2/)
    assert.equal(await source.get(), cachedValue, 'valid values are not affected')
    state.time++
  }
  assert.equal(state.loads, 2)
  state.broken = false
  state.time++
  assert.deepEqual(await source.refresh(), { load: 3 })
})

test('get() loads again after a load that threw at once', async () => {
  let time = 0
  let loads = 0
  const source = cached<object>({
    load: () => {
      if (loads++ === 0) throw new Error('now')
      return Promise.resolve({})
    },
    freshFor: 1,
    staleFor: 1,
    now: () => time
  })
  await assert.rejects(source.get(), /now/)
  time = 2
  assert.deepEqual(await source.get(), {})
})
