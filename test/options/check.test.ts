import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type as TypeBox } from '@sinclair/typebox'
import { Errors } from '@sinclair/typebox/errors'
import { Check } from '@sinclair/typebox/value'
import fc from 'fast-check'
import { problemsOf } from '../../lib/options/check.ts'
import { Type } from '../../lib/schemas/type.ts'

/** One schema of each kind that lib builds. */
const plain = (builder: typeof Type) =>
  builder.Object({
    text: builder.String({ minLength: 2, maxLength: 4, pattern: '^a' }),
    flag: builder.Optional(builder.Boolean({ description: 'a flag' })),
    count: builder.Optional(builder.Integer({ minimum: 1 })),
    word: builder.Optional(builder.Literal('word', { title: 'Word' })),
    any: builder.Unknown({ description: 'anything' }),
    call: builder.Optional(builder.Function([builder.String()], builder.Unknown())),
    list: builder.Optional(builder.Array(builder.String(), { minItems: 1, maxItems: 2 })),
    byName: builder.Optional(builder.Record(builder.String(), builder.Boolean())),
    'a/b~c': builder.Optional(builder.Object({ x: builder.Optional(builder.String()) }, {
      additionalProperties: false
    })),
    unsafe: builder.Optional(builder.Unsafe<string>(builder.String())),
    bare: builder.Optional(builder.Unsafe<string>({ default: 1 }))
  }, { $id: 'plain', additionalProperties: false })

const united = (builder: typeof Type) =>
  builder.Union([
    builder.Literal(false),
    builder.Array(builder.Union([builder.Literal('a'), builder.Integer()])),
    builder.Object({ name: builder.String() }, { additionalProperties: false })
  ])

const leaf = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  'a',
  'ab',
  'abcde',
  'b',
  'word',
  0,
  1,
  1.5,
  NaN,
  true,
  false,
  () => {}
)
const member = fc.oneof(
  { weight: 4, arbitrary: leaf },
  fc.array(leaf, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('x', 'name', 'toString', 'p/q~'), leaf)
)
const value = fc.oneof(
  member,
  fc.record(
    Object.fromEntries(
      [...Object.keys(plain(Type).properties), 'constructor', 'w/~'].map(name => [name, member])
    ),
    { requiredKeys: [] }
  )
)

test('the builder of lib makes the schemas that TypeBox makes, with their symbols', () => {
  for (const schema of [plain, united]) {
    assert.deepEqual(schema(Type), schema(TypeBox as unknown as typeof Type))
  }
})

test('problemsOf finds the mistakes that TypeBox finds, in the same order', () => {
  const { bare, ...properties } = plain(Type).properties
  const schema = { ...plain(Type), properties }
  fc.assert(
    fc.property(value, given => {
      const paths = [...Errors(schema, given)].map(({ path }) => path)
      assert.deepEqual(problemsOf(schema, given).map(({ path }) => path), [...new Set(paths)])
    }),
    { numRuns: 2000 }
  )
})

test('problemsOf accepts the values of a union that TypeBox accepts', () => {
  fc.assert(
    fc.property(value, given => {
      assert.equal(problemsOf(united(Type), given).length === 0, Check(united(Type), given))
    }),
    { numRuns: 2000 }
  )
})

test('problemsOf reports a member of the alternative that otherwise fits', () => {
  assert.deepEqual(problemsOf(united(Type), { nam: 'a' }).map(({ path }) => path), [
    '/name',
    '/nam'
  ])
  assert.deepEqual(problemsOf(united(Type), ['a', 'b']).map(({ path }) => path), ['/1'])
  assert.deepEqual(problemsOf(united(Type), 'a').map(({ path }) => path), [''])
})
