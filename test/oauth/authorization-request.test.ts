import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  parseAuthorizationRequest,
  promptOf,
  redirectUriOf,
  stateOf
} from '../../lib/oauth/authorization-request.ts'
import { parameters, required } from '../../lib/oauth/parameters.ts'

const resource = 'https://mcp.example.com/mcp'
const codeChallenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const redirectUri = 'http://127.0.0.1:51234/cb'
const policy = { allowed: null, forbidden: [] }
const valid = {
  response_type: 'code',
  code_challenge: codeChallenge,
  code_challenge_method: 'S256'
}

function parse (
  changes: Record<string, string | undefined> = {},
  extra = '',
  rules = {}
): ReturnType<typeof parseAuthorizationRequest> {
  const pairs = Object.entries({ ...valid, ...changes }).filter((pair): pair is [string, string] =>
    pair[1] !== undefined
  )
  return parseAuthorizationRequest(
    parameters(`${new URLSearchParams(pairs)}${extra}`),
    redirectUri,
    {
      resource,
      knownScopes: ['a', 'b'],
      ...rules
    }
  )
}

function kindOf (...request: Parameters<typeof parse>): unknown {
  try {
    parse(...request)
    return null
  } catch (error) {
    return (error as { kind?: unknown }).kind
  }
}

const minimum = { redirectUri, codeChallenge, resource, scopes: [], state: undefined }

test('parseAuthorizationRequest returns the parameters of a valid request', () => {
  assert.deepEqual(parse(), minimum)
  assert.deepEqual(
    parse({ scope: 'b a', state: 'x', resource, response_mode: 'query', prompt: 'consent' }),
    { ...minimum, scopes: ['b', 'a'], state: 'x' }
  )
})

test('required requires exactly one client_id [A-01 A-07 AZ-15]', () => {
  assert.equal(required(parameters('client_id=c'), 'client_id'), 'c')
  for (
    const raw of [
      '',
      'client_id=',
      'client_id=a&client_id=b',
      'client_id=a&client_id=a',
      'client_id=a%0d%0a'
    ]
  ) assert.throws(() => required(parameters(raw), 'client_id'), { kind: 'invalidRequest' }, raw)
})

test('redirectUriOf returns registered redirect URIs only [A-03 A-05 A-06 A-07]', () => {
  const one = ['http://127.0.0.1/cb']
  const two = [...one, 'https://app.example/cb']
  assert.equal(redirectUriOf(parameters(''), one, policy), 'http://127.0.0.1/cb')
  assert.equal(
    redirectUriOf(
      parameters(new URLSearchParams({ redirect_uri: redirectUri }).toString()),
      two,
      policy
    ),
    redirectUri
  )
  for (
    const raw of [
      '',
      'redirect_uri=https://evil/cb',
      'redirect_uri=https://app.example/cb/',
      'redirect_uri=https://app.example/cb&redirect_uri=https://app.example/cb'
    ]
  ) {
    assert.throws(
      () => redirectUriOf(parameters(raw), two, policy),
      { kind: 'invalidRequest' },
      raw
    )
  }
  assert.throws(() => redirectUriOf(parameters(''), [], policy), { kind: 'invalidRequest' })
})

test('redirectUriOf applies the current policy to older registrations [R-13 B-19]', () => {
  const registered = ['http://localhost/oauth/callback']
  const params = parameters('redirect_uri=http://localhost:3000/oauth/callback')
  assert.equal(redirectUriOf(params, registered, policy), 'http://localhost:3000/oauth/callback')
  for (
    const stricter of [{ allowed: ['https:'], forbidden: [] }, {
      allowed: null,
      forbidden: ['http://127.0.0.1:3000/oauth/callback']
    }]
  ) {
    assert.throws(() => redirectUriOf(params, registered, stricter), { kind: 'invalidRequest' })
  }
})

test('parseAuthorizationRequest rejects repeated parameters [A-07 AZ-15]', () => {
  for (
    const name of [
      'response_type',
      'scope',
      'state',
      'code_challenge',
      'code_challenge_method',
      'prompt',
      'response_mode'
    ]
  ) {
    assert.equal(kindOf({ [name]: undefined }, `&${name}=a&${name}=a`), 'invalidRequest', name)
  }
  assert.equal(kindOf({}, `&resource=${resource}&resource=x`), 'invalidTarget')
})

test('parseAuthorizationRequest accepts only the response type code [A-08]', () => {
  for (const type of [undefined, '']) {
    assert.equal(kindOf({ response_type: type }), 'invalidRequest')
  }
  for (const type of ['token', 'id_token', 'code token', 'code ', 'none', 'CODE']) {
    assert.equal(kindOf({ response_type: type }), 'unsupportedResponseType', type)
  }
})

test('parseAuthorizationRequest requires a well-formed S256 challenge [A-09 A-10 A-11 A-12 AZ-04]', () => {
  for (
    const changes of [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge: undefined },
      { code_challenge: '' },
      { code_challenge_method: undefined },
      { code_challenge_method: '' },
      ...['plain', 's256', 'S512', 'S256 '].map((method) => ({ code_challenge_method: method })),
      ...[
        'A'.repeat(42),
        'A'.repeat(44),
        `${'A'.repeat(42)}=`,
        `${'A'.repeat(42)}+`,
        `${'A'.repeat(42)} `,
        `${'A'.repeat(42)}é`
      ].map((challenge) => ({ code_challenge: challenge }))
    ]
  ) assert.equal(kindOf(changes), 'invalidRequest', JSON.stringify(changes))
})

test('parseAuthorizationRequest accepts only our resource, in any spelling [A-13 AZ-08 AZ-09 AZ-10]', () => {
  for (const value of [undefined, '', resource, 'https://MCP.example.com:443/mcp/']) {
    assert.equal(parse({ resource: value }).resource, resource)
  }
  for (
    const value of [
      'https://evil.example/mcp',
      `${resource}/x`,
      `${resource}#f`,
      '/mcp',
      `${resource}?x=1`
    ]
  ) assert.equal(kindOf({ resource: value }), 'invalidTarget', value)
})

test('parseAuthorizationRequest ignores unknown scopes and rejects malformed ones [A-14]', () => {
  assert.deepEqual(parse({ scope: '' }, '', { defaultScopes: ['a'] }).scopes, ['a'])
  assert.deepEqual(parse({ scope: 'z' }, '', { knownScopes: null }).scopes, ['z'])
  assert.deepEqual(parse({ scope: ' a  z' }).scopes, ['a'])
  assert.equal(kindOf({ scope: 'a z' }, '', { unknownScopes: 'refuse' }), 'invalidScope')
  for (
    const scope of [
      'a"',
      'a\\',
      'a\0',
      Array.from({ length: 200 }, (_, index) => `s${index}`).join(' ')
    ]
  ) assert.equal(kindOf({ scope }), 'invalidScope', scope.slice(0, 9))
})

test('parseAuthorizationRequest returns state unchanged and rejects a long one [A-15]', () => {
  assert.equal(parse().state, undefined)
  for (const state of ['', '"><script>', 'a\r\nb', 'é\u202e', 'x'.repeat(2048)]) {
    assert.equal(parse({ state }).state, state)
  }
  assert.equal(kindOf({ state: 'x'.repeat(2049) }), 'invalidRequest')
  const states = ['state=x', '', 'state=x&state=x', `state=${'x'.repeat(2049)}`, 'state='].map((
    raw
  ) => stateOf(parameters(raw)))
  assert.deepEqual(states, ['x', undefined, undefined, undefined, ''])
})

test('parseAuthorizationRequest rejects unsupported parameters [A-16 A-17 A-18]', () => {
  assert.equal(kindOf({ request: 'a.b.c' }), 'requestNotSupported')
  assert.equal(kindOf({ request_uri: 'http://169.254.169.254/' }), 'requestUriNotSupported')
  // RFC 6749 §3.1: without a value they count as absent.
  assert.equal(kindOf({ request: '', request_uri: '' }), null)
  assert.equal(kindOf({ prompt: 'none' }), 'interactionRequired')
  assert.equal(kindOf({ prompt: 'login none' }), 'interactionRequired')
  for (const mode of ['fragment', 'form_post', 'query.jwt']) {
    assert.equal(kindOf({ response_mode: mode }), 'invalidRequest')
  }
})

test('promptOf returns only the prompts that are passed on to the provider [A-18]', () => {
  for (const prompt of ['login', 'consent', 'select_account', 'create', 'login consent']) {
    assert.equal(promptOf(parameters(`prompt=${prompt}`)), prompt)
  }
  assert.equal(promptOf(parameters('prompt=login+evil')), 'login')
  for (const prompt of ['', 'evil', 'LOGIN']) {
    assert.equal(promptOf(parameters(`prompt=${prompt}`)), undefined, prompt)
  }
})
