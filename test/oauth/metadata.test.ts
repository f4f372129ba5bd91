import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectTypeOf } from 'expect-type'
import type { Static } from '@sinclair/typebox'
import {
  authorizationServerDocument,
  customMetadata,
  protectedResourceDocument,
  providerMetadata
} from '../../lib/oauth/metadata.ts'
import { problemsOf } from '../../lib/options/check.ts'
import { OAuthMetadataSchema, ProtectedResourceMetadataSchema } from '../../lib/schemas/metadata.ts'
import type { OAuthMetadata } from '../../lib/schemas/metadata.ts'

const issuer = 'https://id.example.com/tenant'
const good = {
  issuer,
  authorization_endpoint: 'https://id.example.com/authorize?flow=1',
  token_endpoint: 'https://id.example.com/token',
  jwks_uri: 'https://id.example.com/jwks',
  scopes_supported: ['openid', 'offline_access']
}

function refused (document: unknown, reason: RegExp, expected = { issuer }): void {
  assert.throws(() => providerMetadata(document, expected), (error: Error & { kind?: string }) => {
    assert.equal(error.kind, 'providerUnavailable')
    assert.match((error.cause as Error).message, reason)
    return true
  })
}

test('only what we use is copied [M-10 ASM-13]', () => {
  const poisoned = JSON.parse(
    JSON.stringify({
      ...good,
      client_secret: 'canary',
      registration_endpoint: 'https://evil.example/',
      signed_metadata: 'canary',
      mtls_endpoint_aliases: { token_endpoint: 'canary' },
      pushed_authorization_request_endpoint: 'https://id.example.com/par',
      pad: 'x'.repeat(1_000_000)
    }).replace('{', '{"__proto__":{"token_endpoint":"canary"},')
  )
  const copy = providerMetadata(poisoned, { issuer })
  assert.deepEqual(copy, { ...good, authorization_response_iss_parameter_supported: false })
  assert.ok(Object.isFrozen(copy) && Object.isFrozen(copy.scopes_supported))
})

test('the iss flag is true only for true', () => {
  for (const [flag, expected] of [[true, true], ['true', false], [1, false], [undefined, false]]) {
    const document = { ...good, authorization_response_iss_parameter_supported: flag }
    assert.equal(
      providerMetadata(document, { issuer }).authorization_response_iss_parameter_supported,
      expected
    )
  }
})

const hostile: unknown[] = [
  'javascript:alert(1)',
  'file:///etc/passwd',
  'data:text/html,x',
  'http://id.example.com/authorize',
  'https://u:p@id.example.com/',
  'https://@id.example.com/',
  'https://a$(calc)/',
  'https://id.example.com/ x',
  'https://id.example.com/"',
  "https://id.example.com/'",
  'https://id.example.com/`id`',
  'https://id.example.com/\n',
  'https://id.example.com/#x',
  `https://id.example.com/${'x'.repeat(5_000)}`,
  '/authorize',
  '//id.example.com/',
  '',
  null,
  [],
  ['https://id.example.com/'],
  {},
  1,
  'http://localhost/authorize',
  'http://127.0.0.1/authorize',
  'http://169.254.169.254/latest/meta-data'
]
for (
  const member of [
    'authorization_endpoint',
    'token_endpoint',
    'jwks_uri',
    'revocation_endpoint',
    'introspection_endpoint',
    'userinfo_endpoint'
  ]
) {
  test(`a hostile ${member} is refused [M-07 SS-04]`, () => {
    for (const value of hostile) {
      refused(
        { ...good, [member]: value },
        new RegExp(`^the metadata of the provider cannot be used: ${member} must`)
      )
    }
  })
}

test('the value that was refused is nowhere in the error [M-07]', () => {
  try {
    providerMetadata({ ...good, token_endpoint: 'javascript:canary' }, { issuer })
    assert.fail()
  } catch (error) {
    assert.ok(!`${error} ${(error as Error).cause}`.includes('canary'))
  }
})

test('the issuer must be the configured one, byte for byte [M-08 ASM-05]', () => {
  for (
    const other of [
      `${issuer}/`,
      issuer.toUpperCase(),
      'https://id.example.com',
      'https://id.example.com/other',
      [issuer],
      null,
      undefined
    ]
  ) {
    refused({ ...good, issuer: other }, /issuer is not the configured issuer/)
  }
  for (const document of [null, undefined, 'x', 1, [], {}]) refused(document, /issuer/)
})

test('providerMetadata accepts endpoints at other origins, http only with an http loopback issuer [M-09]', () => {
  const google = { ...good, token_endpoint: 'https://oauth2.googleapis.com/token' }
  assert.equal(
    providerMetadata(google, { issuer }).token_endpoint,
    'https://oauth2.googleapis.com/token'
  )
  const local = 'http://localhost:4000'
  const document = { issuer: local, token_endpoint: 'http://127.0.0.1:4000/token' }
  assert.equal(
    providerMetadata(document, { issuer: local }).token_endpoint,
    'http://127.0.0.1:4000/token'
  )
  refused({ issuer: local, token_endpoint: 'http://example.com/token' }, /token_endpoint must/, {
    issuer: local
  })
})

test('authorizeUrl takes the place of the authorization endpoint and is checked alike', () => {
  const authorizeUrl = 'https://login.example.com/start'
  assert.equal(
    providerMetadata({ ...good, authorization_endpoint: 'javascript:x' }, { issuer, authorizeUrl })
      .authorization_endpoint,
    authorizeUrl
  )
})

test('lists that are not lists of strings are refused [U-01]', () => {
  for (const list of ['openid', [1], [null], {}, null]) {
    refused({ ...good, scopes_supported: list }, /scopes_supported must be a list of strings/)
  }
})

const parts = {
  issuer: 'https://mcp.example.com',
  endpoints: {
    authorization_endpoint: 'https://mcp.example.com/oauth/authorize',
    token_endpoint: 'https://mcp.example.com/oauth/token'
  },
  grantTypes: ['authorization_code', 'refresh_token'] as const
}

test('our document names what we do and nothing else [M-04 ASM-07 ASM-10 ASM-11]', () => {
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

test('the document of a resource [PRM-02 PRM-05 PRM-09]', () => {
  assert.deepEqual(
    protectedResourceDocument({
      resource: 'https://api.example.com/mcp',
      authorizationServers: [issuer],
      scopes: []
    }),
    {
      resource: 'https://api.example.com/mcp',
      authorization_servers: [issuer],
      bearer_methods_supported: ['header']
    }
  )
})

test('offline_access is never a scope of a resource [M-06 PRM-08]', () => {
  const base = {
    resource: 'https://api.example.com/mcp',
    authorizationServers: [issuer],
    name: 'Notes'
  }
  const document = protectedResourceDocument({ ...base, scopes: ['read', 'offline_access'] })
  assert.deepEqual(document.scopes_supported, ['read'])
  assert.equal(document.resource_name, 'Notes')
  assert.deepEqual(problemsOf(ProtectedResourceMetadataSchema, document), [])
  assert.ok(
    !('scopes_supported' in protectedResourceDocument({ ...base, scopes: ['offline_access'] }))
  )
})

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

test('custom metadata: unset members get their defaults, null ones go, unknown ones stay', () => {
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

test('custom metadata: an issuer and a token endpoint are enough, and then no code grant is claimed', () => {
  const { document, problems } = customMetadata({
    issuer: custom.issuer,
    token_endpoint: custom.token_endpoint
  })
  assert.deepEqual(problems, [])
  assert.deepEqual(document['grant_types_supported'], ['client_credentials'])
})

test('custom metadata: ASM-06 every problem is told', () => {
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

test('schemas check exactly: nothing is coerced, every problem has its path', () => {
  assert.deepEqual(problemsOf(OAuthMetadataSchema, { ...custom, extension: { any: 1 } }), [])
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

test('the type of metadata follows its schema and leaves room for extensions', () => {
  expectTypeOf<OAuthMetadata>().toExtend<Static<typeof OAuthMetadataSchema>>()
  expectTypeOf<OAuthMetadata['scopes_supported']>().toEqualTypeOf<string[] | undefined>()
  const extended: OAuthMetadata = { ...custom, ui_locales_supported: ['en'] }
  assert.deepEqual(problemsOf(OAuthMetadataSchema, extended), [])
})
