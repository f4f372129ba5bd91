import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { auth as authorize2 } from '@modelcontextprotocol/client'
import { auth as authorize1 } from '@modelcontextprotocol/sdk/client/auth.js'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyServerOptions } from 'fastify'
import type { InjectOptions, Response } from 'light-my-request'
import type { McpOAuthEvent, McpOAuthOptions, Store } from '../../lib/index.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { loggingApp } from '../support/app.ts'
import { createHolder } from '../support/dpop.ts'
import {
  loopbackUri,
  publicUrl,
  query,
  renew,
  startFlow,
  type Flow,
  type FlowSetup
} from '../support/flow.ts'

const html = { accept: 'text/html' }
const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const registration = JSON.stringify({ redirect_uris: ['https://app.example/cb'] })

/** Requests to each limited endpoint, all of which are counted. */
const requests: Record<string, InjectOptions> = {
  register: { method: 'POST', url: '/oauth/register', headers: json, payload: registration },
  authorize: { url: '/oauth/authorize', headers: html },
  consent: { method: 'POST', url: '/oauth/consent', headers: { ...form, ...html }, payload: '' },
  callback: { url: '/oauth/callback?state=x&code=x', headers: html },
  token: {
    method: 'POST',
    url: '/oauth/token',
    headers: form,
    payload: query(renew('unknown', 'guess'))
  },
  revoke: {
    method: 'POST',
    url: '/oauth/revoke',
    headers: form,
    payload: 'token=x&client_id=unknown'
  }
}
const limits = { register: 2, authorize: 2, token: 2 }
const everyLimit: Partial<McpOAuthOptions> = { rateLimits: limits }

function send ({ app, prefix }: Flow, name: string, remoteAddress: string, headers = {}) {
  const { url, ...request } = requests[name] as InjectOptions
  const all = { ...request.headers, ...headers }
  return app.inject({ ...request, url: `${prefix}${String(url)}`, remoteAddress, headers: all })
}

async function statusesOf (flow: Flow, name: string, addresses: readonly string[], headers = {}) {
  const statuses = []
  for (const address of addresses) {
    statuses.push((await send(flow, name, address, headers)).statusCode)
  }
  return statuses
}

const times = <Value>(count: number, value: Value) => Array<Value>(count).fill(value)

function flowOf (t: TestContext, setup: FlowSetup = {}, server: FastifyServerOptions = {}) {
  const logs: string[] = []
  const options = { ...everyLimit, ...setup.options } as Partial<McpOAuthOptions>
  return startFlow(t, { app: async () => loggingApp(logs, server), ...setup, options }).then(flow =>
    Object.assign(flow, { logs })
  )
}

const warnings = (logs: readonly string[], text: string) =>
  logs.filter(line => line.includes(text) && JSON.parse(line).level === 40)

for (const name of Object.keys(requests)) {
  test(`/oauth/${name} refuses an address over its limit with 429 and Retry-After, and no other`, async (t) => {
    const flow = await flowOf(t)
    const before = await statusesOf(flow, name, times(2, '203.0.113.7'))
    assert.ok(!before.includes(429), String(before))
    const refused = await send(flow, name, '203.0.113.7')
    assert.equal(refused.statusCode, 429)
    const seconds = Number(refused.headers['retry-after'])
    assert.ok(seconds >= 1 && seconds <= 60, String(seconds))
    assert.equal(refused.headers['cache-control'], 'no-store')
    checkBody(name, refused)
    assert.deepEqual(await statusesOf(flow, name, ['203.0.113.8']), before.slice(0, 1))
    for (const other of Object.keys(requests).filter(other => other !== name)) {
      assert.notEqual((await send(flow, other, '203.0.113.7')).statusCode, 429, other)
    }
  })
}

/** The body that clients or browsers expect. */
function checkBody (name: string, { headers, payload }: Response) {
  const isPage = ['authorize', 'consent', 'callback'].includes(name)
  if (isPage) return assert.match(payload, /^<!doctype html>/)
  assert.deepEqual(JSON.parse(payload), {
    error: 'temporarily_unavailable',
    error_description: 'Too many requests; try again later.'
  })
  assert.equal(headers['access-control-allow-origin'], '*')
}

test('a flood from one /64 stops neither another /64 nor IPv4, and mapped IPv4 is IPv4', async (t) => {
  const flow = await flowOf(t)
  const flood = ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', '2001:db8:0:1::3', '2001:0db8:0:1::4']
  assert.deepEqual(await statusesOf(flow, 'register', flood), [201, 201, 429, 429])
  assert.deepEqual(await statusesOf(flow, 'register', ['2001:db8:0:2::1']), [201])
  const mapped = ['::ffff:203.0.113.7', '203.0.113.7', '::ffff:203.0.113.7']
  assert.deepEqual(await statusesOf(flow, 'register', mapped), [201, 201, 429])
  assert.deepEqual(await statusesOf(flow, 'register', times(3, 'fe80::1%eth0')), [201, 201, 429])
})

test('requests from this machine and without an address are not limited', async (t) => {
  const flow = await flowOf(t)
  for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '']) {
    assert.deepEqual(await statusesOf(flow, 'register', times(4, address)), times(4, 201), address)
  }
})

test('POST /oauth/token counts refused requests only: any number of users may refresh', async (t) => {
  const flow = await flowOf(t)
  const clientId = await flow.register()
  let { refresh_token: refreshToken } = await flow.tokens(clientId)
  const refresh = (token: string) =>
    flow.app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: form,
      payload: query(renew(clientId, token)),
      remoteAddress: '203.0.113.7'
    })
  for (let count = 0; count < 5; count++) {
    const response = await refresh(refreshToken)
    assert.equal(response.statusCode, 200)
    refreshToken = response.json().refresh_token
  }
  assert.equal((await refresh('guess')).statusCode, 400)
  assert.equal((await refresh('guess')).statusCode, 400)
  assert.equal((await refresh('guess')).statusCode, 429)
  const limited = await refresh(refreshToken)
  assert.deepEqual([limited.statusCode, limited.json().error], [429, 'temporarily_unavailable'])
  const sooner = await flow.token(renew(clientId, refreshToken))
  assert.equal(sooner.status, 200, 'the token that got a 429 is still valid')
})

test('POST /oauth/token does not count the requests that it answers with a DPoP nonce', async (t) => {
  const flow = await flowOf(t, { options: { dpop: 'accept' } })
  const holder = await createHolder()
  const clientId = await flow.register()
  const { url, ...request } = requests['token'] as InjectOptions
  for (let count = 0; count < 5; count++) {
    const dpop = await holder.prove('POST', `${flow.base}${String(url)}`)
    const response = await flow.app.inject({
      ...request,
      url: String(url),
      headers: { ...form, dpop },
      payload: query(renew(clientId, 'guess')),
      remoteAddress: '203.0.113.7'
    })
    assert.deepEqual([response.statusCode, response.json().error], [400, 'use_dpop_nonce'])
  }
})

test('rateLimits: false limits nothing, and the defaults allow many requests', async (t) => {
  for (const rateLimits of [false, undefined] as const) {
    const flow = await startFlow(t, { options: { ...rateLimits === false && { rateLimits } } })
    for (const name of Object.keys(requests)) {
      const statuses = await statusesOf(flow, name, times(20, '203.0.113.7'))
      assert.ok(!statuses.includes(429), name)
    }
  }
})

test('behind a proxy that is not trusted nobody is limited, and one warning names trustProxy', async (t) => {
  for (const header of ['x-forwarded-for', 'forwarded']) {
    const flow = await flowOf(t)
    for (const proxy of ['127.0.0.1', '10.0.0.5', '198.51.100.5']) {
      const headers = { [header]: 'for=192.0.2.1' }
      const statuses = await statusesOf(flow, 'register', times(4, proxy), headers)
      assert.deepEqual(statuses, times(4, 201), proxy)
    }
    const lines = warnings(flow.logs, 'trustProxy')
    assert.equal(lines.length, 1)
    assert.match(String(lines[0]), /"option":"trustProxy".*Give fastify\(\) the address/)
  }
})

test('a client cannot escape its limit by X-Forwarded-For where others connect directly', async (t) => {
  const flow = await flowOf(t)
  assert.equal((await send(flow, 'register', '203.0.113.8')).statusCode, 201)
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  const statuses = await statusesOf(flow, 'register', times(3, '203.0.113.7'), headers)
  assert.deepEqual(statuses, [201, 201, 429])
})

test('with trustProxy each address of X-Forwarded-For that Fastify trusts is limited', async (t) => {
  const flow = await flowOf(t, {}, { trustProxy: '10.0.0.0/8' })
  const from = (address: string) => ({ 'x-forwarded-for': `192.0.2.99, ${address}` })
  const limited = await statusesOf(flow, 'register', times(3, '10.0.0.5'), from('203.0.113.7'))
  assert.deepEqual(limited, [201, 201, 429])
  assert.deepEqual(
    await statusesOf(flow, 'register', times(3, '10.0.0.5'), from('203.0.113.8')),
    limited
  )
  assert.deepEqual(warnings(flow.logs, 'trustProxy'), [])
})

test('the first refusal of an address is one warning and one event, the others are neither', async (t) => {
  const events: McpOAuthEvent[] = []
  const flow = await flowOf(t, { options: { onEvent: event => events.push(event) } })
  await statusesOf(flow, 'authorize', times(6, '203.0.113.7'))
  const lines = flow.logs.filter(line => line.includes('TOO_MANY_REQUESTS'))
  assert.equal(lines.length, 1)
  assert.match(
    String(lines[0]),
    /"option":"rateLimits.authorize".*TOO_MANY_REQUESTS.*2 requests to \/oauth\/authorize in .*raise the option if many/
  )
  const denied = events.filter(({ type }) => type === 'request.denied')
  assert.deepEqual(
    denied.map(event => [event.type, event.address, 'status' in event && event.status]),
    [
      ['request.denied', '203.0.113.7', 429]
    ]
  )
})

for (const [sdk, authorize] of Object.entries({ '1.x': authorize1, '2.x': authorize2 })) {
  test(`a client of SDK ${sdk} that is limited keeps its tokens, and refreshes them a minute later`, async (t) => {
    const flow = await flowOf(t, {}, { trustProxy: '127.0.0.1' })
    const clientId = await flow.register()
    let tokens: any = await flow.tokens(clientId)
    const first = tokens.refresh_token
    const others: string[] = []
    const provider: any = {
      redirectUrl: loopbackUri,
      clientMetadata: { redirect_uris: [loopbackUri] },
      clientInformation: () => ({ client_id: clientId }),
      tokens: () => tokens,
      saveTokens: (saved: object) => (tokens = saved),
      redirectToAuthorization: () => others.push('login'),
      invalidateCredentials: (scope: string) => others.push(scope),
      saveCodeVerifier () {},
      codeVerifier: () => 'unused'
    }
    const fetchFn = (url: string | URL, init: RequestInit = {}) => {
      const headers = new Headers(init.headers)
      headers.set('x-forwarded-for', '203.0.113.7')
      return fetch(String(url).replace(publicUrl, flow.origin), { ...init, headers })
    }
    const refresh = () => authorize(provider, { serverUrl: flow.resource, fetchFn })
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    await statusesOf(flow, 'token', times(2, '203.0.113.7'))
    await assert.rejects(refresh(), /Too many requests/)
    assert.deepEqual([tokens.refresh_token, others], [first, []])
    t.mock.timers.tick(60_000)
    assert.equal(await refresh(), 'AUTHORIZED')
    assert.notEqual(tokens.refresh_token, first)
    assert.deepEqual(others, [])
  })
}

/** A store whose counters can be held up or fail. */
function countingStore (increment: (sum: number) => Promise<number>): Store {
  const sums = new Map<string, number>()
  return {
    ...memoryStore(),
    increment (key) {
      const sum = (sums.get(key) ?? 0) + 1
      sums.set(key, sum)
      return increment(sum)
    }
  }
}

test('instances that share a store limit an address together', async (t) => {
  const store = countingStore(async sum => sum)
  const flow = await flowOf(t, { instances: 2, options: { store } })
  const [first, second] = flow.instances as [Flow, Flow]
  const at = (instance: Flow) => send({ ...flow, app: instance.app }, 'register', '203.0.113.7')
  assert.equal((await at(first)).statusCode, 201)
  assert.equal((await at(second)).statusCode, 201)
  assert.equal((await at(second)).statusCode, 429)
})

test('a store whose counters fail or hang limits nobody, and the log has it once', async (t) => {
  const failing = {
    rejects: async () => {
      throw new Error('NOPERM')
    },
    hangs: () => new Promise<number>(() => {}),
    'returns nonsense': async () => 'nonsense' as never
  }
  for (const [name, increment] of Object.entries(failing)) {
    const flow = await flowOf(t, { options: { store: countingStore(increment) } })
    const addresses = ['203.0.113.7', '203.0.113.7', '203.0.113.8', '203.0.113.8']
    assert.deepEqual(await statusesOf(flow, 'register', addresses), times(4, 201), name)
    if (name === 'rejects') assert.equal(warnings(flow.logs, 'Could not count').length, 1)
    await flow.tokens(await flow.register())
  }
})

test('the same package in the host limits its own way: neither counts for the other', async (t) => {
  for (const settings of [{ max: 5 }, { global: false }]) {
    const logs: string[] = []
    const flow = await startFlow(t, {
      options: everyLimit,
      app: async () => {
        const app = loggingApp(logs)
        await app.register(rateLimit, settings)
        app.get('/limited', { config: { rateLimit: { max: 1 } } }, async () => ({}))
        return app
      }
    })
    const own = await send(flow, 'register', '203.0.113.7')
    assert.equal(own.headers['x-ratelimit-remaining'], settings.max && '4', 'counted once')
    assert.deepEqual(await statusesOf(flow, 'register', times(2, '203.0.113.7')), [201, 429])
    const ofHost = () => flow.app.inject({ url: '/limited', remoteAddress: '203.0.113.9' })
    assert.deepEqual([(await ofHost()).statusCode, (await ofHost()).statusCode], [200, 429])
  }
})

test('the package can be registered by the host after the plugin', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const { mcpOAuth } = await import('../../lib/index.ts')
  await app.register(mcpOAuth, {
    issuer: 'https://issuer.example',
    clientId: 'server',
    setupProxies: true,
    rateLimits: { register: 1 }
  })
  await app.register(rateLimit, { max: 100 })
  const post = () =>
    app.inject({ ...requests['register'], remoteAddress: '203.0.113.7' } as InjectOptions)
  assert.deepEqual([(await post()).statusCode, (await post()).statusCode], [201, 429])
})
