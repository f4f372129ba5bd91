import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { McpOAuthError } from '../../lib/errors.ts'
import { parseAccessToken } from '../../lib/oauth/bearer.ts'
import { sweep } from '../support/sweep.ts'
import { anyCharacter } from '../support/text.ts'

function outcome (
  authorization: string | undefined,
  query = '',
  rawHeaders = authorization === undefined ? [] : ['Authorization', authorization]
): string {
  try {
    return parseAccessToken(authorization, rawHeaders, query, ['Bearer'])?.token ?? 'none'
  } catch (error) {
    assert.ok(error instanceof McpOAuthError)
    return error.kind
  }
}

test('parseAccessToken returns no credentials without a header, whatever the query has [Q-01 Q-05 RS-04]', () => {
  assert.equal(outcome(undefined), 'none')
  assert.equal(outcome(undefined, 'access_token=abc'), 'none')
})

test('parseAccessToken returns the token after Bearer, in any case [RS-03 Q-03]', () => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    assert.equal(outcome(`${scheme} abc.DEF-_~+/123==`), 'abc.DEF-_~+/123==')
  }
  assert.equal(outcome('Bearer   abc'), 'abc')
})

test('parseAccessToken ignores credentials of another scheme [Q-02 Q-03]', () => {
  for (
    const header of [
      '',
      'Basic abc',
      'Basic x, Bearer y',
      'DPoP abc',
      'Bearerabc',
      'Bearer=abc',
      'Bear'
    ]
  ) assert.equal(outcome(header), 'none', header)
})

test('parseAccessToken rejects a malformed Bearer header as an invalid request [Q-02 Q-03 RS-18]', () => {
  for (
    const header of [
      'Bearer',
      'bearer',
      'Bearer ',
      'Bearer\tx',
      'Bearer \tx',
      'Bearer a b',
      'Bearer a,b',
      'Bearer a, Bearer b',
      'Bearer ,',
      'Bearer,a'
    ]
  ) {
    assert.equal(outcome(header), 'invalidRequest', header)
  }
})

test('parseAccessToken rejects two Authorization headers [Q-04]', () => {
  assert.equal(
    outcome('Bearer a', '', [
      'Host',
      'h',
      'authorization',
      'Bearer a',
      'X',
      'y',
      'AUTHORIZATION',
      'Bearer a'
    ]),
    'invalidRequest'
  )
  assert.equal(
    outcome('Basic a', '', ['Authorization', 'Basic a', 'Authorization', 'Bearer b']),
    'invalidRequest'
  )
  assert.equal(
    outcome('Bearer a', '', [
      'Authorization',
      'Bearer a',
      'X-Name',
      'authorization',
      'Proxy-Authorization',
      'Basic b'
    ]),
    'a'
  )
})

test('parseAccessToken rejects a second token in the query in any spelling [Q-06 RS-18]', () => {
  for (
    const query of ['access_token=b', 'x=1&access_token=', 'access%5Ftoken=b', '%61ccess_token']
  ) { assert.equal(outcome('Bearer a', query), 'invalidRequest', query) }
  for (const query of ['', 'x=access_token', 'no_access_token=1', 'x=%', 'x=%61']) {
    assert.equal(outcome('Bearer a', query), 'a', query)
  }
})

test('parseAccessToken rejects text that cannot be a token as an invalid token [Q-07]', () => {
  assert.equal(outcome(`Bearer ${'a'.repeat(8192)}`).length, 8192)
  for (const token of ['a'.repeat(8193), 'a"b', 'a\\b', 'é', '=', 'a=b', 'a\0', '{}']) {
    assert.equal(outcome(`Bearer ${token}`), 'invalidToken', token.slice(0, 9))
  }
})

test('parseAccessToken returns every b64token and nothing else [RS-03]', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,40}={0,3}$/), (token) => {
      assert.equal(outcome(`Bearer ${token}`), token)
    }),
    { numRuns: sweep(1000) }
  )
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (rest) => {
      const actual = outcome(`Bearer${rest}`)
      if (!['none', 'invalidRequest', 'invalidToken'].includes(actual)) {
        assert.match(`Bearer${rest}`, /^Bearer +[A-Za-z0-9._~+/-]+=*$/)
      }
    }),
    { numRuns: sweep(2000) }
  )
})
