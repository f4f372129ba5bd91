import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectTypeOf } from 'expect-type'
import type { Static } from '@sinclair/typebox'
import { authorizationServerDocument, protectedResourceDocument } from '../../lib/oauth/metadata.ts'
import { problemsOf } from '../../lib/options/check.ts'
import { OAuthMetadataSchema, ProtectedResourceMetadataSchema } from '../../lib/schemas/metadata.ts'
import type { OAuthMetadata } from '../../lib/schemas/metadata.ts'

const issuer = 'https://id.example.com/tenant'
const parts = {
  issuer: 'https://mcp.example.com',
  endpoints: {
    authorization_endpoint: 'https://mcp.example.com/oauth/authorize',
    token_endpoint: 'https://mcp.example.com/oauth/token'
  },
  grantTypes: ['authorization_code', 'refresh_token'] as const
}

test('authorizationServerDocument names only what is enabled [M-04 ASM-07 ASM-10 ASM-11]', () => {
  assert.deepEqual(authorizationServerDocument(parts), {
    issuer: 'https://mcp.example.com',
    authorization_endpoint: 'https://mcp.example.com/oauth/authorize',
    token_endpoint: 'https://mcp.example.com/oauth/token',
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256']
  })
  const full = authorizationServerDocument({
    ...parts,
    endpoints: {
      ...parts.endpoints,
      registration_endpoint: 'https://mcp.example.com/oauth/register'
    },
    scopes: ['openid', 'offline_access']
  })
  assert.equal(Object(full).registration_endpoint, 'https://mcp.example.com/oauth/register')
  assert.deepEqual(full.scopes_supported, ['openid', 'offline_access'])
  assert.deepEqual(problemsOf(OAuthMetadataSchema, full), [])
})

test('protectedResourceDocument names only what is enabled [PRM-02 PRM-05 PRM-09]', () => {
  assert.deepEqual(
    protectedResourceDocument('https://api.example.com/mcp', [issuer], [], 'off'),
    {
      resource: 'https://api.example.com/mcp',
      authorization_servers: [issuer],
      bearer_methods_supported: ['header']
    }
  )
})

test('protectedResourceDocument never names offline_access [M-06 PRM-08]', () => {
  const documentWith = (...scopes: string[]) =>
    protectedResourceDocument('https://api.example.com/mcp', [issuer], scopes, 'off')
  const document = documentWith('read', 'offline_access')
  assert.deepEqual(document.scopes_supported, ['read'])
  assert.deepEqual(document.authorization_servers, [issuer])
  assert.deepEqual(problemsOf(ProtectedResourceMetadataSchema, document), [])
  assert.ok(!('scopes_supported' in documentWith('offline_access')))
})

const required = {
  issuer: 'https://api.example.com',
  token_endpoint: 'https://auth.example.com/token'
}

test('OAuthMetadataSchema coerces nothing and names the path of every problem', () => {
  assert.deepEqual(problemsOf(OAuthMetadataSchema, { ...required, extension: { any: 1 } }), [])
  const value = {
    issuer: 1,
    token_endpoint: null,
    scopes_supported: 'openid',
    grant_types_supported: [1]
  }
  const before = structuredClone(value)
  assert.deepEqual(problemsOf(OAuthMetadataSchema, value).map(({ path }) => path).sort(), [
    '/grant_types_supported/0',
    '/issuer',
    '/scopes_supported',
    '/token_endpoint'
  ])
  assert.deepEqual(value, before)
  assert.deepEqual(problemsOf(OAuthMetadataSchema, null).map(({ path }) => path), [''])
})

test('OAuthMetadata follows its schema and allows extensions', () => {
  expectTypeOf<OAuthMetadata>().toExtend<Static<typeof OAuthMetadataSchema>>()
  expectTypeOf<OAuthMetadata['scopes_supported']>().toEqualTypeOf<string[] | undefined>()
  const extended: OAuthMetadata = { ...required, ui_locales_supported: ['en'] }
  assert.deepEqual(problemsOf(OAuthMetadataSchema, extended), [])
})
