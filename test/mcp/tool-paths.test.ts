import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillPath, parsePath } from '../../lib/mcp/tools/path.ts'

test('parsePath reads a path as the router does', () => {
  assert.deepEqual(parsePath('/a/:b/c'), ['/a/', { name: 'b', optional: false }, '/c'])
  assert.deepEqual(parsePath('/:a-:b.json'), ['/', { name: 'a', optional: false }, '-', {
    name: 'b',
    optional: false
  }, '.json'])
  assert.deepEqual(parsePath('/:a(^\\d+(x|\\))$)/::b/:c?'), [
    '/',
    { name: 'a', optional: false, pattern: '^(?:\\d+(x|\\)))$' },
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

test('parsePath keeps the expression of a parameter if it is one of JSON Schema [field:T27]', () => {
  assert.deepEqual(parsePath('/:id(^\\d+$)'), ['/', {
    name: 'id',
    optional: false,
    pattern: '^(?:\\d+)$'
  }])
  assert.deepEqual(parsePath('/:a([\\w-.])'), ['/', { name: 'a', optional: false }])
})

test('fillPath keeps the value of a wildcard below its path [field:T23]', () => {
  const path = parsePath('/files/*')
  assert.deepEqual(path, ['/files/', { name: '*', optional: false }])
  for (
    const [value, filled] of [
      ['a/b c/é', '/files/a/b%20c/%C3%A9'],
      ['a.b/..c', '/files/a.b/..c'],
      ['100%', '/files/100%25'],
      ['a%41?#', '/files/a%2541%3F%23'],
      [7, '/files/7']
    ]
  ) assert.equal(fillPath(path, { '*': value }), filled)
  for (
    const value of [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '..',
      'a/./b',
      'a/../b',
      'a\\b',
      'a\nb',
      '%2e%2e/a',
      'a/%252e%252E',
      '%2f',
      'a%5cb',
      'a%00',
      '%zz/%2e%2e',
      `%${'25'.repeat(100_000)}2e`,
      '\udfff',
      {},
      ['a'],
      undefined,
      null
    ]
  ) assert.equal(fillPath(path, { '*': value }), null, JSON.stringify(value))
})
