import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from '@sinclair/typebox'
import { z } from 'zod'
import { inlineSchema } from '../../lib/mcp/tools/json-schema.ts'
import { fillPath, parsePath } from '../../lib/mcp/tools/path.ts'

const text = { type: 'string' }

test('inlineSchema replaces references within the schema and to shared schemas', () => {
  const schema = {
    definitions: { a: text },
    $defs: { 'b/c': { $ref: '#/definitions/a' } },
    properties: {
      a: { $ref: '#/definitions/a' },
      b: { $ref: '#/$defs/b~1c', description: 'B' },
      c: { $ref: 'shared#/properties/x' },
      d: { $ref: 'http://example.com/y#' }
    }
  }
  const shared = {
    shared: {
      $id: 'shared',
      properties: { x: { $ref: '#/definitions/n' } },
      definitions: { n: { type: 'number' } }
    },
    'http://example.com/y': text
  }
  assert.deepEqual(inlineSchema(schema, shared), {
    properties: { a: text, b: { ...text, description: 'B' }, c: { type: 'number' }, d: text }
  })
})

test('inlineSchema fetches nothing, and rejects a reference without a target [SS-05]', () => {
  for (
    const $ref of [
      'http://127.0.0.1:1/schema.json',
      '#/nowhere',
      'unknown',
      '#/__proto__',
      '#/constructor'
    ]
  ) {
    assert.throws(
      () => inlineSchema({ properties: { a: { $ref } } }, {}),
      /cannot be resolved/,
      $ref
    )
  }
})

test('inlineSchema cuts a schema that contains itself', () => {
  const tree = Type.Recursive((self) => Type.Object({ children: Type.Array(self) }), {
    $id: 'tree'
  })
  const inlined = JSON.stringify(inlineSchema(tree, {}))
  assert.match(inlined, /"children"/)
  assert.doesNotMatch(inlined, /\$ref|\$id/)
  const embedded = JSON.stringify(inlineSchema(Type.Object({ tree }), {}))
  assert.doesNotMatch(embedded, /\$ref|\$id/)
  assert.doesNotMatch(
    JSON.stringify(inlineSchema({ properties: { self: { $ref: '#' } } }, {})),
    /\$ref/
  )
  assert.deepEqual(
    inlineSchema({
      $ref: '#/definitions/a',
      definitions: { a: { $ref: '#/definitions/b' }, b: { $ref: '#/definitions/a' } }
    }, {}),
    {}
  )
})

test('inlineSchema copies data that looks like a schema', () => {
  const schema = {
    type: 'object',
    properties: { $id: text, definitions: text, $ref: text, nullable: text },
    enum: [{ $ref: 'x' }],
    default: { $id: 'x' },
    examples: [{ definitions: 1 }]
  }
  assert.deepEqual(inlineSchema(schema, {}), schema)
})

test('inlineSchema replaces nullable by a type, and does not change the original', () => {
  const schema = Object.freeze({
    items: Object.freeze({ type: 'string', nullable: true }),
    anyOf: [{ nullable: true }]
  })
  assert.deepEqual(inlineSchema(schema, {}), { items: { type: ['string', 'null'] }, anyOf: [{}] })
})

test('inlineSchema rejects values that are not a JSON Schema', () => {
  for (const schema of [z.object({}), { items: z.string() }, null, 'x', []]) {
    assert.throws(() => inlineSchema(schema, {}), /not a JSON Schema/)
  }
})

test('parsePath reads a path as the router does', () => {
  assert.deepEqual(parsePath('/a/:b/c'), ['/a/', { name: 'b', optional: false }, '/c'])
  assert.deepEqual(parsePath('/:a-:b.json'), ['/', { name: 'a', optional: false }, '-', {
    name: 'b',
    optional: false
  }, '.json'])
  assert.deepEqual(parsePath('/:a(^\\d+(x|\\)))/::b/:c?'), [
    '/',
    { name: 'a', optional: false },
    '/:b/',
    { name: 'c', optional: true }
  ])
  assert.deepEqual(parsePath('/a::b'), ['/a:b'])
})

test('fillPath keeps every value in its segment [S3]', () => {
  const path = parsePath('/a/:b/:c?')
  assert.equal(fillPath(path, { b: 'x/../y', c: '?#' }), '/a/x%2F..%2Fy/%3F%23')
  assert.equal(fillPath(path, { b: true }), '/a/true')
  for (const b of ['.', '..', '', undefined, null, {}, [], Symbol.iterator, '\udfff']) {
    assert.equal(fillPath(path, { b }), null)
  }
  assert.equal(fillPath(parsePath('/:constructor'), {}), null)
})
