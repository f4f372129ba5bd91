import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parameters, type RequestParameters } from '../../lib/oauth/parameters.ts'
import {
  parseClientCredentials,
  parseTokenRequest,
  userGrantParsers
} from '../../lib/oauth/token-request.ts'

const resource = 'https://mcp.example.com/mcp'
const codeVerifier = 'v'.repeat(43)
const code = { grant_type: 'authorization_code', code: 'c', code_verifier: codeVerifier }
const refresh = { grant_type: 'refresh_token', refresh_token: 'r' }
interface Grant {
  parse(params: RequestParameters, resource: string): object
}

const userGrants: Record<string, Grant> = userGrantParsers
const allGrants: Record<string, Grant> = {
  ...userGrants,
  client_credentials: { parse: parseClientCredentials }
}

/** The parsed request without its undefined members, or the kind of the error. */
function parse (form: string | Record<string, string>, extra = '', grants = userGrants) {
  try {
    const params = parameters(`${new URLSearchParams(form)}${extra}`)
    return JSON.parse(JSON.stringify(parseTokenRequest(params, resource, grants)))
  } catch (error) {
    return (error as { kind?: unknown }).kind
  }
}

test('parseTokenRequest returns the parameters of a code and of a refresh', () => {
  assert.deepEqual(parse(code), { grantType: 'authorization_code', code: 'c', codeVerifier })
  assert.deepEqual(
    parse({
      ...code,
      client_id: 'i',
      redirect_uri: 'http://127.0.0.1/cb',
      resource: `${resource}/`
    }),
    {
      grantType: 'authorization_code',
      code: 'c',
      codeVerifier,
      redirectUri: 'http://127.0.0.1/cb',
      resource
    }
  )
  assert.deepEqual(parse({ ...refresh, client_id: 'i', scope: 'a b', resource }), {
    grantType: 'refresh_token',
    refreshToken: 'r',
    resource,
    scopes: ['a', 'b']
  })
  assert.deepEqual(parse({ ...refresh, scope: '', resource: '', client_id: '' }), {
    grantType: 'refresh_token',
    refreshToken: 'r'
  })
})

for (
  const form of [
    '',
    'grant_type=',
    'grant_type=refresh_token&grant_type=client_credentials',
    'grant_type=refresh_token&grant_type=refresh_token'
  ]
) {
  test(`parseTokenRequest requires exactly one grant type: "${form}" [T-01 X-03]`, () => {
    assert.equal(parse(form), 'invalidRequest')
  })
}

for (
  const type of [
    'client_credentials',
    'password',
    'implicit',
    'urn:ietf:params:oauth:grant-type:device_code',
    'AUTHORIZATION_CODE',
    'authorization_code ',
    'authorization_code\0',
    'toString',
    '__proto__'
  ]
) {
  const title = `parseTokenRequest rejects grant type ${JSON.stringify(type)} before anything else`
  test(`${title} [T-03 X-01]`, () => {
    const malformed = '&code=a&code=b&resource=x&client_id=%00'
    assert.equal(parse({ grant_type: type }, malformed), 'unsupportedGrantType')
  })
}

test('parseTokenRequest accepts client_credentials if the table has it [T-03 EX-01]', () => {
  const machine = (form: string) => parse(form, '', allGrants)
  const type = 'grant_type=client_credentials'
  assert.deepEqual(machine(type), { grantType: 'client_credentials' })
  assert.deepEqual(
    machine(`${type}&scope=a b&resource=${resource}/&client_id=c&code=x&refresh_token=y`),
    { grantType: 'client_credentials', resource, scopes: ['a', 'b'] }
  )
  for (const empty of ['', '+', '%20%09']) {
    assert.deepEqual(machine(`${type}&scope=${empty}`), { grantType: 'client_credentials' })
  }
  assert.equal(machine(`${type}&scope=a"`), 'invalidScope')
  assert.equal(machine(`${type}&resource=https://evil.example`), 'invalidTarget')
  assert.equal(machine(`${type}&${type}`), 'invalidRequest')
  assert.equal(machine('grant_type=password'), 'unsupportedGrantType')
  assert.deepEqual(parse(code, '', allGrants), parse(code))
})

for (const name of ['code', 'refresh_token'] as const) {
  test(`parseTokenRequest rejects a ${name} that we cannot have issued [T-02 T-04]`, () => {
    const form = name === 'code' ? code : refresh
    assert.equal(parse({ ...form, [name]: '' }), 'invalidRequest')
    assert.equal(parse(form, `&${name}=x`), 'invalidRequest')
    for (const value of ['x'.repeat(16_385), 'x\0', 'é', 'x\r\ny']) {
      assert.equal(parse({ ...form, [name]: value }), 'invalidGrant')
    }
  })
}

test('parseTokenRequest requires one well-formed code verifier [T-09]', () => {
  const v = 'v'.repeat(43)
  for (const verifier of ['', 'v'.repeat(42), 'v'.repeat(129), `${v}+`, `${v}\n`]) {
    assert.equal(parse({ ...code, code_verifier: verifier }), 'invalidRequest', verifier)
  }
  assert.equal(parse(code, `&code_verifier=${codeVerifier}`), 'invalidRequest')
})

for (const form of [code, refresh]) {
  test(`parseTokenRequest rejects other resources: ${form.grant_type} [T-16 AZ-09]`, () => {
    for (const value of ['https://evil.example/mcp', `${resource}#f`, 'x']) {
      assert.equal(parse({ ...form, resource: value }), 'invalidTarget', value)
    }
    for (const others of ['x', '', 'https://evil.example/mcp']) {
      assert.equal(parse(form, `&resource=${resource}&resource=${others}`), 'invalidTarget', others)
    }
  })

  test(`parseTokenRequest accepts one resource that is sent twice: ${form.grant_type} [AZ-09]`, () => {
    const twice = parse(form, `&resource=${resource}&resource=${resource}`) as { resource: string }
    assert.equal(twice.resource, resource)
  })
}

test('parseTokenRequest ignores the scope of a code, and checks that of a refresh [T-17]', () => {
  assert.deepEqual(parse({ ...code, scope: 'admin "' }), {
    grantType: 'authorization_code',
    code: 'c',
    codeVerifier
  })
  assert.equal(parse({ ...refresh, scope: 'a"' }), 'invalidScope')
  assert.equal(parse(refresh, '&scope=a&scope=a'), 'invalidRequest')
  assert.equal(parse(code, '&scope=a&scope=a'), 'invalidRequest')
})

test('parseTokenRequest returns no parameter that its grant does not use [X-02 X-03]', () => {
  assert.deepEqual(
    parse({
      ...code,
      audience: 'x',
      client_secret: 's',
      client_assertion: 'a',
      refresh_token: 'r',
      __proto__: 'x'
    }, '&__proto__=x&constructor=y'),
    { grantType: 'authorization_code', code: 'c', codeVerifier }
  )
})

for (const form of [code, refresh]) {
  test(`parseTokenRequest rejects repeated parameters: ${form.grant_type} [X-02 X-03]`, () => {
    for (const name of ['client_id', 'redirect_uri']) {
      assert.equal(parse(form, `&${name}=a&${name}=a`), 'invalidRequest', name)
    }
  })
}
