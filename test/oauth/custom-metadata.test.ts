import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customMetadata } from '../../lib/oauth/custom-metadata.ts'

const custom = {
  issuer: 'https://api.example.com',
  authorization_endpoint: 'https://auth.example.com/authorize',
  token_endpoint: 'https://auth.example.com/token'
}
const defaults = {
  scopes_supported: ['openid', 'profile', 'email'],
  response_types_supported: ['code'],
  grant_types_supported: ['authorization_code', 'client_credentials'],
  token_endpoint_auth_methods_supported: ['none'],
  code_challenge_methods_supported: ['S256']
}

test('customMetadata fills in defaults, drops null members and keeps unknown ones', () => {
  assert.deepEqual(customMetadata(custom), { document: { ...defaults, ...custom }, problems: [] })
  const written = {
    ...custom,
    scopes_supported: ['read'],
    registration_endpoint: null,
    jwks_uri: undefined,
    service_documentation: 'https://docs.example.com',
    flag: true,
    level: 3
  }
  assert.deepEqual(customMetadata(written), {
    document: {
      ...defaults,
      ...custom,
      scopes_supported: ['read'],
      service_documentation: 'https://docs.example.com',
      flag: true,
      level: 3
    },
    problems: []
  })
  assert.deepEqual(Object.keys(written).length, 9, 'what the operator wrote is left alone')
})

test('customMetadata without an authorization endpoint does not claim the code grant', () => {
  const { document, problems } = customMetadata({
    issuer: custom.issuer,
    token_endpoint: custom.token_endpoint
  })
  assert.deepEqual(problems, [])
  assert.deepEqual(document['grant_types_supported'], ['client_credentials'])
})

test('customMetadata returns every problem [ASM-06]', () => {
  const { problems } = customMetadata({
    issuer: 'https://api.example.com?x',
    jwks_uri: 'http://example.com/jwks',
    grant_types_supported: ['authorization_code'],
    scopes_supported: [],
    extension: () => {}
  })
  assert.deepEqual(problems.map((problem) => problem.split(' ')[0]).sort(), [
    'authorization_endpoint',
    'extension',
    'issuer',
    'jwks_uri',
    'scopes_supported',
    'token_endpoint'
  ])
})
