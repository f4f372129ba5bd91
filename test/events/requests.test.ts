import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventOf, McpOAuthEvent, McpOAuthOptions } from '../../lib/index.ts'
import { findCanary } from '../support/canaries.ts'
import { startFlow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { json, sendRequest } from '../support/requests.ts'
import { revisions, rpc } from '../support/revisions.ts'
import { toolServers } from '../support/tool-servers.ts'

/** Collects events, and waits for them: those of callers are published a moment later. */
function collect () {
  const events: McpOAuthEvent[] = []
  return {
    events,
    onEvent: (event: McpOAuthEvent) => events.push(event),
    async take<Type extends McpOAuthEvent['type']> (type: Type, count = 1) {
      const found = () =>
        events.filter((event): event is EventOf<Type> & McpOAuthEvent => event.type === type)
      for (let waits = 0; found().length < count; waits++) {
        assert.ok(waits < 500, `${count} of ${type}: ${JSON.stringify(events)}`)
        await sleep(10)
      }
      return found()
    }
  }
}

const modes = ['ok', 'fails', 'throws', 'tells'] as const

/** Starts a server of a kind, for callers with the scope `mcp`. */
async function start (t: TestContext, kind: string, options: McpOAuthOptions = {}) {
  const { onEvent, ...collected } = collect()
  let arrived = () => {}
  const waiting = new Promise<void>(resolve => {
    arrived = resolve
  })
  const server = toolServers[kind]?.(arrived)
  assert.ok(server)
  const mcp = { ...server.mcp, ...options.mcp }
  const { mcpUrl, token } = await startGuarded(
    t,
    { requiredScopes: ['mcp'], ...options, mcp, onEvent },
    server.routes ? { routes: server.routes } : {}
  )
  const access = await token({ scope: 'mcp', sub: 'alice', client_id: 'client' })
  const authorization = `Bearer ${access}`
  return { ...collected, waiting, mcpUrl, authorization, access }
}

const act = (how: string) => ({ name: 'act', arguments: { how }, _meta: { progressToken: 7 } })

for (const kind of Object.keys(toolServers)) {
  test(`tool.called has the outcome of each call, in all revisions: ${kind}`, async (t) => {
    const { mcpUrl, authorization, take, events, access } = await start(t, kind)
    for (const revision of revisions) {
      for (const how of modes) {
        await sendRequest(mcpUrl, rpc(revision, 'tools/call', act(how), { authorization }))
      }
    }
    await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/list', {}, { authorization }))
    const calls = await take('tool.called', revisions.length * modes.length)
    assert.deepEqual(
      calls.map(({ outcome }) => outcome),
      revisions.flatMap(() => ['ok', 'error', 'error', 'ok'])
    )
    for (const { tool, ms, subject, client, scopes, requestId, address } of calls) {
      assert.ok(ms >= 0)
      assert.deepEqual(
        { tool, subject, client, scopes, address },
        {
          tool: 'act',
          subject: 'alice',
          client: { id: 'client', name: null },
          scopes: ['mcp'],
          address: '127.0.0.1'
        }
      )
      assert.match(String(requestId), /^req-/)
    }
    assert.ok(calls.every(call => !('grant' in call)), 'the provider has no grants of ours')
    assert.equal(events.length, calls.length)
    assert.ok(!JSON.stringify(events).includes(access.split('.')[2] ?? access))
  })

  test(`tool.called is one event for each call of a batch: ${kind}`, async (t) => {
    const { mcpUrl, authorization, take } = await start(t, kind)
    const body = ['ok', 'fails', 'ok'].map((how, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: act(how)
    }))
    const ping = { jsonrpc: '2.0', id: 'ping', method: 'ping' }
    const text = JSON.stringify([...body, ping])
    const { status } = await sendRequest(mcpUrl, {
      ...rpc('2025-03-26', 'ping', {}, { authorization }),
      body: text
    })
    const calls = await take('tool.called', 3)
    // The SDK 2.x has no batches.
    const expected = status === 200 ? ['error', 'ok', 'ok'] : ['error', 'error', 'error']
    assert.deepEqual(calls.map(({ outcome }) => outcome).sort(), expected)
  })

  for (const revision of ['2025-11-25', '2026-07-28'] as const) {
    test(`tool.called tells of a client that disconnects: ${kind}, ${revision}`, async (t) => {
      const { mcpUrl, authorization, take, waiting } = await start(t, kind)
      const disconnect = new AbortController()
      const sent = sendRequest(mcpUrl, {
        ...rpc(revision, 'tools/call', act('waits'), { authorization }),
        signal: disconnect.signal
      })
      await waiting
      disconnect.abort()
      await assert.rejects(sent)
      const [call] = await take('tool.called')
      assert.deepEqual([call?.outcome, call?.address], ['cancelled', '127.0.0.1'])
    })

    test(`tool.called tells of policies that refuse: ${kind}, ${revision}`, async (t) => {
      const verdicts = [false, { scopes: ['more'] }]
      const { mcpUrl, authorization, take } = await start(t, kind, {
        mcp: { authorizeTool: () => verdicts.shift() ?? true }
      })
      for (const how of ['refused', 'needs more']) {
        await sendRequest(mcpUrl, rpc(revision, 'tools/call', act(how), { authorization }))
      }
      const calls = await take('tool.called', 2)
      assert.deepEqual(calls.map(({ outcome }) => outcome), ['denied', 'denied'])
      const [event] = await take('scopes.requested')
      assert.deepEqual(event && [event.missing, event.scopes, event.subject], [
        ['more'],
        ['mcp', 'more'],
        'alice'
      ])
    })
  }
}

test('tool.called tells of a cancelled call and of an unknown tool', async (t) => {
  const { mcpUrl, authorization, take, waiting } = await start(t, 'a server of the SDK 1.x')
  const send = (method: string, params: object) =>
    sendRequest(mcpUrl, rpc('2025-11-25', method, params, { authorization }))
  const sent = send('tools/call', act('waits'))
  await waiting
  const message = {
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: 5 }
  }
  await sendRequest(mcpUrl, json(message, { authorization, accept: '*/*' }))
  assert.equal((await sent).status, 202)
  await send('tools/call', { name: 'unknown' })
  const calls = await take('tool.called', 2)
  assert.deepEqual(calls.map(({ tool, outcome }) => [tool, outcome]), [
    ['act', 'cancelled'],
    ['unknown', 'error']
  ])
})

test('request.denied has status, error and reason of each refusal, and scopes.requested the rest', async (t) => {
  const { mcpUrl, take, authorization } = await start(t, 'a server of the SDK 1.x', {
    tokens: async token =>
      token === 'canary-of-a-token'
        ? null
        : { token, clientId: 'client', subject: 'alice', scopes: ['mcp'] },
    dependencies: [async ({ headers }) => {
      if (headers['x-deny'] === 'throw') {
        throw Object.assign(new Error('banned'), { statusCode: 403 })
      }
      return headers['x-deny'] !== 'false'
    }]
  })
  const send = (headers: Record<string, string>) =>
    sendRequest(mcpUrl, rpc('2025-11-25', 'tools/call', act('ok'), headers))
  await send({})
  await send({ authorization: 'Bearer canary-of-a-token' })
  await send({ authorization, 'x-deny': 'throw' })
  await send({ authorization, 'x-deny': 'false' })
  await send({ authorization, origin: 'https://evil.example' })
  const denied = await take('request.denied', 5)
  assert.deepEqual(
    denied.map(({ status, error, scopes, subject }) => [status, error, scopes, subject]),
    [
      [401, 'invalid_token', ['mcp'], undefined],
      [401, 'invalid_token', ['mcp'], undefined],
      [403, 'insufficient_scope', ['mcp'], 'alice'],
      [401, 'invalid_token', ['mcp'], 'alice'],
      [403, 'access_denied', [], undefined]
    ]
  )
  const reasons = denied.map(({ reason }) => reason)
  for (
    const [index, pattern] of [
      /required/,
      /recognizes/,
      /refused it, in a hook or a dependency: banned$/,
      /false/,
      /evil/
    ].entries()
  ) {
    assert.match(String(reasons[index]), pattern)
  }
  assert.equal(findCanary(JSON.stringify(denied)), undefined)
})

test('a guarded route tells of refusals and missing scopes, with what is known of the caller', async (t) => {
  const { onEvent, take } = collect()
  const { origin, token } = await startGuarded(
    t,
    { onEvent, scopeHierarchy: { admin: ['read'] } },
    {
      routes: app =>
        app.get(
          '/me',
          { onRequest: app.requireMcpAuth({ scopes: ['read', 'write'] }) },
          async () => ''
        )
    }
  )
  const access = await token({ scope: 'admin', sub: 'alice', client_id: 'client' })
  await sendRequest(`${origin}/me`, { headers: { authorization: `Bearer ${access}` } })
  await sendRequest(`${origin}/me`)
  const [event] = await take('scopes.requested')
  assert.deepEqual(event && [event.missing, event.scopes, event.subject, event.client], [
    ['write'],
    ['read', 'write'],
    'alice',
    { id: 'client', name: null }
  ])
  const [denied, ...more] = await take('request.denied')
  assert.deepEqual([denied?.status, denied?.subject, more.length], [401, undefined, 0])
})

test('events of callers of the broker have its grant and client, and no secret', async (t) => {
  const { onEvent, events, take } = collect()
  const flow = await startFlow(t, { options: { onEvent } })
  const clientId = await flow.register()
  const { access_token: token, refresh_token: refresh } = await flow.tokens(clientId)
  await flow.call(token)
  const narrow = await flow.token({
    grant_type: 'refresh_token',
    refresh_token: refresh,
    client_id: clientId
  })
  await flow.revoke({ token: narrow.json()['refresh_token'], client_id: clientId })
  await flow.call(token)
  const [called] = await take('tool.called')
  const [denied] = await take('request.denied')
  const [redeemed] = await take('code.redeemed')
  for (const name of ['subject', 'client', 'grant'] as const) {
    assert.deepEqual(called?.[name], redeemed?.[name])
  }
  assert.deepEqual(called?.client, { id: clientId, name: 'Test client' })
  assert.match(String(denied?.reason), /its grant has ended/)
  const text = JSON.stringify(events)
  const secrets = [token, refresh, narrow.json()['access_token']] as string[]
  assert.equal(findCanary(text, flow.provider.canaries), undefined)
  for (const secret of secrets) assert.ok(!text.includes(secret.slice(-40)))
})

test('the option redact keeps subjects and addresses out of events of callers', async (t) => {
  const { mcpUrl, authorization, take } = await start(t, 'a server of the SDK 1.x', {
    redact: ['subject', 'address']
  })
  await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/call', act('ok'), { authorization }))
  await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/call', act('ok')))
  const [called] = await take('tool.called')
  const [denied] = await take('request.denied')
  for (const event of [called, denied]) {
    assert.ok(event && !('subject' in event) && !('address' in event))
  }
})

test('POST /mcp parses its replies only while somebody listens', async (t) => {
  const { parse } = JSON
  const parsed: string[] = []
  t.mock.method(JSON, 'parse', (text: string, reviver?: never) => {
    parsed.push(text)
    return parse(text, reviver)
  })
  for (const onEvent of [undefined, () => {}]) {
    const { call, token } = await startGuarded(t, onEvent && { onEvent })
    const reply = await (await call(await token())).text()
    assert.match(reply, /result/)
    assert.equal(parsed.includes(reply), onEvent !== undefined)
  }
})
