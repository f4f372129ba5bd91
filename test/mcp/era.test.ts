import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerMismatch, isModern, parameterMismatch } from '../../lib/mcp/rpc/era.ts'

const meta = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }
const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'open', ...meta } }
const legacy = { ...call, params: { name: 'open' } }

test('isModern recognises a modern request by its _meta or its version header [HT-24]', async (t) => {
  for (
    const [headers, body] of [
      [{}, call],
      [{}, [call]],
      [{}, { method: 'notifications/x', params: meta }],
      [{ 'mcp-protocol-version': '2026-07-28' }, legacy],
      [{ 'mcp-protocol-version': '2027-01-01' }, undefined]
    ] as const
  ) {
    await t.test(`modern: ${JSON.stringify([headers, body])}`, () => {
      assert.equal(isModern({ headers, body }), true)
    })
  }
  for (
    const [headers, body] of [
      [{}, legacy],
      [{}, [legacy, legacy]],
      [{}, undefined],
      [{}, 'x'],
      [{}, null],
      [{ 'mcp-protocol-version': '2025-11-25' }, legacy],
      [{ 'mcp-protocol-version': 'v999' }, legacy],
      [{ 'mcp-protocol-version': '9' }, {}],
      [{}, { params: { _meta: { progressToken: 1 } } }]
    ] as const
  ) {
    await t.test(`legacy: ${JSON.stringify([headers, body])}`, () => {
      assert.equal(isModern({ headers, body }), false)
    })
  }
})

test('headerMismatch rejects headers that differ from the body with 400 and -32020 [HT-11 HT-12 HT-14]', async (t) => {
  for (
    const headers of [
      { 'mcp-method': 'tools/list' },
      { 'mcp-method': 'TOOLS/CALL' },
      { 'mcp-method': '' },
      { 'mcp-name': 'shut' },
      { 'mcp-name': 'OPEN' },
      { 'mcp-name': '=?base64?c2h1dA==?=' },
      { 'mcp-name': '=?base64?b3Blbg?=' },
      { 'mcp-name': '=?base64?!?=' },
      { 'mcp-name': '=?base64?/w==?=' },
      { 'mcp-method': 'tools/call', 'mcp-name': 'shut' }
    ]
  ) {
    await t.test(JSON.stringify(headers), () => {
      const response = headerMismatch({ headers, body: call })
      assert.equal(response?.status, 400)
      const { id, error } = JSON.parse(String(response?.body))
      assert.deepEqual([id, error.code], [7, -32020])
    })
  }
})

test('headerMismatch accepts headers that match, are missing, or belong to an earlier era [HT-11 HT-12]', () => {
  for (
    const headers of [{}, { 'mcp-method': 'tools/call' }, { 'mcp-name': 'open' }, {
      'mcp-method': 'tools/call',
      'mcp-name': '=?base64?b3Blbg==?='
    }]
  ) assert.equal(headerMismatch({ headers, body: call }), null)
  assert.equal(
    headerMismatch({ headers: { 'mcp-method': 'tools/list', 'mcp-name': 'shut' }, body: legacy }),
    null
  )
  assert.equal(
    headerMismatch({
      headers: { 'mcp-name': 'x' },
      body: { ...call, method: 'tools/list', params: meta }
    }),
    null,
    'this method has no name'
  )
  const read = { ...call, method: 'resources/read', params: { uri: 'file:///é', ...meta } }
  assert.equal(
    headerMismatch({
      headers: { 'mcp-name': `=?base64?${Buffer.from('file:///é').toString('base64')}?=` },
      body: read
    }),
    null
  )
  assert.equal(headerMismatch({ headers: { 'mcp-name': 'file:///e' }, body: read })?.status, 400)
})

test('parameterMismatch compares headers with the arguments that the schema names, at any depth [HT-13]', async (t) => {
  const schema = {
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      filter: {
        type: 'object',
        properties: {
          count: { type: 'integer', 'x-mcp-header': 'Max-Count' },
          all: { type: 'boolean', 'x-mcp-header': 'All' }
        }
      },
      odd: { type: 'object', 'x-mcp-header': 'Odd' },
      plain: {}
    }
  }
  const outcome = (args: unknown, headers: Record<string, string>) =>
    parameterMismatch({
      headers,
      body: { ...call, params: { name: 'open', arguments: args, ...meta } }
    }, schema)?.status ?? 200
  for (
    const [args, headers] of [
      [undefined, {}],
      [{}, {}],
      [null, {}],
      ['x', {}],
      [{ region: null, filter: { count: null } }, {}],
      [{ plain: 1, odd: {}, unknown: 2 }, {}],
      [{ region: 'eu' }, { 'mcp-param-region': 'eu' }],
      [{ filter: { count: 3, all: true } }, {
        'mcp-param-max-count': '3',
        'mcp-param-all': 'true'
      }],
      [{ filter: { count: 3 } }, { 'mcp-param-max-count': '3.0' }],
      [{ region: '' }, { 'mcp-param-region': '' }]
    ] as Array<[unknown, Record<string, string>]>
  ) {
    await t.test(`match: ${JSON.stringify([args, headers])}`, () => {
      assert.equal(outcome(args, headers), 200)
    })
  }
  for (
    const [args, headers] of [
      [{ region: 'eu' }, {}],
      [{ region: '' }, {}],
      [{ region: 'eu' }, { 'mcp-param-region': 'us' }],
      [{ region: '3' }, { 'mcp-param-region': '3.0' }],
      [{ filter: { count: 3 } }, { 'mcp-param-max-count': '4' }],
      [{ filter: { count: 3 } }, { 'mcp-param-max-count': '' }],
      [{ filter: { all: true } }, { 'mcp-param-all': 'TRUE' }],
      [{ region: 'eu' }, { 'mcp-param-region': '=?base64?ZXU?=' }]
    ] as Array<[unknown, Record<string, string>]>
  ) {
    await t.test(`mismatch: ${JSON.stringify([args, headers])}`, () => {
      assert.equal(outcome(args, headers), 400)
    })
  }
  assert.equal(parameterMismatch({ headers: {}, body: call }, undefined), null)
  const { properties: { filter } } = schema
  const nested = { ...call, params: { arguments: { filter: { count: 3 } }, ...meta } }
  assert.ok(parameterMismatch({ headers: {}, body: nested }, { properties: { filter } }))
  let deep: object = {}
  for (let depth = 0; depth < 10_000; depth++) deep = { properties: { a: deep } }
  assert.equal(parameterMismatch({ headers: {}, body: nested }, deep), null)
})
