import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { createLocalJWKSet, exportJWK, jwtVerify } from 'jose'
import { createKeyPair, generateKeyPair } from '../support/key-pair.ts'
import type { Log, TokenVerifier } from '../../lib/types.ts'
import {
  introspectionVerifier,
  type IntrospectionVerifierOptions
} from '../../lib/verifiers/introspection.ts'
import { jwtVerifier } from '../../lib/verifiers/jwt.ts'
import { chain } from '../../lib/verifiers/chain.ts'
import Fastify from 'fastify'
import { startProvider } from '../../docs/examples/demo/provider.ts'
import { startIntrospection } from '../support/introspection.ts'
import { recordWarnings } from '../support/log.ts'
import { resource, startIssuer, type faults } from '../support/issuer.ts'

const now = Math.floor(Date.now() / 1000)
const context = { resource, now }
const account = {
  clientId: 'mcp server',
  clientSecret: `s+e:c r~et/${randomBytes(8).toString('hex')}`
}
const valid = {
  active: true,
  aud: resource,
  scope: 'read write',
  sub: 'alice',
  client_id: 'client',
  exp: now + 60,
  iat: now - 5
}

async function setUp (t: TestContext, options: Partial<IntrospectionVerifierOptions> = {}) {
  const server = await startIntrospection(t)
  server.response = valid
  const { log, warnings } = recordWarnings()
  return {
    server,
    warnings,
    verify: introspectionVerifier({ issuer: server.issuer, ...account, log, ...options })
  }
}

test('introspectionVerifier returns the caller of an active token (RFC 7662)', async (t) => {
  const { server, verify } = await setUp(t)
  assert.equal(verify.issuer, server.issuer)
  const caller = await verify('opaque', context)
  assert.deepEqual([
    caller?.token,
    caller?.subject,
    caller?.clientId,
    caller?.scopes,
    caller?.expiresAt
  ], ['opaque', 'alice', 'client', ['read', 'write'], now + 60])
  const [{ authorization, form } = assert.fail()] = server.requests
  assert.deepEqual(Object.fromEntries(form), { token: 'opaque', token_type_hint: 'access_token' })
  const [id, secret] = Buffer.from(authorization?.slice(6) ?? '', 'base64').toString().split(':')
    .map(part => decodeURIComponent(part.replaceAll('+', ' ')))
  assert.deepEqual([id, secret], [account.clientId, account.clientSecret])
})

test('introspectionVerifier accepts a response without exp, whatever the tolerance', async (t) => {
  const { server, verify } = await setUp(t, { clockTolerance: 0 })
  const { exp: _exp, ...timeless } = valid
  server.response = timeless
  assert.equal((await verify('opaque', context))?.subject, 'alice')
})

test('introspectionVerifier ignores errors of its logger [F-27]', async (t) => {
  const failingSink = (): never => {
    throw new Error('ENOSPC')
  }
  const { server, verify } = await setUp(t, {
    log: { debug: failingSink, info: failingSink, warn: failingSink, error: failingSink }
  })
  server.fail = 'reset'
  await assert.rejects(verify('opaque', context), { kind: 'keysUnavailable' })
})

test('introspection needs no expiry, issuer or subject, and accepts several audiences [Q-14 EX-02]', async (t) => {
  const { server, verify } = await setUp(t, { audience: 'https://api.example' })
  for (
    const response of [
      { active: true, aud: resource },
      { ...valid, aud: ['https://other.example', resource] },
      { ...valid, aud: 'https://api.example' },
      { ...valid, iss: server.issuer },
      { ...valid, token_type: 'Bearer' },
      { ...valid, token_type: 'bearer' },
      { ...valid, exp: now - 29 },
      { ...valid, nbf: now + 29 }
    ]
  ) {
    server.response = response
    assert.ok(await verify(randomBytes(8).toString('hex'), context), JSON.stringify(response))
  }
})

test('introspection rejects tokens that are not active, or not for this server [Q-14 RS-05 RS-06]', async (t) => {
  const { server, verify } = await setUp(t)
  const inactive = [
    { active: false },
    { ...valid, active: 'true' },
    { ...valid, active: 1 },
    { ...valid, active: [true] },
    { ...valid, active: null },
    { ...valid, active: undefined },
    {}
  ]
  for (const response of inactive) {
    server.response = response
    assert.equal(await verify('x', context), null, JSON.stringify(response))
    await assert.rejects(chain([verify])('x', context), { kind: 'invalidToken' })
  }
  const rejected = [
    { ...valid, aud: undefined },
    { ...valid, aud: 'https://other.example' },
    { ...valid, aud: [] },
    { ...valid, aud: `${resource}/x` },
    { ...valid, aud: { 0: resource } },
    { ...valid, aud: account.clientId },
    { ...valid, iss: 'https://other.example' },
    { ...valid, iss: [server.issuer] },
    { ...valid, exp: now - 31 },
    { ...valid, exp: `${now + 60}` },
    { ...valid, exp: null },
    { ...valid, nbf: now + 31 },
    { ...valid, nbf: 'now' },
    { ...valid, iat: now + 31 },
    { ...valid, token_type: 'refresh_token' },
    { ...valid, token_use: 'refresh_token' },
    { ...valid, token_use: 'id' },
    { ...valid, typ: 'Refresh' },
    { ...valid, sub: {} },
    { ...valid, cnf: { jkt: 'x' } },
    { ...valid, cnf: { 'x5t#S256': 'x' } }
  ]
  for (const response of rejected) {
    server.response = response
    await assert.rejects(verify('x', context), { kind: 'invalidToken' }, JSON.stringify(response))
  }
})

const outages: Array<keyof typeof faults> = [
  'error',
  'unavailable',
  'missing',
  'html',
  'garbage',
  'null',
  'array',
  'oversize',
  'bomb',
  'redirect',
  'reset',
  'resetMidBody',
  'hang',
  'drip'
]
for (const fault of outages) {
  test(`introspection is 503 if the response of the endpoint is "${fault}" [Q-14 F-10]`, async (t) => {
    const { server, verify, warnings } = await setUp(t)
    server.fail = fault
    await assert.rejects(verify('x', context), { kind: 'keysUnavailable', statusCode: 503 })
    assert.deepEqual(warnings, [
      'Could not introspect an access token. Check clientId and its secret'
    ])
    server.fail = null
    assert.ok(await verify('x', context), 'the fault is not cached')
  })
}

test('introspection is 503 if the issuer rejects our credentials [Q-14]', async (t) => {
  const { server, verify } = await setUp(t)
  for (
    const [status, response] of [[401, { error: 'invalid_client' }], [400, {
      error: 'invalid_request',
      body: {}
    }], [403, { active: true, aud: resource }]] as const
  ) {
    Object.assign(server, { status, response })
    await assert.rejects(verify('x', context), { kind: 'keysUnavailable' })
  }
  const foreignVerifier = introspectionVerifier({
    issuer: server.issuer,
    ...account,
    introspectionEndpoint: `${server.issuer}/nowhere`
  })
  await assert.rejects(foreignVerifier('x', context), { kind: 'keysUnavailable' })
})

test('introspection is 503 without an endpoint, and if the issuer is unreachable [Q-14]', async (t) => {
  const { server, verify } = await setUp(t)
  server.metadata = { issuer: server.issuer }
  await assert.rejects(verify('x', context), { kind: 'keysUnavailable' })
  const unreachable = introspectionVerifier({ issuer: 'http://127.0.0.1:9', ...account })
  await assert.rejects(unreachable('x', context), { kind: 'keysUnavailable' })
})

test('introspection caches valid tokens for cacheFor seconds, and nothing by default [Q-15]', async (t) => {
  const { server, verify } = await setUp(t)
  await verify('x', context)
  server.response = { active: false }
  assert.equal(await verify('x', context), null)

  const caching = introspectionVerifier({ issuer: server.issuer, ...account, cacheFor: 60 })
  server.response = valid
  const before = server.requests.length
  for (let index = 0; index < 10; index++) await caching('x', context)
  assert.equal(server.requests.length, before + 1)
  server.response = { active: false }
  assert.ok(await caching('x', { ...context, now: now + 59 }))
  assert.equal(await caching('x', { ...context, now: now + 61 }), null)
  server.response = valid
  assert.ok(await caching('x', context), 'Q-15 the rejection is not cached')
})

test('introspection separates users of two issuers, and freezes claims [Q-23]', async (t) => {
  const { server, verify } = await setUp(t)
  server.response = '{"active":true,"aud":"' + resource +
    '","sub":"1001","__proto__":{"scope":"admin"},"act":{"sub":"x"}}'
  const { claims } = await verify('x', context) ?? assert.fail()
  assert.deepEqual([
    claims?.['iss'],
    claims?.['scope'],
    Object.isFrozen(claims),
    Object.isFrozen(claims?.['act'])
  ], [server.issuer, undefined, true, true])
})

test('introspection keeps the text of responses out of the log [D17 RS-21]', async (t) => {
  const lines: string[] = []
  const server = await startIntrospection(t)
  const { log } = Fastify({
    logger: {
      level: 'trace',
      stream: {
        write: (line: string) => {
          lines.push(line)
        }
      }
    }
  })
  const verify = introspectionVerifier({ issuer: server.issuer, ...account, log: log as Log })
  Object.assign(server, {
    status: 400,
    response: { error: 'invalid_request', error_description: 'no such token: canary-token' }
  })
  const error = await verify('canary-token', context).then(
    () => assert.fail(),
    (error: Error) => error
  )
  assert.match(lines.join(), /Could not introspect/)
  assert.match(lines.join(), /invalid_request/)
  assert.match(
    (error.cause as Error).message,
    new RegExp(`^${server.issuer} did not introspect a token: .*\\(invalid_request\\)`)
  )
  assert.doesNotMatch(
    lines.join() + JSON.stringify(error.cause, ['message', 'stack', 'cause']),
    /canary-token|error_description/
  )
})

test('introspection requests wait for a slot, and are 503 when the queue is full [F-09]', async (t) => {
  const { server, verify } = await setUp(t)
  server.fail = 'hang'
  const outcomes = await Promise.all(
    Array.from(
      { length: 300 },
      (_, index) =>
        verify(`token${index}`, context).then(
          () => 'accepted',
          (error: { kind: string }) => error.kind
        )
    )
  )
  // Forty requests run at once, and two hundred wait for at most five seconds.
  const [overloaded, requested] = ['overloaded', 'keysUnavailable'].map(kind =>
    outcomes.filter(outcome => outcome === kind).length
  ) as [number, number]
  assert.equal(overloaded + requested, 300)
  assert.ok(overloaded >= 60 && requested >= 40, `${overloaded} ${requested}`)
})

test('introspection sends one request for a thousand requests with one token', async (t) => {
  const { server, verify } = await setUp(t)
  await Promise.all(Array.from({ length: 1_000 }, () => verify('x', context)))
  assert.equal(server.requests.length, 1)
})

test('introspection sends no JWT of another issuer [Q-16]', async (t) => {
  const { server, verify } = await setUp(t)
  const other = await startIssuer()
  // Tokens are signed now, since slow tests may have run before this one.
  const context = { resource, now: Math.floor(Date.now() / 1000) }
  server.response = { ...valid, exp: context.now + 60 }
  t.after(other.close)
  const foreignToken = await other.mint()
  assert.equal(await verify(foreignToken, context), null)
  const both = chain([jwtVerifier({ issuer: other.issuer }), verify])
  await assert.rejects(both(`${foreignToken.slice(0, -4)}AAAA`, context), { kind: 'invalidToken' })
  assert.equal((await both(foreignToken, context)).subject, 'alice')
  assert.equal(server.requests.length, 0)
  assert.equal((await both('opaque', context)).subject, 'alice')
  const own = await other.mint({ iss: server.issuer })
  assert.ok(await verify(own, context), 'it receives its own JWTs')
  server.response = { active: false }
  const next: TokenVerifier = async (token) => ({ token, clientId: '', scopes: [] })
  await assert.rejects(
    chain([verify, next])(own, context),
    { kind: 'invalidToken' },
    'a JWT that its own issuer calls inactive is sent to no other issuer'
  )
  assert.ok(await chain([verify, next])('opaque', context))
})

test('introspection sends a new short-lived assertion for private_key_jwt (RFC 7523 §3)', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const key = { ...await exportJWK(privateKey), alg: 'ES256', kid: 'one' }
  const { server, verify } = await setUp(t, { clientSecret: undefined, privateKey: key })
  await verify('x', context)
  await verify('y', context)
  const keys = createLocalJWKSet({
    keys: [{ ...await exportJWK(publicKey), kid: 'one', alg: 'ES256' }]
  })
  const ids = new Set()
  for (const { authorization, form } of server.requests) {
    assert.equal(authorization, undefined)
    assert.equal(
      form.get('client_assertion_type'),
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    )
    const { payload } = await jwtVerify(form.get('client_assertion') ?? '', keys, {
      issuer: account.clientId,
      subject: account.clientId,
      audience: server.issuer,
      maxTokenAge: 60
    })
    assert.ok((payload.exp ?? Infinity) - now <= 300)
    ids.add(payload.jti)
  }
  assert.equal(ids.size, 2)
})

test('introspection uses client_secret_post if the metadata list nothing else', async (t) => {
  const { server, verify } = await setUp(t)
  server.metadata = {
    ...server.metadata,
    introspection_endpoint_auth_methods_supported: ['client_secret_post']
  }
  await verify('x', context)
  const [{ authorization, form } = assert.fail()] = server.requests
  assert.deepEqual([authorization, form.get('client_id'), form.get('client_secret')], [
    undefined,
    account.clientId,
    account.clientSecret
  ])
})

test('introspection at oidc-provider accepts opaque tokens until they are revoked', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const machine = {
    client_id: 'machine',
    client_secret: 'machine-secret-of-a-test',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: []
  }
  const credentials = {
    client_id: 'server',
    client_secret: 'server-secret-of-a-test',
    grant_types: [],
    response_types: [],
    redirect_uris: []
  }
  const signing = {
    client_id: 'signer',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...await exportJWK(publicKey), alg: 'ES256' }] },
    grant_types: [],
    response_types: [],
    redirect_uris: []
  }
  const provider = await startProvider({
    clients: [machine, credentials, signing],
    scopes: ['read'],
    accessToken: { format: 'opaque' }
  })
  t.after(() => provider.close())
  const post = async (path: string, form: object) =>
    await fetch(`${provider.issuer}${path}`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: machine.client_id,
        client_secret: machine.client_secret,
        ...form
      })
    })
  const { access_token: token } =
    await (await post('/token', { grant_type: 'client_credentials', resource, scope: 'read' }))
      .json() as { access_token: string }

  const bySecret = introspectionVerifier({
    issuer: provider.issuer,
    clientId: 'server',
    clientSecret: credentials.client_secret
  })
  const byKey = introspectionVerifier({
    issuer: provider.issuer,
    clientId: 'signer',
    privateKey: { ...await exportJWK(privateKey), alg: 'ES256' }
  })
  for (const verify of [bySecret, byKey]) {
    const caller = await verify(token, { resource, now: Date.now() / 1000 })
    assert.deepEqual([caller?.clientId, caller?.scopes, caller?.subject], [
      'machine',
      ['read'],
      undefined
    ])
    await assert.rejects(
      verify(token, { resource: 'https://other.example/mcp', now: Date.now() / 1000 }),
      { kind: 'invalidToken' }
    )
  }
  assert.equal((await post('/token/revocation', { token })).status, 200)
  for (const verify of [bySecret, byKey]) {
    assert.equal(await verify(token, { resource, now: Date.now() / 1000 }), null)
  }

  const foreignClient = introspectionVerifier({
    issuer: provider.issuer,
    clientId: 'server',
    clientSecret: 'wrong'
  })
  await assert.rejects(
    foreignClient(token, context),
    { kind: 'keysUnavailable' },
    'our own credentials are rejected'
  )
})

test('introspectionVerifier names every invalid option', () => {
  const jwk = createKeyPair('ec').privateKey.export({
    format: 'jwk'
  })
  const rows: Array<[Record<string, unknown>, RegExp]> = [
    [
      { issuer: 'http://id.example' },
      /introspectionVerifier\.issuer: "http:\/\/id\.example" is given. It must use https/
    ],
    [
      { clientId: '' },
      /clientId: an empty string is given. Give the id this server is known under/
    ],
    [
      { clientSecret: undefined },
      /clientSecret: undefined is given\. Is the environment variable set\?/
    ],
    [
      { privateKey: { ...jwk, alg: 'ES256' } },
      /privateKey: is given beside clientSecret, one of the two is expected/
    ],
    [
      { clientSecret: '' },
      /clientSecret: an empty string is given. Give a string that is not empty/
    ],
    [{ clientSecret: 1 }, /clientSecret: a number is given. Give a string/],
    [
      { clientSecret: undefined, privateKey: jwk },
      /privateKey: an object is given. Give a private JWK with the member alg/
    ],
    [
      { clientSecret: undefined, privateKey: 'canary' },
      /privateKey: a string of 6 characters is given. Give a private JWK/
    ],
    [
      { clientSecret: undefined, privateKey: { kty: 'EC', alg: 'ES256' } },
      /privateKey: an object is given. Give/
    ],
    [
      { clientSecret: undefined, privateKey: { ...jwk, alg: 'none' } },
      /privateKey: an object is given. Give/
    ],
    [
      { clientSecret: undefined, privateKey: { ...jwk, kty: undefined, alg: 'ES256' } },
      /privateKey: an object is given. Give/
    ],
    [
      { introspectionEndpoint: 'ftp://x' },
      /introspectionEndpoint: "ftp:\/\/x" is given. It must be/
    ],
    [
      { endpoint: 'https://x' },
      /introspectionVerifier\.endpoint: there is no such option\. Use issuer, metadataUrl, /
    ],
    [{ audience: [''] }, /audience: a list is given. Give a string or a list of strings/],
    [{ clockTolerance: 121 }, /clockTolerance: 121 is given. Give 0 to 120 seconds/],
    [{ cacheFor: '61' }, /cacheFor: "61" is given. Give 0 to 60 seconds/],
    [{ log: true }, /log: true is given. Give a logger/]
  ]
  for (const [options, message] of rows) {
    assert.throws(
      () =>
        introspectionVerifier({
          issuer: 'https://id.example',
          clientId: 'server',
          clientSecret: 'secret',
          ...options
        }),
      { code: 'FST_MCP_OAUTH_INVALID_OPTIONS', message }
    )
  }
  assert.throws(
    () => introspectionVerifier(undefined as never),
    /introspectionVerifier: undefined is given. Give an object/
  )
  assert.throws(
    () => introspectionVerifier({ issuer: 'https://id.example', clientId: 'server' }),
    /introspectionVerifier\.clientSecret: missing, and so is privateKey/
  )
})
