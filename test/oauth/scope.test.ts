import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  mergeScopes,
  missingScopes,
  parseScope,
  requestedScopes,
  scopesOf
} from '../../lib/oauth/scope.ts'
import { sweep } from '../support/sweep.ts'

const numRuns = sweep(2000)
const scope = fc.stringMatching(/^[!#-[\]-~]{1,12}$/)

test('parseScope returns a list of tokens (RFC 6749 §3.3)', () => {
  assert.deepEqual(parseScope('mcp:read openid mcp:read'), ['mcp:read', 'openid'])
  for (const empty of ['', ' ', ' \t\r\n ']) assert.deepEqual(parseScope(empty), [])
})

test('parseScope splits at any white space, also leading, trailing and repeated [field:S14]', () => {
  for (const value of [' a b', 'a b ', 'a  b', 'a\tb', '\na\r\nb', 'a\u00a0b', 'a\u3000 b']) {
    assert.deepEqual(parseScope(value), ['a', 'b'], JSON.stringify(value))
  }
})

test('requestedScopes ignores or refuses unknown scopes, and defaults where none is left [field:S14]', () => {
  const rules = { knownScopes: ['a', 'b'], defaultScopes: ['b'] }
  const cases = { 'a claudeai': ['a'], 'b a': ['b', 'a'], claudeai: ['b'], ' ': ['b'], '': ['b'] }
  for (const [value, scopes] of Object.entries(cases)) {
    assert.deepEqual(requestedScopes(value, rules), scopes, value)
  }
  assert.deepEqual(requestedScopes('__proto__ A', rules), ['b'])
  assert.deepEqual(requestedScopes('x', { knownScopes: null }), ['x'])
  assert.deepEqual(requestedScopes('x', { knownScopes: [] }), [])
  const strict = { ...rules, unknownScopes: 'refuse' } as const
  assert.deepEqual(requestedScopes(' b  a', strict), ['b', 'a'])
  for (const value of ['a claudeai', 'claudeai', 'a"']) {
    assert.throws(() => requestedScopes(value, strict), { kind: 'invalidScope' }, value)
  }
  assert.throws(() => requestedScopes('a"', rules), { kind: 'invalidScope' })
})

test('parseScope rejects malformed values without repeating them [A-14 R-21]', () => {
  const many = Array.from({ length: 200 }, (_, index) => `s${index}`).join(' ')
  for (
    const invalid of [
      'a"b',
      'a\\b',
      'a\0',
      'a\x1f b',
      'a\u200bb',
      'é',
      many,
      'x'.repeat(5000)
    ]
  ) {
    assert.throws(() => parseScope(invalid), {
      kind: 'invalidScope',
      message: 'The requested scope is invalid or unknown.'
    }, invalid.slice(0, 20))
  }
})

test('parseScope reads scopes that are joined by spaces', () => {
  fc.assert(
    fc.property(fc.uniqueArray(scope, { maxLength: 20 }), (scopes) => {
      assert.deepEqual(parseScope(scopes.join(' ')), scopes)
    }),
    { numRuns }
  )
})

test('scopesOf reads strings and lists under three names [J-17]', () => {
  assert.deepEqual(scopesOf({ scope: 'a b', scp: ['b', 'c'], scopes: 'd' }), ['a', 'b', 'c', 'd'])
  assert.deepEqual(scopesOf({ scope: ['a', 'b'] }), ['a', 'b'])
  assert.deepEqual(scopesOf({ scp: 'a b' }), ['a', 'b'])
})

test('scopesOf ignores anything else [J-17]', () => {
  for (
    const claim of [
      undefined,
      null,
      1,
      true,
      {},
      { admin: true },
      { length: 1, 0: 'admin' },
      [1, null, ['admin'], { admin: 1 }],
      ['admin read'],
      '',
      ' ',
      'a"b'
    ]
  ) {
    assert.deepEqual(scopesOf({ scope: claim, scp: claim, scopes: claim }), [])
  }
  assert.deepEqual(
    scopesOf(JSON.parse('{"scope":{"__proto__":["admin"]},"__proto__":{"scope":"admin"}}')),
    []
  )
})

test('missingScopes follows the hierarchy over several steps [RS-15]', () => {
  const hierarchy = { admin: ['write'], write: ['read'] }
  assert.deepEqual(missingScopes(['admin'], ['read', 'write'], hierarchy), [])
  assert.deepEqual(missingScopes(['read'], ['write', 'read', 'other'], hierarchy), [
    'write',
    'other'
  ])
  assert.deepEqual(missingScopes([], ['read'], hierarchy), ['read'])
  assert.deepEqual(missingScopes([], [], hierarchy), [])
  assert.deepEqual(missingScopes(['a'], ['a']), [])
})

test('missingScopes ends at cycles and ignores names of Object.prototype [RS-15]', () => {
  assert.deepEqual(missingScopes(['a'], ['b', 'c'], { a: ['b'], b: ['a'] }), ['c'])
  assert.deepEqual(missingScopes(['constructor', '__proto__', 'toString'], ['x'], {}), ['x'])
})

test('missingScopes returns the scopes that no walk from a granted one reaches [RS-15]', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  fc.assert(
    fc.property(
      fc.array(name),
      fc.uniqueArray(name),
      fc.dictionary(name, fc.array(name)),
      (granted, required, hierarchy) => {
        const implies = (from: string, to: string, visited: string[]): boolean =>
          from === to ||
          (!visited.includes(from) &&
            (hierarchy[from] ?? []).some((next) => implies(next, to, [...visited, from])))
        assert.deepEqual(
          missingScopes(granted, required, hierarchy),
          required.filter((requiredScope) =>
            !granted.some((grantedScope) => implies(grantedScope, requiredScope, []))
          )
        )
      }
    ),
    { numRuns }
  )
})

test('mergeScopes keeps the order of first mention', () => {
  assert.deepEqual(mergeScopes(['b', 'a'], ['c', 'a']), ['b', 'a', 'c'])
})
