import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasClaims, withTrustDomain } from '../../lib/oauth/assertion-grant.ts'
import { sweep } from '../support/sweep.ts'

const matches = (pattern: string, sub: unknown) => hasClaims({ sub }, { sub: pattern })

test('hasClaims matches a star with characters other than slashes and colons [WL-07]', () => {
  const valid: Array<[pattern: string, sub: string]> = [
    ['spiffe://example.org/ns/prod/sa/agent', 'spiffe://example.org/ns/prod/sa/agent'],
    ['spiffe://example.org/ns/*/sa/agent', 'spiffe://example.org/ns/prod/sa/agent'],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/app:ref:refs/heads/main'],
    ['repo:acme/app:ref:refs/heads/release-*', 'repo:acme/app:ref:refs/heads/release-1.2'],
    ['repo:acme/app:environment:*', 'repo:acme/app:environment:production'],
    ['a*b*c', 'abbbc'],
    ['a**c', 'abc'],
    ['*x*', 'x'],
    ['*aab', 'aaab'],
    ['system:serviceaccount:*:agent', 'system:serviceaccount:ünïcode-🦉:agent']
  ]
  for (const [pattern, sub] of valid) assert.ok(matches(pattern, sub), `${pattern} ${sub}`)
  const invalid: Array<[pattern: string, sub: unknown]> = [
    ['spiffe://example.org/ns/*/sa/agent', 'spiffe://example.org/ns/a/b/sa/agent'],
    ['spiffe://example.org/*', 'spiffe://example.org/ns/prod'],
    ['spiffe://*/agent', 'spiffe://evil.example/x/agent'],
    ['repo:acme/app:ref:refs/heads/*', 'repo:acme/app:ref:refs/heads/feature/x'],
    ['repo:acme/*', 'repo:acme/app:pull_request'],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/app:x:ref:refs/heads/main'],
    ['a', 'ab'],
    ['a', 'xa'],
    ['a', 'A'],
    ['a\n', 'a'],
    ['ab*ba', 'aba'],
    ['a*b', 'a:b'],
    ['a*b', 'a'],
    ['.*', 'abc'],
    ['a.c', 'abc'],
    ['(a+)+*', 'aaaa'],
    ['[ab]*', 'ab'],
    ['^a*$', 'ab'],
    ['a|b*', 'b1'],
    ['\\w*', 'word'],
    ['a*', 5],
    ['a*', ['ab']],
    ['a*', { toString: () => 'ab' }],
    ['a*', undefined],
    ['a*', null]
  ]
  for (const [pattern, sub] of invalid) assert.ok(!matches(pattern, sub), `${pattern} ${sub}`)
})

test('hasClaims agrees with an expression that the test writes, for all texts of some letters [WL-07]', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '.'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '.', '*'), maxLength: 6 })
  fc.assert(
    fc.property(pattern, text, (pattern, text) => {
      const expression = pattern.replaceAll('.', '[.]').replaceAll('*', '[^/:]*')
      assert.equal(matches(pattern, text), new RegExp(`^${expression}$`).test(text))
    }),
    { numRuns: sweep(5_000) }
  )
})

test('hasClaims takes no longer for many stars: an expression would never end [WL-07]', () => {
  const text = 'a'.repeat(2_000)
  assert.ok(!matches(`${'a*'.repeat(255)}b`, text))
  assert.ok(matches('a*'.repeat(256), text))
  assert.ok(!matches(`${'*a'.repeat(255)}b`, `${text}c`))
})

test('hasClaims compares numbers and booleans by type, and own claims only [WL-07]', () => {
  const expected = { sub: 'x', verified: true, project: 42 }
  assert.ok(hasClaims({ sub: 'x', verified: true, project: 42, more: 1 }, expected))
  for (
    const claims of [
      { sub: 'x', verified: 'true', project: 42 },
      { sub: 'x', verified: true, project: '42' },
      { sub: 'x', verified: false, project: 42 },
      { sub: 'x', project: 42 },
      Object.create(expected) as object
    ]
  ) assert.ok(!hasClaims(claims as Record<string, unknown>, expected), JSON.stringify(claims))
  assert.ok(!hasClaims({ sub: 'x' }, { sub: 'x', constructor: 'x' }))
})

test('withTrustDomain names the trust domain of a SPIFFE id as issuer, if there is none [WL-06]', () => {
  const sub = 'spiffe://example.org/ns/prod/sa/agent'
  assert.equal(withTrustDomain({ sub })['iss'], 'spiffe://example.org')
  for (const iss of ['https://oidc.example.org', '', null, 5]) {
    assert.equal(withTrustDomain({ sub, iss })['iss'], iss)
  }
  const others = [
    'spiffe://example.org',
    'spiffe://Example.org/x',
    'spiffe://example.org:1/x',
    'spiffe://user@example.org/x',
    'spiffe:///x',
    'https://example.org/x',
    'xspiffe://example.org/x',
    undefined
  ]
  for (const other of others) {
    assert.equal(withTrustDomain({ sub: other })['iss'], undefined, String(other))
  }
})
