import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js'
import fc from 'fast-check'
import { sweep } from '../support/sweep.ts'
import { startGuarded } from '../support/guarded.ts'
import { json, sendRequest, type Received } from '../support/requests.ts'
import { messageIn, revisions, rpc } from '../support/revisions.ts'

/** A handler that reads messages loosely, and records what it was asked to do. */
function looseHandler () {
  const calls: string[] = []
  const handle = ({ id, method, params }: any) => {
    const name = String(params?.name ?? params?.uri ?? '').trim().toLowerCase()
    if (String(method) !== 'tools/list') calls.push(`${String(method)} ${name}`)
    const tools = [
      { name: 'listnotes', inputSchema: { type: 'object' } },
      {
        name: 'clearnotes',
        inputSchema: { type: 'object' },
        _meta: { 'fastify-mcp-oauth/scopes': ['notes:write'] }
      }
    ]
    return { jsonrpc: '2.0', id, result: String(method) === 'tools/list' ? { tools } : {} }
  }
  const handler = {
    fetch (_request: Request, { parsedBody }: { parsedBody?: unknown }) {
      const replies = Array.isArray(parsedBody) ? parsedBody.map(handle) : handle(parsedBody ?? {})
      return Response.json(replies)
    }
  }
  return { calls, handler }
}

async function start (t: TestContext) {
  const { calls, handler } = looseHandler()
  const { mcpUrl, token } = await startGuarded(t, { requiredScopes: ['mcp'], mcp: { handler } })
  const authorization = `Bearer ${await token({ scope: 'mcp' })}`
  const send = async (body: unknown, headers: Record<string, string> = {}): Promise<Received> =>
    await sendRequest(
      mcpUrl,
      json(body, { authorization, accept: 'application/json, text/event-stream', ...headers })
    )
  return { calls, send, mcpUrl, authorization }
}

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call' }

test('POST /mcp rejects messages of types that MCP does not have before a handler sees them [field:A1]', async (t) => {
  const { calls, send } = await start(t)
  const name = 'clearnotes'
  for (
    const [body, code] of [
      [{ ...call, params: { name: [name] } }, -32602],
      [{ ...call, params: { name: { toString: name } } }, -32602],
      [{ ...call, params: { name: null } }, -32602],
      [{ ...call, params: {} }, -32602],
      [call, -32602],
      [{ ...call, params: { name, arguments: [] } }, -32602],
      [{ ...call, params: { name, arguments: 'x' } }, -32602],
      [{ ...call, params: { name, arguments: null } }, -32602],
      [{ ...call, method: 'prompts/get', params: { name: [name] } }, -32602],
      [{ ...call, method: 'resources/read', params: { uri: [name] } }, -32602],
      [{ jsonrpc: '2.0', method: 'tools/call', params: { name: [name] } }, -32602],
      [[{ ...call, params: { name: 'listnotes' } }, { ...call, params: { name: [name] } }], -32602],
      [{ ...call, params: [{ name }] }, -32600],
      [{ ...call, params: name }, -32600],
      [{ ...call, method: ['tools/call'], params: { name } }, -32600],
      [{ ...call, method: { toString: 'tools/call' }, params: { name } }, -32600],
      [{ ...call, jsonrpc: ['2.0'], params: { name } }, -32600],
      [{ ...call, id: [1], params: { name } }, -32600],
      [{ ...call, id: null, params: { name } }, -32600],
      [[[{ ...call, params: { name } }]], -32600],
      [[], -32600],
      ['"tools/call"', -32600],
      [{}, -32600]
    ] as Array<[unknown, number]>
  ) {
    const response = await send(body)
    assert.equal(response.status, 400, JSON.stringify(body))
    assert.equal((await messageIn(response)).error.code, code, JSON.stringify(body))
  }
  assert.deepEqual(calls, [])
})

test('POST /mcp refuses a call of a tool that cannot be judged [field:A1]', async (t) => {
  const { calls, send } = await start(t)
  for (const name of ['clearNotes', ' clearnotes', 'CLEARNOTES', 'clearnotes\t', 'other']) {
    const { id, error } = await messageIn(await send({ ...call, params: { name } }))
    assert.deepEqual([id, error.code], [1, -32602], name)
  }
  assert.equal((await send({ ...call, params: { name: 'clearnotes' } })).status, 403)
  assert.deepEqual(calls, [])
  assert.equal((await send({ ...call, params: { name: 'listnotes' } })).status, 200)
  assert.deepEqual(calls, ['tools/call listnotes'])
})

test('POST /mcp lists tools in the JSON that was judged, and not in that of a handler', async (t) => {
  const { mcpUrl, token } = await startGuarded(t, {
    mcp: {
      handler: {
        fetch: async () =>
          new Response(
            '{"jsonrpc":"2.0","id":1,"result":{' +
              '"tools":[{"name":"secret","inputSchema":{"type":"object"},' +
              '"_meta":{"fastify-mcp-oauth/scopes":["admin"]}}],' +
              '"tools":[{"name":"open","inputSchema":{"type":"object"},' +
              '"_meta":{"fastify-mcp-oauth/scopes":null}}]}}',
            { headers: { 'content-type': 'application/json' } }
          )
      }
    }
  })
  const authorization = `Bearer ${await token({ scope: 'mcp' })}`
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const text = await (await fetch(mcpUrl, json(list, { authorization }))).text()
  assert.match(text, /"open"/)
  assert.doesNotMatch(text, /secret/)
})

test('POST, GET and DELETE /mcp pass valid messages of every revision on to a handler [field:A1]', async (t) => {
  const { calls, send, mcpUrl, authorization } = await start(t)
  for (
    const [body, asked] of [
      [{ jsonrpc: '2.0', id: 'a', method: 'x/unknown', params: { name: ['x'] } }, 'x/unknown x'],
      [{ jsonrpc: '2.0', id: 0, method: 'ping' }, 'ping '],
      [{ jsonrpc: '2.0', method: 'notifications/initialized' }, 'notifications/initialized '],
      [{ jsonrpc: '2.0', id: 1, result: {} }, 'undefined '],
      [{ jsonrpc: '2.0', id: 1, error: { code: -1, message: 'x' } }, 'undefined '],
      [{ jsonrpc: '2.0', error: { code: -1, message: 'x' } }, 'undefined '],
      [{ jsonrpc: '2.0', id: null, error: { code: -1, message: 'x' } }, 'undefined '],
      [[{ jsonrpc: '2.0', id: 1, result: {} }, { jsonrpc: '2.0', id: 2, method: 'ping' }], 'ping '],
      [{ ...call, method: 'prompts/get', params: { name: 'p' } }, 'prompts/get p'],
      [{ ...call, method: 'resources/read', params: { uri: 'a:b' } }, 'resources/read a:b']
    ] as Array<[unknown, string]>
  ) {
    assert.equal((await send(body)).status, 200, JSON.stringify(body))
    assert.equal(calls.at(-1), asked)
  }
  for (const revision of revisions) {
    for (const [method, params] of [['tools/call', { name: 'listnotes' }], ['initialize', {}]]) {
      const { headers, body } = rpc(revision, method as string, params as object, { authorization })
      const response = await sendRequest(mcpUrl, { method: 'POST', headers, body } as RequestInit)
      assert.equal(response.status, 200, `${revision} ${String(method)}`)
    }
  }
  for (const method of ['GET', 'DELETE']) {
    assert.equal((await sendRequest(mcpUrl, { method, headers: { authorization } })).status, 200)
  }
  const before = calls.length
  const body = JSON.stringify({ ...call, params: { name: 'clearnotes' } })
  const headers = { authorization, 'content-type': 'application/json' }
  await sendRequest(mcpUrl, { method: 'DELETE', headers, body })
  assert.ok(calls.slice(before).every(asked => !asked.includes('clearnotes')))
})

test('POST /mcp lets no generated message reach a handler that the SDK rejects [field:A1]', async (t) => {
  const { calls, send } = await start(t)
  const text = fc.constantFrom('tools/call', 'prompts/get', 'resources/read', 'ping', 'clearnotes')
  const odd = fc.oneof(
    text,
    fc.array(text, { maxLength: 2 }),
    fc.constantFrom(null, 0, true, {}, [[]]),
    fc.dictionary(fc.constantFrom('toString', 'name', '0', 'length'), text)
  )
  const params = fc.oneof(
    fc.record({ name: odd, uri: odd, arguments: odd, _meta: odd }, { requiredKeys: [] }),
    odd
  )
  const message = fc.record({
    jsonrpc: fc.oneof({ weight: 9, arbitrary: fc.constant('2.0') }, odd),
    id: fc.oneof(fc.constant(1), odd),
    method: fc.oneof({ weight: 3, arbitrary: text }, odd),
    params
  }, { requiredKeys: ['jsonrpc'] })
  let passed = 0
  await fc.assert(
    fc.asyncProperty(fc.oneof(message, fc.array(message, { maxLength: 2 })), async (body) => {
      const before = calls.length
      const { status } = await send(body)
      assert.ok(calls.slice(before).every(asked => asked !== 'tools/call clearnotes'))
      if (status === 400) {
        assert.equal(calls.length, before)
        return
      }
      passed++
      for (const sent of [body].flat()) {
        assert.ok(JSONRPCMessageSchema.safeParse(sent).success, JSON.stringify(sent))
        const { method, params = {} } = sent as { method: string, params?: any }
        if (/^(tools.call|prompts.get)$/.test(method)) assert.equal(typeof params.name, 'string')
        if (method === 'resources/read') assert.equal(typeof params.uri, 'string')
      }
    }),
    { numRuns: sweep(5_000) }
  )
  assert.ok(passed > 5, String(passed))
})
