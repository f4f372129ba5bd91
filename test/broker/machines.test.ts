import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { matrix, type Harness, type HarnessSetup } from '../support/matrix.ts'
import { callerIn } from '../support/guarded.ts'
import {
  challenge,
  claimsOf,
  isError,
  isPage,
  isErrorRedirect,
  loopbackUri,
  redeem,
  renew,
  startFlow,
  type Flow,
  type Reply
} from '../support/flow.ts'
import {
  assertion,
  assertionType,
  basic,
  newKey,
  newSecret,
  type ClientOptions
} from '../support/machines.ts'
import { recordWrites, type Write } from '../support/stores.ts'

const [old, current] = [newSecret(), newSecret()]
const [key, otherKey, rsa] = [newKey(), newKey(), newKey('RS256')]
const tokenRequest = { grant_type: 'client_credentials' }
const code: ClientOptions['grantTypes'] = ['authorization_code', 'refresh_token']

/** One machine client for each authentication method. `both` also has users. */
const machines: ClientOptions[] = [
  {
    clientId: 'job',
    secretHashes: [old.hash, current.hash],
    grantTypes: ['client_credentials'],
    scopes: ['mcp:read', 'jobs:run']
  },
  {
    clientId: 'signer',
    jwks: { keys: [rsa.jwk, { ...key.jwk, kid: 'current' }] },
    grantTypes: ['client_credentials'],
    scopes: ['mcp:read', 'mcp:write']
  },
  {
    clientId: 'both',
    secretHashes: [current.hash],
    grantTypes: ['client_credentials', ...code],
    redirectUris: [loopbackUri]
  },
  { clientId: 'a:b c%', secretHashes: [current.hash], grantTypes: ['client_credentials'] }
]
const clients: ClientOptions[] = [
  ...machines,
  { clientId: 'other signer', jwks: { keys: [otherKey.jwk] }, grantTypes: ['client_credentials'] },
  { clientId: 'web', secretHashes: [current.hash], redirectUris: [loopbackUri] },
  {
    clientId: 'web signer',
    jwks: { keys: [key.jwk] },
    redirectUris: [loopbackUri],
    scopes: ['mcp:read']
  },
  {
    clientId: 'short',
    secretHashes: [current.hash],
    grantTypes: ['authorization_code'],
    redirectUris: [loopbackUri]
  },
  { clientId: 'desktop', redirectUris: [loopbackUri] }
]

type Row = [
  id: string,
  params: Record<string, string | undefined>,
  headers?: Record<string, string>
]

function start ({ startFlow }: Harness, { options, ...setup }: HarnessSetup = {}): Promise<Flow> {
  return startFlow({ options: { clients, ...options }, ...setup })
}

async function metadataOf ({ origin, prefix }: Flow): Promise<Record<string, any>> {
  return await (await fetch(`${origin}/.well-known/oauth-authorization-server${prefix}`))
    .json() as Record<string, any>
}

function isTokens (reply: Reply, message = ''): Record<string, any> {
  assert.equal(reply.status, 200, `${message} ${reply.text}`)
  return reply.json()
}

matrix(
  'GET /.well-known/oauth-authorization-server lists the grants of the listed clients only [M-04 EX-01 ASM-11]',
  async (harness) => {
    const secrets = ['client_secret_basic', 'client_secret_post']
    const [job, signer] = machines as [ClientOptions, ClientOptions]
    const rows: Array<
      [clients: ClientOptions[] | undefined, methods: string[], machines: boolean]
    > = [
      [undefined, ['none'], false],
      [[{ clientId: 'desktop', redirectUris: [loopbackUri] }], ['none'], false],
      [[{ clientId: 'web', redirectUris: [loopbackUri], secretHashes: [current.hash] }], [
        'none',
        ...secrets
      ], false],
      [[{ clientId: 'web', redirectUris: [loopbackUri], jwks: { keys: [key.jwk] } }], [
        'none',
        'private_key_jwt'
      ], false],
      [[job], ['none', ...secrets], true],
      [[signer], ['none', 'private_key_jwt'], true],
      [[job, signer], ['none', ...secrets, 'private_key_jwt'], true]
    ]
    for (const [listed, methods, isMachine] of rows) {
      const metadata = await metadataOf(
        await harness.startFlow({
          options: { clientIdMetadata: false, ...listed && { clients: listed } }
        })
      )
      assert.deepEqual(
        metadata['grant_types_supported'],
        isMachine ? [...code, 'client_credentials'] : code
      )
      for (const endpoint of ['token', 'revocation']) {
        assert.deepEqual(metadata[`${endpoint}_endpoint_auth_methods_supported`], methods)
        assert.deepEqual(
          metadata[`${endpoint}_endpoint_auth_signing_alg_values_supported`],
          methods.includes('private_key_jwt')
            ? ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
            : undefined
        )
      }
      assert.ok(
        !metadata['scopes_supported'].includes('jobs:run'),
        'scopes of one machine client are not published'
      )
    }
  }
)

matrix(
  'POST /oauth/token accepts each method, secret and key of a machine client [EX-01 TK-03 T-10]',
  async (harness) => {
    const flow = await start(harness)
    const issuer = flow.base
    const rows: Row[] = [
      ['job', {}, basic('job', old.secret)],
      ['job', { client_id: 'job' }, basic('job', current.secret)],
      ['job', { client_id: 'job', client_secret: current.secret }],
      ['both', {}, basic('both', current.secret)],
      ['a:b c%', {}, basic('a:b c%', current.secret)],
      ['a:b c%', {}, {
        authorization: basic('a:b c%', current.secret).authorization.replace('Basic', 'bAsIc')
      }],
      ['signer', await assertion(key, 'signer', issuer)],
      ['signer', {
        client_id: 'signer',
        ...await assertion(key, 'signer', `${issuer}/oauth/token`)
      }],
      ['signer', await assertion(key, 'signer', issuer, {}, { typ: 'JWT' })],
      [
        'signer',
        await assertion(key, 'signer', issuer, {}, {
          typ: 'client-authentication+jwt',
          kid: 'current'
        })
      ],
      ['signer', await assertion(rsa, 'signer', issuer)],
      ['signer', await assertion({ ...rsa, alg: 'PS256' }, 'signer', issuer)],
      [
        'signer',
        await assertion(key, 'signer', issuer, { iat: undefined, exp: Date.now() / 1000 + 299.5 })
      ],
      [
        'signer',
        await assertion(key, 'signer', issuer, {
          iat: Date.now() / 1000 + 20,
          nbf: Date.now() / 1000 + 20,
          exp: Date.now() / 1000 - 20
        })
      ],
      ['other signer', await assertion(otherKey, 'other signer', issuer)]
    ]
    for (const [id, params, headers] of rows) {
      isTokens(await flow.token({ ...tokenRequest, ...params }, headers), id)
    }
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'POST /oauth/token rejects a machine client that fails to authenticate [T-08 T-10 T-11 T-12 T-13 T-29]',
  async (harness) => {
    const { wrap, writes } = recordWrites()
    const flow = await start(harness, { wrap })
    const registered = await flow.register()
    const signed = await assertion(key, 'signer', flow.base)
    const post = (id: string, secret?: string) => ({ client_id: id, client_secret: secret })
    const rejections: Row[] = [
      ['T-10 no secret', post('job')],
      ['T-10 no secret', post('job', '')],
      ['T-10 no secret', {}, basic('job', '')],
      ['T-10 wrong secret', post('job', `${current.secret}x`)],
      ['T-10 wrong secret', post('job', current.secret.slice(0, -1))],
      ['T-10 the hash is not the secret', post('job', current.hash)],
      ['T-10 the hash is not the secret', post('job', current.hash.slice(7))],
      ['T-10 wrong secret', {}, basic('job', newSecret().secret)],
      ['T-10 the secret of another', post('both', old.secret)],
      ['T-10 wrong method', await assertion(key, 'job', flow.base)],
      ['T-10 wrong method', { client_id: 'job', ...signed }],
      ['T-10 wrong method', post('signer', current.secret)],
      ['T-10 wrong method', {}, basic('signer', current.secret)],
      ['T-10 wrong method', post('signer')],
      ['T-08', post('both'), basic('job', current.secret)],
      ['T-08', { client_id: 'job', ...await assertion(key, 'signer', flow.base) }],
      ['T-11', {}, {
        authorization: `Basic ${Buffer.from(`a:b c%:${current.secret}`).toString('base64')}`
      }],
      ['T-11', {}, { authorization: 'Basic !!' }],
      ['T-13 unknown', post('unknown', current.secret)],
      ['T-13 unknown', {}, basic('unknown', current.secret)],
      ['T-13 unknown', await assertion(key, 'unknown', flow.base)],
      ['T-29 public', post('desktop', current.secret)],
      ['T-29 public', {}, basic('desktop', current.secret)],
      ['T-29 public', await assertion(key, 'desktop', flow.base)],
      ['T-29 public', post(registered, current.secret)],
      ['T-29 public', await assertion(key, registered, flow.base)]
    ]
    const bodies = new Set<string>()
    for (const [name, params, headers] of rejections) {
      const reply = await flow.token({ ...tokenRequest, ...params }, headers)
      isError(reply, 401, 'invalid_client', name)
      assert.equal(
        reply.headers.get('www-authenticate'),
        headers ? 'Basic realm="OAuth"' : null,
        name
      )
      bodies.add(
        JSON.stringify([
          reply.text,
          [...reply.headers].filter(([name]) => !['date', 'www-authenticate'].includes(name))
        ])
      )
      isError(
        await flow.revoke({ token: 'x', ...params }, headers),
        401,
        'invalid_client',
        `V-04 ${name}`
      )
    }
    assert.equal(bodies.size, 1, 'T-13')

    const malformed: Row[] = [
      ['T-12', post('job', current.secret), basic('job', current.secret)],
      ['T-12', signed, basic('signer', current.secret)],
      ['T-12', { ...post('signer', current.secret), ...signed }],
      ['half an assertion', { client_assertion: signed['client_assertion'] }],
      ['half an assertion', { client_id: 'signer', client_assertion_type: assertionType }],
      ['T-08', {}]
    ]
    for (const [name, params, headers] of malformed) {
      isError(
        await flow.token({ ...tokenRequest, ...params }, headers),
        400,
        'invalid_request',
        name
      )
    }
    assert.deepEqual(writes, [])
    assert.equal(flow.provider.requests.length, 0)
    isTokens(
      await flow.token({ ...tokenRequest, ...signed }),
      'the rejected requests do not consume the assertion'
    )
    const logs = flow.logs.join('')
    for (const secret of [current.secret, old.secret, signed['client_assertion'] ?? '']) {
      assert.ok(!logs.includes(secret))
    }
  }
)

matrix(
  'POST /oauth/token rejects an invalid client assertion and does not store it [T-28]',
  async (harness) => {
    const { wrap, writes } = recordWrites()
    const flow = await start(harness, { wrap })
    const issuer = flow.base
    const now = Math.floor(Date.now() / 1000)
    const valid = await assertion(key, 'signer', issuer)
    const [, body = ''] = (valid['client_assertion'] ?? '').split('.')
    const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const pem = key.jwk.x ?? ''
    const hmac = `${encoded({ alg: 'HS256' })}.${body}`
    const jwt = (value: string) => ({
      client_assertion_type: assertionType,
      client_assertion: value,
      client_id: 'signer'
    })
    const rows: Array<[name: string, params: Record<string, string>]> = [
      ['alg none', jwt(`${encoded({ alg: 'none' })}.${body}.`)],
      ['alg HS256', jwt(`${hmac}.${createHmac('sha256', pem).update(hmac).digest('base64url')}`)],
      ['alg not in the list', await assertion({ ...rsa, alg: 'RS384' }, 'signer', issuer)],
      ['kid of no key', await assertion(key, 'signer', issuer, {}, { kid: 'another' })],
      [
        'a key in the header',
        await assertion(otherKey, 'signer', issuer, {}, { jwk: otherKey.jwk })
      ],
      ["another client's key", await assertion(otherKey, 'signer', issuer)],
      ['the key of another, for itself', await assertion(key, 'other signer', issuer)],
      ['iss of another', await assertion(key, 'signer', issuer, { iss: 'other signer' })],
      ['no iss', await assertion(key, 'signer', issuer, { iss: undefined })],
      ['no sub', {
        client_id: 'signer',
        ...await assertion(key, 'signer', issuer, { sub: undefined })
      }],
      ['no aud', await assertion(key, 'signer', issuer, { aud: undefined })],
      ['aud of another', await assertion(key, 'signer', 'https://evil.example')],
      ['aud is the resource', await assertion(key, 'signer', flow.resource)],
      ['aud with a slash', await assertion(key, 'signer', `${issuer}/`)],
      ['aud is the revocation endpoint', await assertion(key, 'signer', `${issuer}/oauth/revoke`)],
      [
        'several audiences',
        await assertion(key, 'signer', issuer, { aud: [issuer, 'https://evil.example'] })
      ],
      ['a list of one', await assertion(key, 'signer', issuer, { aud: [issuer] })],
      ['no exp', await assertion(key, 'signer', issuer, { exp: undefined })],
      ['expired', await assertion(key, 'signer', issuer, { exp: now - 31 })],
      ['exp > 5 min', await assertion(key, 'signer', issuer, { exp: now + 340 })],
      ['exp is text', await assertion(key, 'signer', issuer, { exp: `${now + 60}` })],
      ['nbf in the future', await assertion(key, 'signer', issuer, { nbf: now + 60 })],
      ['iat in the future', await assertion(key, 'signer', issuer, { iat: now + 60 })],
      ['iat is text', await assertion(key, 'signer', issuer, { iat: 'now' })],
      ['no jti', await assertion(key, 'signer', issuer, { jti: undefined })],
      ['jti empty', await assertion(key, 'signer', issuer, { jti: '' })],
      ['jti a number', await assertion(key, 'signer', issuer, { jti: 1 })],
      ['jti too long', await assertion(key, 'signer', issuer, { jti: 'x'.repeat(513) })],
      ['an access token', await assertion(key, 'signer', issuer, {}, { typ: 'at+jwt' })],
      ['a DPoP proof', await assertion(key, 'signer', issuer, {}, { typ: 'dpop+jwt' })],
      ['changed', jwt((valid['client_assertion'] ?? '').replace(body, encoded({ sub: 'signer' })))],
      ['another type', {
        ...await assertion(key, 'signer', issuer),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'
      }],
      ['no JWT', jwt('x')],
      ['no JWT', jwt('a.b.c')],
      ['no JWT, no client', { client_assertion_type: assertionType, client_assertion: 'a.b.c' }],
      ['a JWE', jwt('a.b.c.d.e')]
    ]
    for (const [name, params] of rows) {
      isError(await flow.token({ ...tokenRequest, ...params }), 401, 'invalid_client', name)
    }
    assert.equal(writes.length, 0)
    assert.match(
      flow.logs.join(''),
      /"The client sent an invalid assertion: \\"exp\\" claim timestamp/
    )

    isTokens(await flow.token({ ...tokenRequest, ...valid }))
    const [seen, { key: name, value, ttl }, ...others] = writes as [Write, Write]
    assert.deepEqual(others, [])
    assert.deepEqual([seen.value, seen.ttl], ['', ttl])
    assert.match(value, /^[\w-]{9,16}$/, 'random')
    assert.match(name, /^mcp-oauth:[\w-]{16}:assertion:[\w-]{43}:[\w-]{43}$/, 'S-05')
    assert.ok(ttl > 60 && ttl <= 120, `S-07 ${ttl}`)
  }
)

matrix(
  'POST /oauth/token issues a machine a token for this resource, without refresh token or provider [EX-01 TK-05 T-18]',
  async (harness) => {
    let requestCount = 0
    const flow = await start(harness, {
      options: {
        authorizeUser: () => {
          requestCount++
          return false
        }
      }
    })
    const reply = await flow.token(
      { ...tokenRequest, resource: flow.resource },
      basic('job', current.secret)
    )
    const tokens = isTokens(reply)
    assert.deepEqual(Object.keys(tokens), ['access_token', 'token_type', 'expires_in', 'scope'])
    assert.deepEqual([tokens['token_type'], tokens['expires_in'], tokens['scope']], [
      'Bearer',
      3600,
      'mcp:read jobs:run'
    ])
    assert.deepEqual([reply.headers.get('cache-control'), reply.headers.get('pragma')], [
      'no-store',
      'no-cache'
    ])
    const claims = claimsOf(tokens['access_token'])
    assert.deepEqual(Object.keys(claims).sort(), [
      'aud',
      'client_id',
      'exp',
      'gat',
      'gid',
      'gty',
      'iat',
      'iss',
      'jti',
      'scope',
      'sub'
    ])
    assert.deepEqual([
      claims['iss'],
      claims['sub'],
      claims['client_id'],
      claims['aud'],
      claims['exp'] - claims['iat']
    ], [flow.base, 'job', 'job', flow.resource, 3600])

    const called = await flow.call(tokens['access_token'])
    assert.equal(called.status, 200, called.text)
    const caller = await callerIn(new Response(called.text))
    assert.deepEqual([caller['subject'], caller['clientId'], caller['scopes']], ['job', 'job', [
      'mcp:read',
      'jobs:run'
    ]])
    assert.equal(requestCount, 0)
    assert.deepEqual(flow.provider.requests, [], 'X')

    for (const resource of ['https://evil.example/mcp', `${flow.resource}#f`]) {
      isError(
        await flow.token({ ...tokenRequest, resource }, basic('job', current.secret)),
        400,
        'invalid_target',
        'T-16'
      )
    }
  }
)

matrix(
  'POST /oauth/token rejects grant types that a client was not given [TK-02 T-03]',
  async (harness) => {
    const flow = await start(harness)
    const registered = await flow.register()
    const rows: Row[] = [
      ['registered', { ...tokenRequest, client_id: registered }],
      ['public', { ...tokenRequest, client_id: 'desktop' }],
      ['has users only', tokenRequest, basic('web', current.secret)],
      ['has users only', { ...tokenRequest, ...await assertion(key, 'web signer', flow.base) }],
      [
        'has no users',
        { ...redeem('job', 'x'), client_id: undefined },
        basic('job', current.secret)
      ],
      [
        'has no users',
        { ...renew('job', 'x'), client_id: undefined },
        basic('job', current.secret)
      ],
      [
        'has one login',
        { ...renew('short', 'x'), client_id: undefined },
        basic('short', current.secret)
      ]
    ]
    for (const [name, params, headers] of rows) {
      isError(
        await flow.token(params, headers),
        400,
        'unauthorized_client',
        name
      )
    }
    isPage(
      await flow.authorize(flow.params('job')),
      400,
      'invalid_request',
      'a machine client cannot log in users'
    )
    isError(
      await flow.token(
        { ...redeem('both', 'x'), client_id: undefined },
        basic('both', current.secret)
      ),
      400,
      'invalid_grant'
    )
    for (
      const type of [
        'password',
        'implicit',
        'CLIENT_CREDENTIALS',
        'client_credentials ',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
        'urn:ietf:params:oauth:grant-type:token-exchange'
      ]
    ) {
      isError(
        await flow.token({ grant_type: type }, basic('job', current.secret)),
        400,
        'unsupported_grant_type',
        type
      )
    }
    const defaults = await harness.startFlow({
      options: {
        clients: clients.filter(({ grantTypes = code }) =>
          !grantTypes.includes('client_credentials')
        )
      }
    })
    isError(
      await defaults.token(tokenRequest, basic('web', current.secret)),
      400,
      'unsupported_grant_type',
      'T-03 no client has the grant'
    )
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'POST /oauth/token requires authentication of confidential clients for users, too [TK-03]',
  async (harness) => {
    const flow = await start(harness)
    const proofs: Array<
      [id: string, proof: () => Promise<[Record<string, string>, Record<string, string>?]>]
    > = [
      ['web', async () => [{ client_id: 'web', client_secret: current.secret }]],
      ['both', async () => [{}, basic('both', current.secret)]],
      ['web signer', async () => [await assertion(key, 'web signer', flow.base)]]
    ]
    for (const [id, proof] of proofs) {
      const page = await flow.authorize(
        flow.params(id, { code_challenge: undefined, code_challenge_method: undefined })
      )
      isErrorRedirect(flow, page, 302, 'invalid_request', { message: 'A-09' })
      const login = await flow.login(id)
      const { client_id: _, ...redemption } = redeem(id, login)
      isError(await flow.token(redeem(id, login)), 401, 'invalid_client', 'T-10')
      isError(await flow.token(redeem(id, login), basic(id, 'x')), 401, 'invalid_client', 'T-10')
      const [params, headers] = await proof()
      isError(
        await flow.token({ ...redemption, ...params, code_verifier: challenge }, headers),
        400,
        'invalid_grant',
        'T-09'
      )
      const [second, headers2] = await proof()
      const tokens = isTokens(await flow.token({ ...redemption, ...second }, headers2), id)
      assert.equal(
        (await callerIn(new Response((await flow.call(tokens['access_token'])).text)))['subject'],
        'alice'
      )

      const { client_id: __, ...renewal } = renew(id, tokens['refresh_token'])
      isError(await flow.token(renew(id, tokens['refresh_token'])), 401, 'invalid_client', 'T-10')
      const [third, headers3] = await proof()
      const renewed = isTokens(await flow.token({ ...renewal, ...third }, headers3), id)
      isError(
        await flow.revoke({ client_id: id, token: renewed['refresh_token'] }),
        401,
        'invalid_client',
        'V-04'
      )
      const [fourth, headers4] = await proof()
      assert.equal(
        (await flow.revoke({ token: renewed['refresh_token'], ...fourth }, headers4)).status,
        200
      )
      const [fifth, headers5] = await proof()
      isError(
        await flow.token(
          { ...renewal, refresh_token: renewed['refresh_token'], ...fifth },
          headers5
        ),
        400,
        'invalid_grant',
        'V-06'
      )
    }
    // A code is bound to its client: another authenticated client cannot redeem it.
    isError(
      await flow.token({
        ...redeem('both', await flow.login('web')),
        client_secret: current.secret
      }),
      400,
      'invalid_grant',
      'T-06'
    )
    const once = isTokens(
      await flow.token({
        ...redeem('short', await flow.login('short')),
        client_secret: current.secret
      })
    )
    assert.deepEqual(
      Object.keys(once),
      ['access_token', 'token_type', 'expires_in', 'scope'],
      'TK-07'
    )
  }
)

matrix('GET /oauth/authorize limits a listed client to its scopes [AZ-05]', async (harness) => {
  const flow = await start(harness)
  isErrorRedirect(
    flow,
    await flow.authorize(flow.params('web signer', { scope: 'mcp:read mcp:write' })),
    302,
    'invalid_scope'
  )
  for (const scope of ['mcp:read', 'openid offline_access', undefined]) {
    assert.equal((await flow.authorize(flow.params('web signer', { scope }))).status, 200)
  }
  assert.equal(
    (await flow.authorize(flow.params('web', { scope: 'mcp:read mcp:write' }))).status,
    200
  )
})

matrix(
  'POST /oauth/token grants a machine client the requested or all of its scopes [TK-06]',
  async (harness) => {
    const flow = await start(harness, {
      options: { scopeHierarchy: { 'mcp:write': ['mcp:append'] } }
    })
    const granted: Array<[id: string, scope: string | undefined, granted: string | undefined]> = [
      ['job', undefined, 'mcp:read jobs:run'],
      ['job', '', 'mcp:read jobs:run'],
      ['job', 'jobs:run', 'jobs:run'],
      ['job', 'jobs:run jobs:run', 'jobs:run'],
      ['job', 'mcp:read jobs:run', 'mcp:read jobs:run'],
      ['job', 'mcp:write', undefined],
      ['job', 'mcp:read mcp:write', undefined],
      ['job', 'openid', undefined],
      ['job', ' jobs:run ', 'jobs:run'],
      ['job', '__proto__', undefined],
      ['both', undefined, 'mcp:read'],
      ['both', 'mcp:write', undefined],
      ['signer', 'mcp:append', 'mcp:append']
    ]
    for (const [id, scope, expected] of granted) {
      const proof: Row = id === 'signer'
        ? [id, await assertion(key, id, flow.base)]
        : [id, {}, basic(id, current.secret)]
      const reply = await flow.token({ ...tokenRequest, scope, ...proof[1] }, proof[2])
      if (expected === undefined) isError(reply, 400, 'invalid_scope', `${id} ${scope}`)
      else assert.equal(isTokens(reply)['scope'], expected)
    }
    const narrowed = isTokens(
      await flow.token({ ...tokenRequest, scope: 'jobs:run' }, basic('job', current.secret))
    )
    const rejected = await flow.call(narrowed['access_token'])
    assert.equal(rejected.status, 403)
    assert.match(
      rejected.headers.get('www-authenticate') ?? '',
      /error="insufficient_scope".*scope="mcp:read"/
    )
    assert.ok(flow.logs.some(line =>
      line.includes('"scopes":["jobs:run"]') &&
      line.includes('Only this option has these scopes')
    ))

    const bare = await harness.startFlow({
      options: {
        requiredScopes: undefined as never,
        scopes: undefined as never,
        clients: [{
          clientId: 'job',
          secretHashes: [current.hash],
          grantTypes: ['client_credentials']
        }]
      }
    })
    const none = isTokens(await bare.token(tokenRequest, basic('job', current.secret)))
    assert.equal(none['scope'], '', 'field:S14')
    assert.equal((await bare.call(none['access_token'])).status, 200)
  }
)

matrix(
  'POST /oauth/token accepts a client assertion once across instances [T-28]',
  async (harness) => {
    const flow = await start(harness, { instances: 2 })
    const [one, two] = flow.instances as [Flow, Flow]
    const proof = await assertion(key, 'signer', flow.base)
    isTokens(await one.token({ ...tokenRequest, ...proof }))
    for (const instance of [one, two]) {
      isError(
        await instance.token({ ...tokenRequest, ...proof }),
        401,
        'invalid_client'
      )
    }
    isError(
      await two.token({
        ...tokenRequest,
        ...await assertion(key, 'signer', flow.base, {
          jti: claimsOf(proof['client_assertion'] ?? '')['jti']
        })
      }),
      401,
      'invalid_client',
      'the jti identifies an assertion'
    )
    isError(await two.revoke({ token: 'x', ...proof }), 401, 'invalid_client')
    isTokens(
      await two.token({
        ...tokenRequest,
        ...await assertion(otherKey, 'other signer', flow.base, {
          jti: claimsOf(proof['client_assertion'] ?? '')['jti']
        })
      }),
      'each client has its own jti values'
    )

    for (let round = 0; round < 10; round++) {
      const concurrent = await assertion(key, 'signer', flow.base)
      const replies = await Promise.all(
        Array.from(
          { length: 20 },
          (_, index) => (index % 2 === 0 ? one : two).token({ ...tokenRequest, ...concurrent })
        )
      )
      assert.equal(replies.filter(({ status }) => status === 200).length, 1)
      for (const reply of replies) if (reply.status !== 200) isError(reply, 401, 'invalid_client')
    }
  }
)

matrix(
  'POST /oauth/revoke lets only the machine client itself revoke its token [V-05 V-02]',
  async (harness) => {
    const flow = await start(harness, { instances: 2 })
    const [one, two] = flow.instances as [Flow, Flow]
    const tokens = isTokens(await one.token(tokenRequest, basic('job', current.secret)))
    const otherTokens = isTokens(await one.token(tokenRequest, basic('job', current.secret)))
    for (const instance of [one, two]) {
      assert.equal(
        (await instance.call(tokens['access_token'])).status,
        200
      )
    }
    assert.equal(
      (await one.revoke({ token: tokens['access_token'] }, basic('both', current.secret))).status,
      200
    )
    await sleep(1_050)
    assert.equal((await two.call(tokens['access_token'])).status, 200, 'V-02')
    assert.equal(
      (await one.revoke({ token: tokens['access_token'] }, basic('job', current.secret))).status,
      200
    )
    await sleep(1_050)
    for (const instance of [one, two]) {
      assert.equal((await instance.call(tokens['access_token'])).status, 401)
      assert.equal(
        (await instance.call(otherTokens['access_token'])).status,
        200,
        'each token is a grant of its own'
      )
    }
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'POST /oauth/token stores an assertion for longer than it is valid [T-28 S-12]',
  async (harness, t) => {
    const { wrap, writes } = recordWrites()
    const flow = await start(harness, { wrap })
    const now = Date.now()
    const exp = now / 1000 + 60.7
    const fresh = () => assertion(key, 'signer', flow.base, { exp, iat: undefined })
    t.mock.timers.enable({ apis: ['Date'], now })
    isTokens(await flow.token({ ...tokenRequest, ...await fresh() }))
    const [{ ttl }] = writes as [Write]
    t.mock.timers.setTime(now + 90_000)
    isTokens(
      await flow.token({ ...tokenRequest, ...await fresh() }),
      'clocks may differ by 30 seconds'
    )
    // The clock of another instance may be 20 seconds behind.
    t.mock.timers.setTime(now + (ttl - 20) * 1000)
    isError(await flow.token({ ...tokenRequest, ...await fresh() }), 401, 'invalid_client')
  },
  { serial: true }
)

matrix(
  'POST /oauth/token returns 503 while the store is down and keeps the assertion valid [F-13]',
  async (harness) => {
    let down = true
    const flow = await start(harness, {
      wrap: store => ({
        ...store,
        putIfAbsent: async (...entry) => {
          if (down) throw new Error('canary-store redis://user:password@host')
          return await store.putIfAbsent(...entry)
        }
      })
    })
    const proof = await assertion(key, 'signer', flow.base)
    const reply = await flow.token({ ...tokenRequest, ...proof })
    isError(reply, 503, 'temporarily_unavailable')
    assert.equal(reply.headers.get('retry-after'), '5')
    isError(
      await flow.token({ ...tokenRequest, ...await assertion(otherKey, 'signer', flow.base) }),
      401,
      'invalid_client',
      'a wrong key is invalid without the store'
    )
    isTokens(
      await flow.token(tokenRequest, basic('job', current.secret)),
      'a secret needs no store'
    )
    down = false
    isTokens(await flow.token({ ...tokenRequest, ...proof }))
  }
)

matrix(
  'POST /oauth/token believes no secret, and no assertion whose document is out of reach [REG-14 REG-21]',
  async (harness) => {
    const flow = await start(harness)
    const id = 'https://app.example/client.json'
    isError(await flow.token(redeem(id, 'x')), 400, 'invalid_grant')
    isError(
      await flow.token({ ...redeem(id, 'x'), ...await assertion(otherKey, id, flow.base) }),
      503,
      'temporarily_unavailable'
    )
    isError(
      await flow.token({ ...redeem(id, 'x'), client_secret: current.secret }),
      401,
      'invalid_client',
      'T-29'
    )
  }
)

test('POST /oauth/token of the thin proxy offers no client_credentials [X-01 X-02]', async (t) => {
  const flow = await startFlow(t, { options: { version: '2025-03-26' } })
  const id = await flow.register()
  isError(await flow.token(tokenRequest, basic(id, current.secret)), 400, 'unsupported_grant_type')
  isError(
    await flow.token({ ...redeem(id, 'x'), ...await assertion(key, id, flow.base) }),
    401,
    'invalid_client'
  )
  assert.equal(flow.provider.requests.length, 0)
})

matrix(
  'POST /oauth/token refuses a user whose sub is the id of a machine, and marks tokens of machines [field:A5]',
  async ({ startFlow }) => {
    const flow = await startFlow({ options: { clients, scopes: ['mcp:write', 'jobs:run'] } })
    const id = await flow.register()
    for (const user of ['job', 'both', 'a:b c%']) {
      flow.provider.user = user
      isError(await flow.token(redeem(id, await flow.login(id))), 400, 'access_denied')
    }
    assert.match(flow.logs.join(''), /the sub of the user is the id of a machine/)
    flow.provider.user = 'web'
    const { access_token: token } = await flow.tokens(id)
    assert.deepEqual([claimsOf(token)['sub'], claimsOf(token)['gty']], ['web', undefined])
    const machine = await flow.token(tokenRequest, basic('job', current.secret))
    assert.equal(claimsOf(machine.json()['access_token'])['gty'], 'client_credentials')
  }
)
