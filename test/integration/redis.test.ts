import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../lib/types.ts'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'
import { redisStore } from '../../lib/store/redis.ts'
import { withCircuitBreaker } from '../../lib/store/circuit-breaker.ts'
import { Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { freePort } from '../support/broker.ts'
import { connect, eventOf, servers, skip, skipWithout, startRedis } from '../support/redis.ts'
import { contract } from '../support/store-contract.ts'

const operations: Array<
  [name: string, operation: (store: Store, key: string) => Promise<unknown>]
> = [
  ['putIfAbsent', (store, key) => store.putIfAbsent(key, 'value', 60)],
  ['get', (store, key) => store.get(key)],
  ['put', (store, key) => store.put(key, 'value', 60)]
]

/** Asserts that every operation rejects within two seconds. */
async function assertRejects (store: Store, reason?: RegExp, key = 'key'): Promise<void> {
  for (const [name, operation] of operations) {
    const outcome = await Promise.race([
      operation(store, key).then(() => 'done', (error: Error) => error),
      sleep(2_000, 'late', { ref: false })
    ])
    assert.ok(outcome instanceof Error, `${name}: ${String(outcome)}`)
    if (reason) assert.match(outcome.message, reason, name)
  }
}

for (
  const [client, Client] of [['ioredis', Redis], [
    'iovalkey',
    Valkey as unknown as typeof Redis
  ]] as const
) {
  for (const server of servers) {
    for (const [name, check] of contract) {
      test(
        `redisStore: ${name} (${client}, ${server})`,
        { skip: skipWithout(server) },
        async (t) => {
          const { port } = await startRedis(t, { server })
          const [one, two] = [
            await connect(t, port, {}, Client),
            await connect(t, port, {}, Client)
          ]
          await check(redisStore(one), redisStore(two))
        }
      )
    }
  }
}

test('redisStore writes every key with a lifetime [S-07]', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  const store = redisStore(client)
  for (const [index, ttl] of [0.2, 1.0005, 60, 2_678_400].entries()) {
    await store.put(`a${index}`, 'x', ttl)
    await store.putIfAbsent(`b${index}`, 'x', ttl)
    for (const key of [`a${index}`, `b${index}`]) {
      const remaining = await client.pttl(key)
      // -1 is a key without a lifetime; -2 one that has ended meanwhile.
      assert.ok(remaining !== -1 && remaining <= Math.ceil(ttl * 1000), `${key} ${remaining}`)
    }
  }
  // A second write must not remove the expiry, and a rejected write must not change it.
  await store.put('a3', 'y', 60)
  assert.ok(await client.pttl('a3') <= 60_000)
  await store.putIfAbsent('b2', 'y', 2_678_400)
  assert.ok(await client.pttl('b2') <= 60_000)
  for (const ttl of [NaN, Infinity]) {
    await assert.rejects(store.put('d', 'x', ttl))
    await assert.rejects(store.putIfAbsent('d', 'x', ttl))
    assert.equal(await store.get('d'), null)
  }
  // A set lives as long as its last member.
  for (const seconds of [60, 3600, 1]) {
    await store.index?.add('set', `m${seconds}`, Date.now() + 1000 * seconds)
  }
  const remaining = await client.pttl('set')
  assert.ok(remaining > 3_500_000 && remaining <= 3_600_002, String(remaining))
  for (const key of await client.keys('*')) assert.notEqual(await client.pttl(key), -1, key)
})

test('the keys of one-time marks in Redis contain hashes of ids [S-05]', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  const marks = createOneTimeMarks(redisStore(client), 'https://mcp.example')
  const ids = [
    'a:b',
    'a',
    'a*',
    '*',
    '\r\nSET x y',
    '..',
    '{a}b',
    '\0',
    'é',
    '',
    'k'.repeat(10_000)
  ]
  for (const id of ids) assert.equal(await marks.consume('code', id, 60), true)
  for (const id of ids) assert.equal(await marks.consume('code', id, 60), false)
  const keys: string[] = await client.keys('*')
  assert.equal(keys.length, ids.length)
  for (const key of keys) assert.match(key, /^mcp-oauth:[\w-]{16}:code:[\w-]{43}$/)
})

test('redisStore with a prefix separates stores on one server [S-06]', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  const [one, two] = [
    redisStore(client, { prefix: 'one:' }),
    redisStore(client, { prefix: 'two:' })
  ]
  await one.put('a', '1', 60)
  assert.equal(await two.get('a'), null)
  assert.equal(await two.putIfAbsent('a', '2', 60), null)
  assert.deepEqual((await client.keys('*')).sort(), ['one:a', 'two:a'])
})

test('each method of redisStore sends one command for one key', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  const commands: string[][] = []
  const monitor = await (await connect(t, port)).monitor()
  t.after(() => {
    monitor.disconnect()
  })
  monitor.on('monitor', (_time: string, command: string[]) => {
    commands.push(command)
  })
  const store = redisStore(client)
  await store.putIfAbsent('a', 'x', 1.5)
  await store.put('b', 'x', 60)
  await store.get('c')
  while (commands.length < 3) await sleep(1)
  assert.deepEqual(commands.map(([command = '', ...rest]) => [command.toLowerCase(), ...rest]), [
    ['set', 'a', 'x', 'PX', '1500', 'NX', 'GET'],
    ['set', 'b', 'x', 'PX', '60000'],
    ['get', 'c']
  ])
})

test('redisStore connects a lazy client', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port, { lazyConnect: true })
  assert.equal(client.status, 'wait')
  assert.equal(await redisStore(client).putIfAbsent('a', 'x', 60), null)
})

test(
  'redisStore rejects at once without a server, and recovers with it [F-13 L19]',
  { skip },
  async (t) => {
    const { port, process: child } = await startRedis(t)
    const client = await connect(t, port)
    const store = redisStore(client)
    await store.put('key', 'value', 60)
    const closed = eventOf(client, 'close')
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    await assertRejects(store)
    await closed
    await assertRejects(store, /not connected/, 'other')
    const ready = eventOf(client, 'ready')
    await startRedis(t, { port })
    await ready
    assert.equal(await store.putIfAbsent('other', 'again', 60), null, 'no command was queued')
  }
)

test(
  'redisStore rejects while its client is not connected or closed [F-13]',
  { skip },
  async (t) => {
    const port = await freePort()
    const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 })
    client.on('error', () => {})
    t.after(() => {
      client.disconnect()
    })
    await assertRejects(redisStore(client), /not connected/)
    client.disconnect()
    await assertRejects(redisStore(client), /not connected/)
  }
)

test(
  'withCircuitBreaker rejects in time while Redis hangs, and recovers [L19]',
  { skip },
  async (t) => {
    const { port, process: child } = await startRedis(t)
    const store = withCircuitBreaker(redisStore(await connect(t, port)))
    child.kill('SIGSTOP')
    await assertRejects(store, /cannot process this request at the moment/)
    child.kill('SIGCONT')
    assert.equal(await store.get('other'), null)
  }
)

test(
  'withCircuitBreaker accepts responses that arrived while the process was blocked [F-25]',
  { skip },
  async (t) => {
    const { port } = await startRedis(t)
    const store = withCircuitBreaker(redisStore(await connect(t, port)))
    const writes = Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => store.putIfAbsent(`key${index}`, 'value', 60))
    )
    await new Promise(resolve => {
      setImmediate(resolve)
    })
    const end = performance.now() + 1_200
    while (performance.now() < end);
    assert.deepEqual((await writes).map(({ status }) => status), Array(8).fill('fulfilled'))
  }
)

test('redisStore rejects while Redis runs a script [F-15]', { skip }, async (t) => {
  const { port } = await startRedis(t, { args: ['--busy-reply-threshold', '50'] })
  const store = redisStore(await connect(t, port))
  const other = await connect(t, port)
  const script = other.eval('while true do end', 0).catch((error: Error) => error)
  await sleep(200)
  await assertRejects(store, /BUSY/)
  await (await connect(t, port, { enableReadyCheck: false })).script('KILL')
  await script
  assert.equal(await store.putIfAbsent('key', 'value', 60), null)
})

test('redisStore rejects writes to a replica and to a full server [F-15]', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  const store = redisStore(client)
  await client.config('SET', 'maxmemory', '1')
  await assert.rejects(store.put('key', 'value', 60), /OOM/)
  await assert.rejects(store.putIfAbsent('key', 'value', 60), /OOM/)
  await client.config('SET', 'maxmemory', '0')
  await client.replicaof('127.0.0.1', String(await freePort()))
  await assert.rejects(store.put('key', 'value', 60), /READONLY/)
  await assert.rejects(store.putIfAbsent('key', 'value', 60), /READONLY/)
  await client.config('SET', 'replica-serve-stale-data', 'no')
  await assertRejects(store, /READONLY|MASTERDOWN/)
})

test('redisStore rejects while Redis loads its data [F-15]', { skip }, async (t) => {
  const { port } = await startRedis(t, {
    args: ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024']
  })
  const client = await connect(t, port)
  const other = await connect(t, port)
  const store = redisStore(other)
  await client.eval('for i = 1, 2000 do redis.call("set", "x" .. i, i) end', 0)
  await client.config('SET', 'key-load-delay', '2000')
  const loaded = client.call('DEBUG', 'RELOAD').catch((error: Error) => error)
  while (!/\bloading:1/.test(await other.info('persistence'))) await sleep(10)
  await assertRejects(store, /LOADING/)
  client.disconnect()
  await loaded
})

test('one-time marks send each command once, and reject with storeUnavailable [F-15]', {
  skip
}, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  await client.call('ACL', 'SETUSER', 'default', '-set', '-get')
  const marks = createOneTimeMarks(withCircuitBreaker(redisStore(client)), 'https://mcp.example')
  await assert.rejects(marks.consume('code', 'x', 60), {
    kind: 'storeUnavailable',
    statusCode: 503
  })
  await assert.rejects(marks.isRevoked('grant'), { kind: 'storeUnavailable' })
  const stats: string = await client.info('commandstats')
  assert.match(stats, /cmdstat_set:calls=0,.*rejected_calls=1/)
  assert.match(stats, /cmdstat_get:calls=0,.*rejected_calls=1/)
})

test('redisStore needs the commands that docs/deploying.md names, and INFO for a warning alone', {
  skip
}, async (t) => {
  const page = readFileSync(new URL('../../docs/deploying.md', import.meta.url), 'utf8')
  const row = /\| commands \|(.*)\|/.exec(page)?.[1] ?? ''
  const commands = [...row.matchAll(/`([A-Z]+)`/g)].map(([, name = '']) => name.toLowerCase())
  for (const [name, check] of contract) {
    const { port } = await startRedis(t)
    const admin = await connect(t, port)
    const allowed = commands.filter(name => name !== 'info').map(name => `+${name}`)
    await admin.acl('SETUSER', 'app', 'on', '>password', '~*', '-@all', ...allowed)
    const as = { username: 'app', password: 'password', enableReadyCheck: false }
    const [one, two] = [await connect(t, port, as), await connect(t, port, as)]
    await check(redisStore(one), redisStore(two))
    assert.deepEqual(await redisStore(one).warnings?.(), [], name)
    await assert.rejects(one.info(), /NOPERM/)
  }
})
