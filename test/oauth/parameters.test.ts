import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parameters, single, verbatim } from '../../lib/oauth/parameters.ts'
import { sweep } from '../support/sweep.ts'
import { anyCharacter } from '../support/text.ts'

const rejected = { kind: 'invalidRequest' }

test('parameters reads a form as URLSearchParams does', () => {
  const text = fc.string({ unit: anyCharacter, maxLength: 10 })
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 20 }), (pairs) => {
      const search = new URLSearchParams(pairs)
      const params = parameters(search.toString())
      assert.deepEqual([...params.keys()], [...new Set(search.keys())])
      for (const [name, values] of params) assert.deepEqual(values, search.getAll(name))
    }),
    { numRuns: sweep(2000) }
  )
})

test('single and verbatim reject a repeated parameter, which parameters keeps [G-11 AZ-15]', () => {
  const params = parameters('a=1&b=2&a=1&%62=3')
  assert.deepEqual(params.get('a'), ['1', '1'])
  for (const name of ['a', 'b']) {
    assert.throws(() => single(params, name), rejected)
    assert.throws(() => verbatim(params, name), rejected)
  }
})

test('single names a repeated parameter', () => {
  assert.throws(() => single(parameters('a=1&a=1'), 'a'), {
    kind: 'invalidRequest',
    message: 'The parameter a is repeated.'
  })
})

test('single treats an empty parameter as absent (RFC 6749 §3.1)', () => {
  const params = parameters('a=&b&&c=+')
  assert.deepEqual([
    single(params, 'a'),
    single(params, 'b'),
    single(params, 'c'),
    single(params, 'd')
  ], [undefined, undefined, ' ', undefined])
  assert.deepEqual([verbatim(params, 'a'), verbatim(params, 'd')], ['', undefined])
  assert.equal(parameters('').size, 0)
})

test('parameters treats names of Object.prototype as ordinary names [G-07]', () => {
  const params = parameters('__proto__=x&constructor=y&a[b]=c')
  assert.deepEqual([
    single(params, '__proto__'),
    single(params, 'constructor'),
    single(params, 'toString'),
    single(params, 'a')
  ], ['x', 'y', undefined, undefined])
})

test('parameters rejects text that does not decode, and single control characters [G-12]', () => {
  for (const raw of ['a=%zz', 'a=%', 'a=%ff', '%c3=1', 'a=%ed%a0%80', 'a=\ud800']) {
    assert.throws(() => parameters(raw), rejected, raw)
  }
  for (const raw of ['a=%00', 'a=x%0d%0ay', 'a=%7f', 'a=%c2%85']) {
    assert.throws(() => single(parameters(raw), 'a'), rejected, raw)
  }
  assert.equal(verbatim(parameters('a=x%0d%0ay'), 'a'), 'x\r\ny')
})

test('parameters accepts at most 50 parameters [G-16]', () => {
  assert.equal(
    parameters(Array.from({ length: 50 }, (_, index) => `a${index}=1`).join('&')).size,
    50
  )
  for (const count of [51, 20_000]) assert.throws(() => parameters('a=1&'.repeat(count)), rejected)
  assert.throws(() => parameters(`a=${'x'.repeat(65_536)}`), rejected)
})
