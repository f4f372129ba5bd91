import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import type { McpOAuthEvent } from '../../lib/index.ts'
import { lostLoginMs } from '../../lib/limits.ts'
import { openBrowser, startFlow } from '../support/flow.ts'
import { sendRequest } from '../support/requests.ts'

const loggedEvents = (lines: readonly string[]) =>
  lines.map(line => JSON.parse(line)).filter(({ event }) => event !== undefined)

test('a login is five events and one line, all with its grant, client and scopes', async (t) => {
  const events: McpOAuthEvent[] = []
  const flow = await startFlow(t, { options: { onEvent: event => events.push(event) } })
  const clientId = await flow.register()
  const { refresh_token: refreshToken } = await flow.tokens(clientId)
  await flow.token({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: clientId
  })
  assert.deepEqual(events.map(({ type }) => type), [
    'client.registered',
    'login.started',
    'login.completed',
    'code.redeemed',
    'token.refreshed'
  ])
  const [registered, started, completed, redeemed, refreshed] = events
  assert.equal(registered?.client?.id, clientId)
  assert.ok(started?.grant)
  for (const event of [completed, redeemed, refreshed]) {
    assert.equal(event?.grant, started.grant)
    assert.equal(event?.client?.name, started.client?.name)
    assert.deepEqual(event?.scopes, started.scopes)
    assert.ok(Object.isFrozen(event))
  }
  for (const event of events) {
    assert.equal(event.prefix, flow.prefix)
    assert.equal(event.address, '127.0.0.1')
    assert.match(String(event.requestId), /^req-/)
  }
  assert.equal(redeemed?.subject, refreshed?.subject)
  const [line, ...others] = loggedEvents(flow.logs)
  assert.deepEqual(others, [])
  assert.deepEqual([line.event, line.msg, line.reqId, line.grant], [
    'code.redeemed',
    'A user logged in',
    redeemed?.requestId,
    started.grant
  ])
})

test('events reach node:diagnostics_channel, whatever onEvent throws, which is logged once', async (t) => {
  const names: unknown[] = []
  const listener = (event: unknown, channel: unknown) => names.push([channel, Object(event).type])
  subscribe('fastify-mcp-oauth:code.redeemed', listener)
  t.after(() => unsubscribe('fastify-mcp-oauth:code.redeemed', listener))
  const flow = await startFlow(t, {
    options: {
      onEvent: ({ type }) => {
        if (type === 'login.started') throw new Error('broken subscriber')
        return Promise.reject(new Error('broken subscriber'))
      }
    }
  })
  await flow.tokens(await flow.register())
  assert.deepEqual(names, [['fastify-mcp-oauth:code.redeemed', 'code.redeemed']])
  const failures = flow.logs.filter(line => line.includes('Option onEvent failed'))
  assert.equal(failures.length, 1)
})

test('the option redact keeps subjects and addresses out of events and lines', async (t) => {
  const events: McpOAuthEvent[] = []
  const flow = await startFlow(t, {
    options: { redact: ['subject', 'address'], onEvent: event => events.push(event) }
  })
  await flow.tokens(await flow.register())
  assert.equal(events.length, 4)
  for (const event of events) assert.ok(!('subject' in event) && !('address' in event), event.type)
  assert.ok(loggedEvents(flow.logs).every(line => !('subject' in line)))
})

test('a denial, a refused token request and a revocation are one event and one line each', async (t) => {
  const events: McpOAuthEvent[] = []
  let deny = false
  const flow = await startFlow(t, {
    options: {
      onEvent: event => events.push(event),
      authorizeUser: () => deny ? { deny: 'Not a member' } : true
    }
  })
  const clientId = await flow.register()
  const { access_token: token } = await flow.tokens(clientId)
  await flow.revoke({ token, client_id: clientId })
  deny = true
  const code = await flow.login(clientId)
  const verifier = 'wrong'.repeat(10)
  await flow.token({
    grant_type: 'authorization_code',
    code,
    client_id: clientId,
    code_verifier: verifier
  })
  await assert.rejects(flow.tokens(clientId))
  const told = events.filter(({ type }) => /denied|refused|revoked/.test(type))
  assert.deepEqual(told.map(event => [event.type, 'by' in event && event.by]), [
    ['grant.revoked', 'client'],
    ['token.refused', false],
    ['login.denied', 'policy'],
    ['token.refused', false]
  ])
  const lines = loggedEvents(flow.logs).map(({ event, code, reason }) => [event, code, reason])
  assert.deepEqual(lines.map(([event]) => event), [
    'code.redeemed',
    'grant.revoked',
    'token.refused',
    'login.denied'
  ])
  assert.match(String(lines[2]?.[2]), /verifier/)
  const refusals = flow.logs.map(line => JSON.parse(line)).filter(({ code }) => code)
  assert.equal(refusals.length, 2, 'no second line')
})

test('POST /oauth/token tells of clients that are unknown, without repeating what they sent', async (t) => {
  const events: McpOAuthEvent[] = []
  const flow = await startFlow(t, { options: { onEvent: event => events.push(event) } })
  const unknown = { client_id: 'canary-unknown', code: 'canary-code' }
  await flow.token({ ...unknown, grant_type: 'authorization_code', code_verifier: 'v'.repeat(43) })
  await flow.token({ ...unknown, grant_type: 'canary-grant' })
  assert.deepEqual(
    events.map(event =>
      event.type === 'token.refused' && [event.error, event.grantType, event.client]
    ),
    [['invalid_client', 'authorization_code', undefined], [
      'unsupported_grant_type',
      'unknown',
      undefined
    ]]
  )
  assert.doesNotMatch(JSON.stringify(events), /canary-(?:code|grant)/)
})

test('a subscriber cannot change what guards and pages go on with', async (t) => {
  const flow = await startFlow(t, {
    options: {
      onEvent: ({ scopes, client }) => {
        for (const part of [scopes, client, Object(scopes).missing]) {
          if (part !== undefined) assert.ok(Object.isFrozen(part))
        }
        Reflect.apply(Array.prototype.splice, scopes ?? [], [0])
      }
    },
    routes: async (app) => {
      app.get(
        '/admin',
        { onRequest: app.requireMcpAuth({ scopes: ['admin'] }) },
        async () => 'data'
      )
    }
  })
  const { access_token: token } = await flow.tokens(await flow.register())
  const ask = () => fetch(`${flow.origin}/admin`, { headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual([(await ask()).status, (await ask()).status], [403, 403])
})

test('a browser without cookies, or with those of another login, is an info line with the reason', async (t) => {
  const flow = await startFlow(t)
  const browser = openBrowser()
  const request = await flow.form(browser, flow.params(await flow.register()))
  const send = async (headers: Record<string, string>) => {
    const from = flow.logs.length
    const body = new URLSearchParams({ request, action: 'approve' })
    const response = await sendRequest(`${flow.origin}/oauth/consent`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: String(body)
    })
    assert.equal(response.status, 403)
    const lines = flow.logs.slice(from).map(line => JSON.parse(line)).filter(({ code }) => code)
    return lines.map(({ level, reason }) => `${level} ${reason}`).join()
  }
  assert.match(await send({}), /^30 the request has no cookies: .*reverse proxy removes Cookie/)
  assert.match(await send({ cookie: 'a=b' }), /^30 the cookie of this login is not among/)
  assert.match(await send({ 'sec-fetch-site': 'cross-site' }), /^30 it comes from another page/)
  const cookie = [...browser.jar].map(([name, value]) => `${name}=${value}`).join('; ')
  assert.match(await send({ cookie, origin: 'http://mcp.example.com' }), /^30 its Origin is "http:/)
  const foreign = await send({ cookie, 'sec-fetch-site': 'cross-site' })
  assert.match(foreign, /^30 it comes from another page \(sec-fetch-site: "cross-site"\)$/)
})

test('three logins in a row that do not come back are one warning with the redirect URI', async (t) => {
  const flow = await startFlow(t)
  const warnings = () => flow.logs.filter(line => line.includes('do not come back'))
  const id = await flow.register()
  const leave = async (times: number) => {
    for (let at = 0; at < times; at++) {
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(id))
      const reply = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
      assert.equal(reply.status, 303)
    }
  }
  const { mock } = t.mock.method(globalThis, 'setTimeout')
  const waits = () => mock.calls.filter(({ arguments: [, ms] }) => ms === lostLoginMs)
  await leave(1)
  await flow.tokens(id)
  await leave(2)
  assert.equal(waits().length, 0)
  await leave(1)
  const [{ result: timer, arguments: [end] } = assert.fail(), ...others] = waits()
  assert.equal(others.length, 0)
  await flow.tokens(id)
  assert.equal(Object(timer)._destroyed, true)
  await leave(3)
  end()
  assert.equal(warnings().length, 1)
  assert.ok(warnings()[0]?.includes(`redirect URI ${flow.base}/oauth/callback"`))
  await flow.tokens(id)
  await leave(4)
  assert.equal(waits().length, 2, 'once')
})
