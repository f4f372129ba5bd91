import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallError, buildRequest } from '../../lib/mcp/tools/request.ts'
import { buildInput, type Input } from '../../lib/mcp/tools/input.ts'

const input = (parts: Partial<Input>): Input => ({
  inputSchema: { type: 'object', properties: {}, additionalProperties: true },
  places: new Map(),
  rest: null,
  bodyType: null,
  ...parts
})

test('buildRequest refuses lists whose long name would be repeated for each item', () => {
  const name = 'n'.repeat(100_000)
  const nested = { [name]: Array(1_000_000).fill(0) }
  const places = new Map([['filter', { in: 'query' as const, name: 'filter', types: ['object'] }]])
  for (
    const [parts, args] of [
      [{ rest: 'query' }, nested],
      [{ places }, { filter: nested }],
      [{ rest: 'body', bodyType: 'form' }, nested],
      [{ rest: 'body', bodyType: 'multipart' }, nested]
    ] as const
  ) assert.throws(() => buildRequest(['/x'], input(parts), args), CallError)
})

test('buildRequest sends a list of 100,000 items in a form', () => {
  const ids = Array.from({ length: 100_000 }, (_, index) => index)
  for (const bodyType of ['form', 'multipart'] as const) {
    assert.ok(buildRequest(['/x'], input({ rest: 'body', bodyType }), { ids }).body)
  }
})

test('buildRequest removes the space around headers, and refuses long space in linear time', () => {
  const places = new Map([['prefer', { in: 'header' as const, name: 'prefer', types: ['string'] }]])
  const send = (prefer: string) => buildRequest(['/x'], input({ places }), { prefer }).headers
  for (
    const [value, sent] of [[' \ta \tb\t ', 'a \tb'], [' \t', ''], ['', ''], ['a', 'a']] as const
  ) {
    assert.deepEqual(send(value), { prefer: sent })
  }
  for (const end of ['a', '']) {
    const value = `a${' '.repeat(4_000_000)}${end}`
    if (end) assert.throws(() => send(value), CallError)
    else assert.deepEqual(send(value), { prefer: 'a' })
  }
})

test('buildRequest refuses other spellings of listed arguments, which a policy would not see', () => {
  const place = (part: 'query' | 'body', name: string) => ({ in: part, name, types: ['string'] })
  for (
    const [parts, names] of [
      [{ rest: 'query' }, ['ids[]', 'ids[0]', '[ids]', 'ids.x', '$by']],
      [{ rest: 'body', bodyType: 'form' }, ['ids[]', '[ids][0]', '$by']],
      [{ rest: 'body', bodyType: 'json' }, ['$by']]
    ] as const
  ) {
    const places = new Map([['ids', place(parts.rest, 'ids')], ['by', place(parts.rest, '$by')]])
    for (const name of names) {
      const send = () => buildRequest(['/x'], input({ ...parts, places }), { [name]: 'a' })
      assert.throws(send, /Unknown arguments/, name)
    }
    assert.ok(buildRequest(['/x'], input({ ...parts, places }), { 'other[]': 'a', ids: 'a' }))
  }
})

test('buildRequest refuses brackets in the names of members of a query, which make other members', () => {
  const places = new Map([['filter', { in: 'query' as const, name: 'filter', types: ['object'] }]])
  for (const name of ['a][owner', '][owner', 'owner]', '[owner']) {
    const args = { filter: { by: { [name]: 'bob' } } }
    assert.throws(() => buildRequest(['/x'], input({ places }), args), /no brackets/)
  }
})

test('a header that proxies or credentials use is no argument, with _ neither [field:T21]', () => {
  const names = [
    'x_forwarded_for',
    'X_Real_IP',
    'true-client-ip',
    'cf-connecting-ip',
    'x-original-url',
    'x-rewrite-url',
    'x_http_method_override',
    'dpop'
  ]
  const headers = Object.fromEntries([...names, 'x-account'].map(name => [name, {}]))
  const schema = { headers: { type: 'object', properties: headers } }
  const { places } = buildInput(schema, ['/x'], {}, { headerArguments: true })
  assert.deepEqual([...places.keys()], ['x-account'])
})
