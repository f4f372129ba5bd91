import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from '@sinclair/typebox'
import { Type as Type1 } from 'typebox'
import { z } from 'zod'
import { maxCheckedValues } from '../../lib/limits.ts'
import { type InputOptions, buildInput } from '../../lib/mcp/tools/input.ts'
import { buildOutput, conforms } from '../../lib/mcp/tools/output.ts'
import { parsePath } from '../../lib/mcp/tools/path.ts'
import type { JsonSchema } from '../../lib/mcp/tools/references.ts'

const text = { type: 'string' }
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more })

function input (schema: object, url = '/x', options: InputOptions = {}) {
  const { places, ...built } = buildInput(schema as JsonSchema, parsePath(url), {}, {
    method: 'POST',
    ...options
  })
  return {
    ...built,
    places: [...places].map(([argument, place]) => `${argument} = ${place.in} ${place.name}`)
  }
}

test('a tool has arguments for each part of a request [field:T9 field:T13 field:T23 field:T27]', () => {
  const schema = {
    params: object({ id: { type: 'integer' } }),
    querystring: object({
      'uids[]': {},
      uids: {},
      $filter: {},
      'StartTime<': {},
      漢: {},
      path: {}
    }),
    body: object({ id: text, uids: text, query_uids: text }, { additionalProperties: false })
  }
  const { inputSchema, places, rest, bodyType } = input(schema, '/a/:id/:name(^\\d+$)/*')
  assert.deepEqual(places, [
    'id = path id',
    'name = path name',
    'uids = query uids',
    'path = query path',
    'body_id = body id',
    'body_uids = body uids',
    'query_uids = body query_uids',
    'wildcard_path = wildcard *',
    'query_uids_2 = query uids[]',
    'filter = query $filter',
    'StartTime = query StartTime<',
    'query = query 漢'
  ])
  assert.deepEqual(inputSchema.properties.name, {
    ...text,
    minLength: 1,
    pattern: '^(?:\\d+)$'
  })
  assert.deepEqual([rest, bodyType, inputSchema.additionalProperties], [null, 'json', false])
  assert.deepEqual(input({}, '/*', { method: 'GET' }).places, ['path = wildcard *'])
  const params = object({ id: { ...text, title: 'Id' } })
  assert.deepEqual(input({ params }, '/:id(a+)').inputSchema.properties.id, {
    ...text,
    title: 'Id',
    minLength: 1,
    pattern: '^(?:a+)$'
  })
})

test('names of arguments are valid and unique, whatever the names of members [field:T9]', () => {
  const long = 'x'.repeat(70)
  const names = [long, `${long}y`, '', '[]', '__proto__', 'a b', 'a/b', '\u{1f600}']
  const { inputSchema, places } = input(
    {
      querystring: object(Object.fromEntries(names.map(name => [name, text])))
    },
    '/x',
    { method: 'GET' }
  )
  assert.equal(places.length, names.length)
  assert.equal(Object.keys(inputSchema.properties).length, names.length)
  for (const name of Object.keys(inputSchema.properties)) assert.match(name, /^[\w.-]{1,64}$/)
})

test('a query of several parts is one list of arguments [field:T5]', () => {
  const page = { page: { type: 'integer', default: 1 } }
  const merged = object({ ...page, q: text }, { required: ['q'], additionalProperties: false })
  const parts = [object(page, { required: ['page'] }), object({ q: text }, { required: ['q'] })]
  for (
    const querystring of [
      { allOf: parts },
      { allOf: [parts[0]], ...parts[1] },
      { definitions: { a: parts[0] }, allOf: [{ $ref: '#/definitions/a' }, parts[1]] },
      Type.Intersect([
        Type.Object({ page: Type.Integer({ default: 1 }) }),
        Type.Object({ q: Type.String() })
      ]),
      Type1.Intersect([
        Type1.Object({ page: Type1.Integer({ default: 1 }) }),
        Type1.Object({ q: Type1.String() })
      ])
    ]
  ) {
    assert.deepEqual(input({ querystring }, '/x', { method: 'GET' }).inputSchema, merged)
  }
  const union = z.discriminatedUnion('k', [
    z.object({ k: z.literal('a'), x: z.string() }),
    z.object({ k: z.literal('b') })
  ])
  const { properties, required } = input({ querystring: union }).inputSchema
  assert.deepEqual(properties.k, { anyOf: [{ ...text, const: 'a' }, { ...text, const: 'b' }] })
  assert.deepEqual([properties.x, required], [text, undefined])
})

test('a query with an object needs a parser that reads it [field:T5]', () => {
  for (
    const filter of [
      object({ id: text }),
      { type: ['object', 'null'] },
      { type: 'array', items: object({}) },
      { anyOf: [object({}), { type: 'null' }] }
    ]
  ) {
    const schema = { querystring: object({ filter }) }
    assert.throws(() => input(schema), /its querystring has the object "filter".*qs\.parse/)
    assert.equal(input(schema, '/x', { brackets: true }).places[0], 'filter = query filter')
  }
})

test('open objects stay open, a query only if it says so [field:T25 field:T5]', () => {
  const open = (schema: object, method = 'POST') => {
    const { rest, inputSchema } = input(schema, '/x', { method })
    return [rest, inputSchema.additionalProperties]
  }
  const closed = { additionalProperties: false }
  assert.deepEqual(open({ body: object({}) }), ['body', true])
  assert.deepEqual(open({ body: object({}, { additionalProperties: text }) }), ['body', text])
  assert.deepEqual(open({ body: object({}, closed) }), [null, false])
  assert.deepEqual(open({ querystring: object({}) }, 'GET'), [null, false])
  assert.deepEqual(open({ querystring: Type.Record(Type.String(), Type.String()) }, 'GET'), [
    'query',
    true
  ])
  assert.deepEqual(
    open({ querystring: object({}, { additionalProperties: text }), body: object({}) }),
    ['query', text]
  )
})

test('a body that is more than a list of members is the argument body [field:T22]', () => {
  for (
    const body of [
      { type: 'array', items: text },
      object({ a: text }, { minProperties: 1 }),
      { oneOf: [object({ a: text }), object({ b: text })] },
      object({}, { patternProperties: { x: text } })
    ]
  ) {
    const { inputSchema, places } = input({ body })
    assert.deepEqual(inputSchema.properties.body, body)
    assert.deepEqual([places, inputSchema.required], [['body = wholeBody body'], ['body']])
  }
  assert.equal(input({ body: object({}, { nullable: true }) }).inputSchema.required, undefined)
  assert.deepEqual(input({}).places, ['body = wholeBody body'])
  assert.equal(input({}).inputSchema.required, undefined)
  assert.deepEqual(input({}, '/x', { method: 'DELETE' }).bodyType, null)
})

test('forms and files are recognised, and other bodies are an error [field:T12]', () => {
  const multipart = { consumes: ['multipart/form-data'] }
  const file = { isFile: true }
  const rows: Array<[schema: object, type: string, places: string[]]> = [
    [{ body: object({ f: file, a: text }) }, 'multipart', ['f = file f', 'a = body a']],
    [
      { body: object({ f: { type: 'array', items: { ...text, format: 'binary' } } }) },
      'multipart',
      ['f = file f']
    ],
    [{ body: object({ data: { ...text, contentMediaType: 'image/png' } }) }, 'json', [
      'data = body data'
    ]],
    [
      { ...multipart, body: object({ f: object({ mimetype: text }), a: object({ value: text }) }) },
      'multipart',
      [
        'f = file f',
        'a = body a'
      ]
    ],
    [{ body: z.object({ f: z.file() }) }, 'multipart', ['f = file f']],
    [multipart, 'multipart', ['file = file file']],
    [{ consumes: ['application/x-www-form-urlencoded'], body: object({ a: text }) }, 'form', [
      'a = body a'
    ]],
    [
      { consumes: ['application/x-www-form-urlencoded', 'application/json; charset=utf-8'] },
      'json',
      [
        'body = wholeBody body'
      ]
    ],
    [
      { body: { content: { 'multipart/form-data': { schema: object({ f: file }) } } } },
      'multipart',
      ['f = file f']
    ]
  ]
  for (const [schema, type, places] of rows) {
    const built = input(schema)
    assert.deepEqual([built.bodyType, built.places], [type, places], JSON.stringify(schema))
  }
  assert.deepEqual(
    Object.keys(Object(input(multipart).inputSchema.properties.file).properties),
    ['filename', 'mediaType', 'data']
  )
  assert.throws(
    () => input({ consumes: ['text/csv'] }),
    /its body .* text\/csv.* application\/json\b/
  )
})

test('headers about identity are no arguments unless an option lists them [field:T21]', () => {
  const headers = object({
    'X-Account': text,
    'Idempotency-Key': text,
    'X-Forwarded-For': text,
    Cookie: text,
    Host: text
  })
  const named = (options: InputOptions, more = {}) =>
    input({ headers: { ...headers, ...more } }, '/x', { method: 'GET', ...options }).places
  assert.deepEqual(named({}), ['idempotency-key = header idempotency-key'])
  for (const headerArguments of [true, ['x-account']] as const) {
    assert.deepEqual(named({ headerArguments }), [
      'x-account = header x-account',
      'idempotency-key = header idempotency-key'
    ])
  }
  const required = { required: ['X-Account'] }
  assert.throws(
    () => named({}, required),
    /"x-account" is required.* mcp\.tools\.headerArguments/
  )
  assert.deepEqual(named({ headers: ['x-account'] }, required), named({}))
  assert.deepEqual(named({}, { required: ['Host'] }), named({}))
  for (const name of ['Cookie', 'X-Forwarded-For']) {
    assert.throws(
      () => named({ headerArguments: true }, { required: [name] }),
      /is required.* in headers/
    )
  }
})

function output (response: object, shared: JsonSchema = {}) {
  return buildOutput({ response }, {}, shared).outputSchema
}

test('an output schema has no more than the serializer guarantees [field:T2 field:T3 field:T28]', () => {
  const response = {
    200: object({
      a: { ...text, format: 'email', minLength: 3, enum: ['x'], nullable: true, title: 'A' },
      b: { oneOf: [text, { type: 'integer', minimum: 1 }], nullable: true },
      c: { type: 'array', items: [text, text], additionalItems: false, minItems: 2 },
      d: object({}, { additionalProperties: false }),
      e: object({}, { additionalProperties: text }),
      f: object({}, { additionalProperties: text, patternProperties: { x: {} } }),
      g: { const: 1 },
      h: { $ref: 'user#', nullable: true },
      constructor: text
    }, { required: ['a'], additionalProperties: true })
  }
  assert.deepEqual(
    output(response, { user: object({}, { minProperties: 1 }) }),
    object({
      a: { type: ['string', 'null'], title: 'A' },
      b: { anyOf: [{ anyOf: [text, { type: 'integer' }] }, { type: 'null' }] },
      c: { type: 'array', prefixItems: [text, text] },
      d: object({}),
      e: object({}, { additionalProperties: text }),
      f: object({}),
      g: {},
      h: { anyOf: [object({}), { type: 'null' }] }
    })
  )
})

test('output schemas are for objects, also of several responses [field:T4]', () => {
  const [a, b] = [object({ a: text }), object({ b: text })]
  const rows: Array<[response: object, outputSchema: object | undefined]> = [
    [{ 200: a, 204: { type: 'null' }, 404: b }, a],
    [{ '2xx': { ...a, type: ['object', 'null'] } }, a],
    [{ 200: a, 201: b, 202: a, 203: { description: 'Accepted' } }, {
      anyOf: [a, b],
      type: 'object'
    }],
    [{ 200: { oneOf: [a, b] } }, { anyOf: [a, b], type: 'object' }],
    [{ 200: { content: { 'application/json': { schema: a } } } }, a],
    [{ 200: { description: 'x', properties: z.object({ at: z.date() }) } }, object({ at: text })],
    [{ 200: { type: 'array', items: a } }, undefined],
    [{ 200: a, 201: { type: 'array', items: a } }, undefined],
    [{ 200: { $ref: 'nowhere#' } }, undefined],
    [{ 204: { type: 'null' } }, undefined],
    [{ default: a }, undefined]
  ]
  for (const [response, expected] of rows) {
    assert.deepEqual(output(response), expected, JSON.stringify(response))
  }
  assert.equal(
    buildOutput({ response: { 200: a } }, { outputSchemas: false }, {}).outputSchema,
    undefined
  )
})

test('conforms checks every keyword of output schemas, and stops', () => {
  const schema = {
    ...object({
      n: { type: ['integer', 'null'] },
      tree: { $ref: '#/$defs/tree' },
      either: { anyOf: [text, { type: 'boolean' }] },
      both: { allOf: [object({ a: text }), object({ b: text })] },
      pair: { type: 'array', prefixItems: [text] }
    }, { additionalProperties: { type: 'number' } }),
    $defs: { tree: object({ kids: { type: 'array', items: { $ref: '#/$defs/tree' } } }) }
  }
  const valid = [
    {},
    {
      n: 1,
      tree: { kids: [{ kids: [] }] },
      either: true,
      both: { a: '', b: '', c: 1 },
      other: 1.5
    },
    { n: null, pair: ['', 1] }
  ]
  const invalid = [
    { n: 1.5 },
    { n: '1' },
    { tree: [] },
    { tree: { kids: [{ kids: 1 }] } },
    { either: null },
    { both: { b: 1 } },
    { pair: [1] },
    { other: '' },
    JSON.parse('{"__proto__":""}'),
    []
  ]
  for (const value of valid) assert.ok(conforms(value, schema), JSON.stringify(value))
  for (const value of invalid) assert.ok(!conforms(value, schema), JSON.stringify(value))
  const node = {
    anyOf: [object({ next: { $ref: '#/$defs/node' } }), object({ next: { $ref: '#/$defs/node' } })]
  }
  let deep: object = { next: 1 }
  for (let level = 0; level < 60; level++) deep = { next: deep }
  assert.ok(!conforms(deep, { $ref: '#/$defs/node', $defs: { node } }))
  assert.ok(!conforms({}, { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } }))
  const list = { type: 'array', items: text }
  assert.ok(conforms(Array(maxCheckedValues - 1).fill(''), list))
  assert.ok(!conforms(Array(maxCheckedValues).fill(''), list))
  let listings = 0
  const wide = new Proxy(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [n, 1])), {
    ownKeys (names) {
      listings++
      return Reflect.ownKeys(names)
    }
  })
  const texts = { type: 'object', additionalProperties: text }
  assert.ok(!conforms(wide, { anyOf: Array(1_000).fill(texts) }))
  assert.ok(listings < 20, `${listings}`)
})
