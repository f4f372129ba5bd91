import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeMetadata, metadataProblems } from '../../lib/oauth/metadata.ts'

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

test('completeMetadata fills in defaults, drops null members and keeps unknown ones', () => {
  assert.deepEqual(completeMetadata(custom), { ...defaults, ...custom })
  const given = {
    ...custom,
    scopes_supported: ['read'],
    registration_endpoint: null,
    jwks_uri: undefined,
    service_documentation: 'https://docs.example.com',
    flag: true,
    level: 3
  }
  const document = completeMetadata(given)
  assert.deepEqual(document, {
    ...defaults,
    ...custom,
    scopes_supported: ['read'],
    service_documentation: 'https://docs.example.com',
    flag: true,
    level: 3
  })
  assert.deepEqual(metadataProblems(document), [])
  assert.deepEqual(Object.keys(given).length, 9, 'the given metadata are not changed')
})

test('completeMetadata without an authorization endpoint does not claim the code grant', () => {
  const { issuer, token_endpoint: tokenEndpoint } = custom
  const document = completeMetadata({ issuer, token_endpoint: tokenEndpoint })
  assert.deepEqual(metadataProblems(document), [])
  assert.deepEqual(document['grant_types_supported'], ['client_credentials'])
})

test('metadataProblems returns every problem [ASM-06]', () => {
  const problems = metadataProblems(completeMetadata({
    issuer: 'https://api.example.com?x',
    token_endpoint: custom.token_endpoint,
    jwks_uri: 'http://example.com/jwks',
    grant_types_supported: ['authorization_code'],
    scopes_supported: [],
    extension: () => {}
  }))
  assert.deepEqual(problems.map((problem) => problem.split(':')[0]).sort(), [
    'authorization_endpoint',
    'extension',
    'issuer',
    'jwks_uri',
    'scopes_supported'
  ])
})
