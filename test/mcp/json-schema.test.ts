import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from '@sinclair/typebox'
import { Type as Type1 } from 'typebox'
import { z } from 'zod'
import { createReader } from '../../lib/mcp/tools/json-schema.ts'
import { type JsonSchema, asJson } from '../../lib/mcp/tools/references.ts'

const text = { type: 'string' }

/** A schema as a tool has it, with the targets of its references. */
function read (schema: unknown, shared: JsonSchema = {}): JsonSchema {
  const reader = createReader(shared, 'input')
  const converted = reader.convert(reader.locate(schema))
  const $defs = reader.definitions()
  return asJson({ ...converted, ...(Object.keys($defs).length > 0 && { $defs }) })
}

test('a reference with one use is replaced by its target [field:T7]', () => {
  const schema = {
    definitions: { a: text },
    $defs: { 'b/c': { $ref: '#/definitions/a' } },
    properties: {
      b: { $ref: '#/$defs/b~1c', description: 'B' },
      c: { $ref: 'shared#/properties/x' },
      d: { $ref: 'http://example.com/y#' },
      e: { $ref: '#anchor' },
      f: { $ref: '#upload' },
      g: { $anchor: 'anchor', type: 'boolean' }
    }
  }
  const shared = {
    shared: {
      $id: 'shared',
      properties: { x: { $ref: '#/definitions/n' } },
      definitions: { n: { type: 'number' } }
    },
    'http://example.com/y': { ...text, title: 'Y' },
    '#upload': { $id: '#upload', type: 'object' }
  }
  assert.deepEqual(read(schema, shared), {
    properties: {
      b: { ...text, description: 'B' },
      c: { type: 'number' },
      d: { ...text, title: 'Y' },
      e: { type: 'boolean' },
      f: { type: 'object' },
      g: { type: 'boolean' }
    }
  })
})

test('targets with several uses are in $defs once, under a readable name [field:T7]', () => {
  const shared = {
    user: {
      $id: 'user',
      type: 'object',
      properties: { home: { $ref: 'http://a.example/address.json#' } }
    },
    'http://a.example/address.json': { $id: 'http://a.example/address.json', ...text, enum: ['a'] }
  }
  const schema = {
    definitions: { user: { type: 'null' } },
    items: {
      anyOf: ['user#', 'user', '#/definitions/user', '#/definitions/user'].map($ref => ({ $ref }))
    },
    not: { $ref: 'http://a.example/address.json' }
  }
  assert.deepEqual(read(schema, shared), {
    items: {
      anyOf: ['user', 'user', 'user_2', 'user_2'].map(name => ({ $ref: `#/$defs/${name}` }))
    },
    not: { $ref: '#/$defs/address.json' },
    $defs: {
      user: { type: 'object', properties: { home: { $ref: '#/$defs/address.json' } } },
      'address.json': { ...text, enum: ['a'] },
      user_2: { type: 'null' }
    }
  })
})

test('schemas that all refer to each other have a size linear in theirs [field:T7]', () => {
  const sizes = [10, 20, 40].map(count => {
    const names = Array.from({ length: count }, (_, index) => `Entity${index}`)
    const properties = Object.fromEntries(names.map(name => [name, { $ref: `${name}#` }]))
    const shared = Object.fromEntries(names.map($id => [$id, { $id, type: 'object', properties }]))
    return JSON.stringify(read({ $ref: 'Entity0#' }, shared)).length / JSON.stringify(shared).length
  })
  assert.ok(Math.max(...sizes) < 1.4, `${sizes}`)
})

test('siblings of a reference that restrict the value stay beside it', () => {
  const schema = {
    definitions: { a: { type: 'object', required: ['x'] } },
    items: { $ref: '#/definitions/a', required: ['y'] }
  }
  assert.deepEqual(read(schema), {
    items: { $ref: '#/$defs/a', required: ['y'] },
    $defs: { a: { type: 'object', required: ['x'] } }
  })
})

test('no schema is fetched, and a reference without a target is an error [SS-05]', () => {
  for (
    const $ref of [
      'http://127.0.0.1:1/schema.json',
      '#/nowhere',
      'unknown',
      '#/__proto__',
      '#/constructor',
      'constructor',
      '__proto__#',
      '#/%',
      '#/title'
    ]
  ) {
    assert.throws(
      () => read({ title: 'x', items: { $ref } }),
      /cannot be resolved|URI malformed/,
      $ref
    )
  }
})

test('recursive schemas keep their types [field:T8]', () => {
  const tree = Type.Recursive((self) => Type.Object({ children: Type.Array(self) }), {
    $id: 'tree'
  })
  const node = {
    type: 'object',
    required: ['children'],
    properties: { children: { type: 'array', items: { $ref: '#/$defs/tree' } } }
  }
  assert.deepEqual(read(tree), { ...node, $defs: { tree: node } })
  const module = Type1.Cyclic({
    A: Type1.Object({ b: Type1.Ref('B') }),
    B: Type1.Object({ a: Type1.Array(Type1.Ref('A')) })
  }, 'A')
  const b = {
    type: 'object',
    required: ['a'],
    properties: { a: { type: 'array', items: { $ref: '#/$defs/A' } } }
  }
  assert.deepEqual(read(Type1.Object({ m: module })), {
    type: 'object',
    required: ['m'],
    properties: { m: { $ref: '#/$defs/A' } },
    $defs: { A: { type: 'object', required: ['b'], properties: { b } } }
  })
  assert.deepEqual(read({ items: { $ref: '#' } }), {
    items: { $ref: '#/$defs/root' },
    $defs: { root: { items: { $ref: '#/$defs/root' } } }
  })
})

test('data that looks like a schema is copied', () => {
  const schema = {
    type: 'object',
    properties: { $id: text, definitions: text, $ref: text, nullable: text },
    enum: [{ $ref: 'x' }],
    default: { $id: 'x' },
    examples: [{ definitions: 1 }]
  }
  assert.deepEqual(read(schema), schema)
})

test('forms of draft-07 and OpenAPI 3.0 become those of 2020-12, and the original stays [field:T2]', () => {
  const original = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    properties: {
      tuple: { items: [text, true], additionalItems: false },
      open: { items: [text] },
      any: { items: [], additionalItems: text },
      nullable: { ...text, nullable: true, enum: ['a'] },
      both: { type: ['string', 'null'], nullable: true },
      none: { $ref: '#/definitions/a', nullable: true },
      date: Type.Date(),
      no: false
    },
    definitions: { a: { allOf: [text], nullable: true } },
    dependencies: { a: ['b'], c: { required: ['d'] } }
  }
  const before = asJson(original)
  const orNull = (schema: object) => ({ anyOf: [schema, { type: 'null' }] })
  assert.deepEqual(read(original), {
    properties: {
      tuple: { prefixItems: [text, {}], items: false },
      open: { prefixItems: [text] },
      any: { items: text },
      nullable: { type: ['string', 'null'], enum: ['a'] },
      both: { type: ['string', 'null'] },
      none: orNull(orNull({ allOf: [text] })),
      date: { ...text, format: 'date-time' },
      no: { not: {} }
    },
    dependentSchemas: { a: { required: ['b'] }, c: { required: ['d'] } }
  })
  assert.deepEqual(asJson(original), before)
})

test('schemas of Zod are converted, recursive ones and dates too [field:T6]', () => {
  const tree = z.object({
    at: z.date(),
    get children () {
      return z.array(tree)
    }
  })
  const { properties, $defs } = read(tree) as { properties: JsonSchema, $defs: JsonSchema }
  assert.deepEqual(properties, {
    at: { ...text, format: 'date-time' },
    children: { type: 'array', items: { $ref: '#/$defs/root' } }
  })
  assert.deepEqual(Object.keys($defs), ['root'])
  assert.deepEqual(read(z.object({ a: z.string().transform(Number) })).properties, { a: text })
})

test('values that are no JSON Schema are an error with a remedy [field:T6]', () => {
  for (const schema of [{ items: z.string() }, 'x', [], { items: [z.string()] }]) {
    assert.throws(() => read(schema), /it is not a JSON Schema/)
  }
  for (const old of [{ '~standard': { vendor: 'zod' } }, { _def: { typeName: 'ZodString' } }]) {
    assert.throws(() => read(old), /this version of zod cannot convert it.*Use Zod 4\.2/)
  }
})
