import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  JSONRPCMessageSchema,
  SUPPORTED_PROTOCOL_VERSIONS
} from '@modelcontextprotocol/sdk/types.js'
import fc from 'fast-check'
import { maxBatchMessages, maxBodyDepth, maxParameterValues } from '../../lib/limits.ts'
import { parseBody, protocolVersions } from '../../lib/mcp/rpc/parse.ts'
import { isTooDeep } from '../../lib/util/json.ts'
import { sweep } from '../support/sweep.ts'

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }

function problem (body: unknown, version?: string): { code: number, data?: unknown } {
  const response = parseBody(body, version)
  assert.ok('status' in response, 'expected a rejection')
  assert.equal(response.status, 400)
  const message = JSON.parse(response.body as string)
  assert.equal(message.id, null)
  return message.error
}

test('parseBody sorts messages into requests and notifications, and drops responses', () => {
  const body = [ping, { jsonrpc: '2.0', method: 'notifications/initialized' }, {
    jsonrpc: '2.0',
    id: 1,
    result: {}
  }]
  assert.deepEqual(parseBody(body, undefined), {
    requests: [{ id: 1, method: 'ping' }],
    notifications: [{ method: 'notifications/initialized' }],
    batch: true
  })
})

test('parseBody accepts batches in revision 2025-03-26 only [HT-05]', () => {
  assert.ok('requests' in parseBody([ping], undefined))
  assert.ok('requests' in parseBody([ping], '2025-03-26'))
  assert.equal(problem([ping], '2025-06-18').code, -32600)
  assert.equal(problem([ping], '2025-11-25').code, -32600)
  assert.equal(problem([]).code, -32600)
  assert.equal(problem(Array(maxBatchMessages + 1).fill(ping)).code, -32600)
  assert.ok('requests' in parseBody(Array(maxBatchMessages).fill(ping), undefined))
})

test('parseBody rejects unsupported versions, and repeats only a date [HT-08]', () => {
  assert.deepEqual(problem(ping, '2026-07-28').data, {
    supported: protocolVersions,
    requested: '2026-07-28'
  })
  assert.deepEqual(problem(ping, '<script>').data, { supported: protocolVersions })
  assert.equal(problem(ping, '').code, -32022)
})

test('protocolVersions are those of the SDK', () => {
  assert.deepEqual(protocolVersions, SUPPORTED_PROTOCOL_VERSIONS)
})

test('parseBody rejects bodies that are not JSON-RPC', async (t) => {
  const invalid = [
    null,
    1,
    'x',
    {},
    { ...ping, jsonrpc: '1.0' },
    { ...ping, id: null },
    { ...ping, id: 1.5 },
    { ...ping, id: {} },
    { ...ping, method: 1 },
    { ...ping, params: [] },
    { ...ping, params: null },
    { ...ping, params: { _meta: 1 } },
    { ...ping, params: { _meta: { progressToken: {} } } },
    { ...ping, params: { _meta: { 'io.modelcontextprotocol/related-task': 1 } } },
    { jsonrpc: '2.0', id: 1 },
    { jsonrpc: '2.0', result: {} },
    [[ping]],
    [ping, 1]
  ]
  for (const body of invalid) {
    await t.test(JSON.stringify(body), () => {
      assert.equal(problem(body).code, -32600)
    })
  }
})

test('parseBody accepts only messages that the SDK accepts', () => {
  const id = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.double(),
    fc.constant(null),
    fc.constant(2 ** 60)
  )
  const meta = fc.oneof(
    fc.constant({}),
    fc.anything(),
    fc.record({ progressToken: fc.oneof(id, fc.anything()) })
  )
  const params = fc.oneof(fc.record({ _meta: meta }), fc.object(), fc.anything())
  const message = fc.record({
    jsonrpc: fc.constant('2.0'),
    id,
    method: fc.string(),
    params,
    extra: fc.string()
  }, { requiredKeys: ['jsonrpc', 'method'] })
  let accepted = 0
  fc.assert(
    fc.property(message, (value) => {
      // Bodies are parsed from JSON: they contain no undefined and no functions.
      const parsed = parseBody(JSON.parse(JSON.stringify(value)), undefined)
      if ('status' in parsed) return
      for (const request of [...parsed.requests, ...parsed.notifications]) {
        accepted++
        assert.ok(
          JSONRPCMessageSchema.safeParse({ jsonrpc: '2.0', ...request }).success,
          JSON.stringify(request)
        )
      }
    }),
    { numRuns: sweep(2000) }
  )
  assert.ok(accepted > 50)
})

test('parseBody refuses parameters with too many values, but for arguments of tools', () => {
  const many = Object.fromEntries(
    Array.from({ length: maxParameterValues }, (_, at) => [`m${at}`, at])
  )
  const call = (method: string, params: object) => ({ jsonrpc: '2.0', id: 7, method, params })
  const isRefused = (body: object) => {
    const response = parseBody(body, undefined)
    if (!('status' in response)) return false
    const { id, error } = JSON.parse(response.body as string)
    assert.deepEqual([id, error.code], [7, -32602])
    assert.match(error.message, /contain too many values/)
    return true
  }
  assert.equal(isRefused(call('initialize', { ...many })), false)
  assert.equal(isRefused(call('initialize', { capabilities: many })), true)
  assert.equal(
    isRefused(call('initialize', { capabilities: { experimental: { deep: [[many]] } } })),
    true
  )
  assert.equal(isRefused(call('tools/list', { _meta: many })), true)
  assert.equal(isRefused(call('prompts/get', { name: 'x', arguments: many })), true)
  assert.equal(
    isRefused(call('tools/call', { name: 'x', arguments: { rows: [many, many] } })),
    false
  )
  assert.equal(isRefused(call('tools/call', { name: 'x', _meta: { arguments: many } })), true)
})

/** Lists around a value: `[[[1]]]` for a depth of 3. */
function nested (depth: number, value: string): string {
  return '['.repeat(depth) + value + ']'.repeat(depth)
}

test('isTooDeep counts the levels of values, whatever the brackets in strings', async (t) => {
  const brackets = '[{'.repeat(maxBodyDepth)
  const rows: Array<[text: string, tooDeep: boolean]> = [
    [nested(maxBodyDepth, '1'), false],
    [nested(maxBodyDepth, ''), false],
    [nested(maxBodyDepth + 1, ''), true],
    [nested(maxBodyDepth + 1, '1'), true],
    [nested(maxBodyDepth + 1, '""'), true],
    [`{"a":${nested(maxBodyDepth, '1')}}`, true],
    [`[${nested(maxBodyDepth - 1, '1')},${nested(maxBodyDepth, '1')}]`, true],
    [nested(maxBodyDepth + 1, `"${']'.repeat(maxBodyDepth)}"`), true],
    [JSON.stringify({ brackets }), false],
    [`[${Array(maxBodyDepth + 1).fill('[1]').join()}]`, false],
    ['1', false]
  ]
  for (const [text, tooDeep] of rows) {
    await t.test(text.replace(/(.)\1{9,}/g, '$1…'), () => {
      assert.equal(isTooDeep(text), tooDeep)
    })
  }
})
