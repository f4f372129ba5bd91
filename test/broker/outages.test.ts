import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Store } from '../../lib/types.ts'
import { redisStore } from '../../lib/store/redis.ts'
import { freePort } from '../support/broker.ts'
import {
  isError,
  isPage,
  openBrowser,
  redeem,
  renew,
  startFlow,
  type Flow,
  type Reply
} from '../support/flow.ts'
import { connect, servers, skip, skipWithout, startRedis } from '../support/redis.ts'

const prefixes = { 'at the root': '', 'under /v1': '/v1' }
const combinations = servers.flatMap(server =>
  Object.entries(prefixes).map(([where, prefix]) => [server, prefix, where] as const)
)

/**
 * A request that needs the store, whether an instance or the proxy receives it, and the status
 * without an outage.
 */
interface Step {
  send(): Promise<Reply>
  assertRejected(reply: Reply): void
  status: number
  reads?: true
}

/** One request for every endpoint that writes to the store or reads from it. None is sent yet. */
async function prepare (flow: Flow): Promise<Record<string, Step>> {
  const id = await flow.register()
  const [consentBrowser, callbackBrowser] = [openBrowser(), openBrowser()]
  const callbackQuery = await flow.approve(callbackBrowser, flow.params(id))
  const headers = { accept: 'text/html', cookie: callbackBrowser.cookie() }
  const request = await flow.form(consentBrowser, flow.params(id))
  const code = await flow.login(id)
  const [refreshed, one, two, used] = [
    await flow.tokens(id),
    await flow.tokens(id),
    await flow.tokens(id),
    await flow.tokens(id)
  ]
  const page = (reply: Reply) => isPage(reply, 503, 'temporarily_unavailable')
  const json = (reply: Reply) => isError(reply, 503, 'temporarily_unavailable')
  return {
    consent: {
      send: () => consentBrowser.post(flow, '/oauth/consent', { request, action: 'approve' }),
      assertRejected: page,
      status: 303
    },
    callback: {
      send: () => flow.send(`/oauth/callback?${callbackQuery}`, { headers }),
      assertRejected: page,
      status: 302
    },
    code: { send: () => flow.token(redeem(id, code)), assertRejected: json, status: 200 },
    refresh: {
      send: () => flow.token(renew(id, refreshed['refresh_token'])),
      assertRejected: json,
      status: 200
    },
    'revoke a refresh token': {
      send: () => flow.revoke({ client_id: id, token: one['refresh_token'] }),
      assertRejected: json,
      status: 200
    },
    'revoke an access token': {
      send: () => flow.revoke({ client_id: id, token: two['access_token'] }),
      assertRejected: json,
      status: 200
    },
    '/mcp': {
      send: () => flow.call(used['access_token']),
      assertRejected: json,
      status: 200,
      reads: true
    }
  }
}

/** Faults of a Redis that still responds. */
interface Fault {
  args?: string[]
  readable?: true
  /** Resolves to the function that ends the fault. */
  start(t: TestContext, port: number, admin: Redis): Promise<() => Promise<unknown>>
}

const faults: Record<string, Fault> = {
  BUSY: {
    args: ['--busy-reply-threshold', '50'],
    async start (t, port, admin) {
      const script = admin.eval('while true do end', 0).catch((error: Error) => error)
      await sleep(200)
      return async () => {
        await (await connect(t, port, { enableReadyCheck: false })).script('KILL')
        await script
      }
    }
  },
  LOADING: {
    args: ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024'],
    async start (t, port, admin) {
      const secondClient = await connect(t, port)
      await admin.call('DEBUG', 'POPULATE', '10000')
      await admin.config('SET', 'key-load-delay', '2000')
      const loaded = admin.call('DEBUG', 'RELOAD')
      while (!/\bloading:1/.test(await secondClient.info('persistence'))) await sleep(10)
      return async () => {
        await secondClient.config('SET', 'key-load-delay', '0')
        await loaded
      }
    }
  },
  MASTERDOWN: {
    args: ['--replica-serve-stale-data', 'no'],
    async start (_t, _port, admin) {
      await admin.replicaof('127.0.0.1', String(await freePort()))
      return () => admin.replicaof('NO', 'ONE')
    }
  },
  READONLY: {
    readable: true,
    async start (_t, _port, admin) {
      await admin.replicaof('127.0.0.1', String(await freePort()))
      return () => admin.replicaof('NO', 'ONE')
    }
  },
  OOM: {
    readable: true,
    async start (_t, _port, admin) {
      await admin.config('SET', 'maxmemory', '1')
      return () => admin.config('SET', 'maxmemory', '0')
    }
  }
}

/** The number of our commands that Redis received, including rejected ones. */
async function commandsAt (admin: Redis): Promise<{ reads: number, writes: number }> {
  const stats = await admin.info('commandstats')
  const count = (command: string) => {
    const [line = ''] = new RegExp(`^cmdstat_${command}:.*$`, 'm').exec(stats) ?? []
    return [...line.matchAll(/\b(?:calls|rejected_calls)=(\d+)/g)].reduce(
      (sum, [, number]) => sum + Number(number),
      0
    )
  }
  return { reads: count('get'), writes: count('set') }
}

for (const [name, { args = [], readable, start }] of Object.entries(faults)) {
  for (const [server, prefix, where] of combinations) {
    test(
      `all endpoints return 503 during ${name} of a ${server} (${where}), then recover [F-15]`,
      { skip: skipWithout(server) },
      async (t) => {
        const { port } = await startRedis(t, { server, args })
        const admin = await connect(t, port)
        const flow = await startFlow(t, {
          options: { prefix, store: redisStore(await connect(t, port)) }
        })
        const steps = Object.entries(await prepare(flow))
        const requestCounts = {
          all: flow.provider.requests.length,
          tokens: flow.provider.count('/token')
        }
        const before = await commandsAt(admin)
        const end = await start(t, port, admin)
        // Cached responses of the store must be a second old.
        await sleep(1_050)
        const startedAt = performance.now()
        const rounds = 15
        for (let round = 0; round < rounds; round++) {
          for (const [step, { send, assertRejected, reads }] of steps) {
            const reply = await send()
            if (reads && readable) {
              assert.equal(reply.status, 200, 'reads still succeed')
              continue
            }
            assertRejected(reply)
            assert.equal(reply.headers.get('retry-after'), '5', step)
            assert.deepEqual(reply.cookies, [], step)
          }
        }
        const probes = Math.ceil((performance.now() - startedAt) / 1_000)
        await end()
        const after = await commandsAt(admin)
        const [reads, writes] = [after.reads - before.reads, after.writes - before.writes]
        // Five failures, probes of four keys, and the messages that instances exchange.
        const most = 5 + 4 * (probes + 1) + 4
        assert.ok(readable || reads <= most, `no storm: ${reads} in ${probes} s`)
        assert.ok(writes <= most, `no storm: ${writes} in ${probes} s`)
        assert.ok(reads + writes >= 6, 'the store received commands')
        assert.equal(
          flow.provider.requests.length,
          requestCounts.all,
          'the provider received no request'
        )

        await sleep(1_000)
        for (const [step, { send, status }] of steps) {
          assert.equal((await send()).status, status, `${step} afterwards`)
        }
        const retried = Object.fromEntries(
          await Promise.all(steps.map(async ([step, { send }]) => [step, (await send()).status]))
        )
        assert.deepEqual(retried, {
          consent: 303,
          callback: 302,
          code: 400,
          refresh: 200,
          'revoke a refresh token': 200,
          'revoke an access token': 200,
          '/mcp': 200
        })
        assert.equal(flow.provider.count('/token'), requestCounts.tokens + 2)
      }
    )
  }
}

/** A primary and its replica, and a store that uses the current primary. */
interface Pair {
  store: Store
  disconnect(): Promise<void>
  failOver(): Promise<void>
}

async function startPair (t: TestContext): Promise<Pair> {
  const [primary, replica] = [
    await startRedis(t, { args: ['--repl-diskless-sync-delay', '0'] }),
    await startRedis(t)
  ]
  const [admin, secondClient] = [await connect(t, primary.port), await connect(t, replica.port)]
  await secondClient.replicaof('127.0.0.1', String(primary.port))
  while (!/master_link_status:up/.test(await secondClient.info('replication'))) await sleep(20)
  let current = redisStore(await connect(t, primary.port))
  return {
    store: {
      get: key => current.get(key),
      put: (key, value, ttl) => current.put(key, value, ttl),
      putIfAbsent: (key, value, ttl) => current.putIfAbsent(key, value, ttl)
    },
    /** Stops the replication. */
    async disconnect () {
      while (!/slave0:.*lag=[01]\b/.test(await admin.info('replication'))) await sleep(20)
      await admin.call('WAIT', '1', '1000')
      await admin.call('ACL', 'SETUSER', 'default', '-psync', '-sync', '-replconf')
      await admin.call('CLIENT', 'KILL', 'TYPE', 'REPLICA')
      while (!/master_link_status:down/.test(await secondClient.info('replication'))) {
        await sleep(20)
      }
    },
    /** Stops the primary and promotes the replica. */
    async failOver () {
      primary.process.kill('SIGKILL')
      await secondClient.replicaof('NO', 'ONE')
      current = redisStore(await connect(t, replica.port))
    }
  }
}

for (const [where, prefix] of Object.entries(prefixes)) {
  test(
    `POST /oauth/token redeems a code once after a lossy failover (${where}) [F-14]`,
    { skip },
    async (t) => {
      const { store, disconnect, failOver } = await startPair(t)
      const flow = await startFlow(t, { instances: 2, options: { prefix, store } })
      const id = await flow.register()
      const browser = openBrowser()
      const code = await flow.login(id)
      const callbackQuery = await flow.approve(browser, flow.params(id))
      const cookie = browser.cookie()
      const sendCallback = async () =>
        await flow.send(`/oauth/callback?${callbackQuery}`, {
          headers: { accept: 'text/html', cookie }
        })
      const codeIn = ({ location }: Reply) => location?.searchParams.get('code') ?? ''

      await disconnect()
      const first = await flow.token(redeem(id, code))
      assert.equal(first.status, 200)
      const callback = await sendCallback()
      const second = await flow.token(redeem(id, codeIn(callback)))
      assert.equal(second.status, 200)
      await failOver()

      const failures = await Promise.all(
        Array.from(
          { length: 20 },
          (_, index) => (flow.instances[index % 2] as Flow).token(redeem(id, code))
        )
      )
      for (const reply of failures) isError(reply, 400, 'invalid_grant')
      const retried = await sendCallback()
      assert.equal(retried.status, 302, 'the mark of the callback is lost')
      isError(
        await flow.token(redeem(id, codeIn(retried))),
        400,
        'invalid_grant',
        'but its code is invalid'
      )
      assert.equal(
        flow.provider.refreshTokens.size,
        2,
        'the provider issued tokens twice, for two logins'
      )
      for (const reply of [first, second]) {
        const tokens = reply.json()
        assert.equal((await flow.call(tokens['access_token'])).status, 200, 'no user is logged out')
        assert.equal((await flow.token(renew(id, tokens['refresh_token']))).status, 200)
      }
    }
  )

  test(
    `POST /oauth/token leaves reuse to the provider after a lossy failover (${where}) [F-14 V-05 T-21]`,
    { skip },
    async (t) => {
      const { store, disconnect, failOver } = await startPair(t)
      const flow = await startFlow(t, { options: { prefix, store } })
      const id = await flow.register()
      const [used, revoked] = [await flow.tokens(id), await flow.tokens(id)]
      await disconnect()
      const next = (await flow.token(renew(id, used.refresh_token))).json()
      assert.equal((await flow.revoke({ client_id: id, token: revoked.access_token })).status, 200)
      assert.equal((await flow.call(revoked.access_token)).status, 401)
      while (flow.provider.count('/revoke') === 0) await sleep(10)
      await failOver()

      assert.equal(
        (await flow.call(revoked.access_token)).status,
        200,
        'until it expires, as docs/security.md warns'
      )
      isError(
        await flow.token(renew(id, revoked.refresh_token)),
        400,
        'invalid_grant',
        'but the provider received the revocation'
      )
      isError(
        await flow.token(renew(id, used.refresh_token)),
        400,
        'invalid_grant',
        'this provider rotates'
      )
      isError(
        await flow.token(renew(id, next['refresh_token'])),
        400,
        'invalid_grant',
        'and therefore detects the reuse'
      )
    }
  )
}

test(
  'POST /oauth/token sends a slow provider 50 requests, queues 200 and spares codes [F-09]',
  async (t) => {
    const flow = await startFlow(t, { options: { lifetimes: { code: 600 } } })
    // All these logins may take more than the minute of a code.
    const id = await flow.register()
    const codes: string[] = []
    for (let index = 0; index < 260; index++) codes.push(await flow.login(id))
    flow.provider.delay = 3_000
    const replies = await Promise.all(
      codes.map(async code => ({ code, reply: await flow.token(redeem(id, code)) }))
    )
    assert.equal(flow.provider.most, 50)
    const rejected = replies.filter(({ reply }) => reply.status !== 200)
    // The requests beyond the queue, and those that waited for five seconds.
    assert.ok(rejected.length >= 10, String(rejected.length))
    flow.provider.delay = 0
    for (const { code, reply } of rejected) {
      // Those that left the queue late are let go before the provider responds.
      isError(reply, reply.status === 504 ? 504 : 503, 'temporarily_unavailable')
      assert.ok(reply.headers.get('retry-after'))
      assert.equal((await flow.token(redeem(id, code))).status, 200)
    }
    assert.equal(flow.provider.count('/token'), 260)
  }
)
