import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parameters } from '../../lib/oauth/parameters.ts'
import { parseTokenRequest } from '../../lib/oauth/token-request.ts'

const resource = 'https://mcp.example.com/mcp'
const codeVerifier = 'v'.repeat(43)
const code = { grant_type: 'authorization_code', code: 'c', code_verifier: codeVerifier }
const refresh = { grant_type: 'refresh_token', refresh_token: 'r' }

function ask (form: Record<string, string>, extra = ''): unknown {
  try {
    return parseTokenRequest(parameters(`${new URLSearchParams(form)}${extra}`), { resource })
  } catch (error) {
    return (error as { kind?: unknown }).kind
  }
}

test('a code is redeemed, a token refreshed', () => {
  assert.deepEqual(ask(code), { grantType: 'authorization_code', code: 'c', codeVerifier })
  assert.deepEqual(
    ask({ ...code, client_id: 'i', redirect_uri: 'http://127.0.0.1/cb', resource: `${resource}/` }),
    {
      grantType: 'authorization_code',
      code: 'c',
      codeVerifier,
      clientId: 'i',
      redirectUri: 'http://127.0.0.1/cb',
      resource
    }
  )
  assert.deepEqual(ask({ ...refresh, client_id: 'i', scope: 'a b', resource }), {
    grantType: 'refresh_token',
    refreshToken: 'r',
    clientId: 'i',
    resource,
    scopes: ['a', 'b']
  })
  assert.deepEqual(ask({ ...refresh, scope: '', resource: '', client_id: '' }), {
    grantType: 'refresh_token',
    refreshToken: 'r'
  })
})

test('one grant type is needed [T-01 X-03]', () => {
  for (
    const extra of [
      '',
      'grant_type=',
      'grant_type=refresh_token&grant_type=client_credentials',
      'grant_type=refresh_token&grant_type=refresh_token'
    ]
  ) assert.equal(ask({}, extra), 'invalidRequest', extra)
})

test('other grant types are refused before anything else is looked at [T-03 X-01]', () => {
  for (
    const type of [
      'client_credentials',
      'password',
      'implicit',
      'urn:ietf:params:oauth:grant-type:device_code',
      'AUTHORIZATION_CODE',
      'authorization_code ',
      'authorization_code\0'
    ]
  ) {
    assert.equal(
      ask({ grant_type: type }, '&code=a&code=b&resource=x&client_id=%00'),
      'unsupportedGrantType',
      type
    )
  }
})

test('machines are served where there are some [T-03 EX-01]', () => {
  const machine = (form: string): unknown => {
    try {
      return parseTokenRequest(parameters(form), { resource, machines: true })
    } catch (error) {
      return (error as { kind?: unknown }).kind
    }
  }
  const asked = 'grant_type=client_credentials'
  assert.deepEqual(machine(asked), { grantType: 'client_credentials' })
  assert.deepEqual(
    machine(`${asked}&scope=a b&resource=${resource}/&client_id=c&code=x&refresh_token=y`),
    { grantType: 'client_credentials', clientId: 'c', resource, scopes: ['a', 'b'] }
  )
  assert.deepEqual(machine(`${asked}&scope=`), { grantType: 'client_credentials' })
  assert.equal(machine(`${asked}&scope=a"`), 'invalidScope')
  assert.equal(machine(`${asked}&resource=https://evil.example`), 'invalidTarget')
  assert.equal(machine(`${asked}&${asked}`), 'invalidRequest')
  assert.equal(machine('grant_type=password'), 'unsupportedGrantType')
  assert.equal(
    (parseTokenRequest(parameters(`${new URLSearchParams(code)}`), { resource, machines: true }))
      .grantType,
    'authorization_code'
  )
})

test('codes and refresh tokens that cannot be ours [T-02 T-04]', () => {
  for (const name of ['code', 'refresh_token']) {
    const form = name === 'code' ? code : refresh
    assert.equal(ask({ ...form, [name]: '' }), 'invalidRequest')
    assert.equal(ask(form, `&${name}=x`), 'invalidRequest')
    for (const value of ['x'.repeat(16_385), 'x\0', 'é', 'x\r\ny']) {
      assert.equal(ask({ ...form, [name]: value }), 'invalidGrant')
    }
  }
})

test('a well-formed verifier is needed [T-09]', () => {
  for (
    const verifier of [
      '',
      'v'.repeat(42),
      'v'.repeat(129),
      `${'v'.repeat(43)}+`,
      `${'v'.repeat(43)}\n`
    ]
  ) assert.equal(ask({ ...code, code_verifier: verifier }), 'invalidRequest', verifier)
  assert.equal(ask(code, `&code_verifier=${codeVerifier}`), 'invalidRequest')
})

test('only our resource [T-16 AZ-09]', () => {
  for (const form of [code, refresh]) {
    for (const value of ['https://evil.example/mcp', `${resource}#f`, 'x']) {
      assert.equal(ask({ ...form, resource: value }), 'invalidTarget', value)
    }
    assert.equal(ask(form, `&resource=${resource}&resource=${resource}`), 'invalidTarget')
    assert.equal(ask(form, '&resource=&resource='), 'invalidTarget')
  }
})

test('a scope beside a code has no effect; a malformed one of a refresh is refused [T-17]', () => {
  assert.deepEqual(ask({ ...code, scope: 'admin "' }), {
    grantType: 'authorization_code',
    code: 'c',
    codeVerifier
  })
  assert.equal(ask({ ...refresh, scope: 'a"' }), 'invalidScope')
  assert.equal(ask(refresh, '&scope=a&scope=a'), 'invalidRequest')
})

test('nothing but what is listed comes through [X-02 X-03]', () => {
  assert.deepEqual(
    ask({
      ...code,
      audience: 'x',
      client_secret: 's',
      client_assertion: 'a',
      refresh_token: 'r',
      __proto__: 'x'
    }, '&__proto__=x&constructor=y'),
    { grantType: 'authorization_code', code: 'c', codeVerifier }
  )
  for (const name of ['client_id', 'redirect_uri']) {
    assert.equal(ask(code, `&${name}=a&${name}=a`), 'invalidRequest', name)
  }
})
