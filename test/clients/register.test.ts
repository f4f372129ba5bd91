import assert from 'node:assert/strict'
import { test } from 'node:test'
import rateLimit from '@fastify/rate-limit'
import { customizedHost } from '../support/host.ts'
import {
  clientId,
  codeRequest,
  json,
  mounts,
  raw,
  redirectUri,
  startThin,
  authorizationParams,
  type Reply
} from '../support/thin.ts'

const validMetadata = { redirect_uris: [redirectUri] }

for (const [mount, prefix] of Object.entries(mounts)) {
  test(
    `POST /oauth/register issues a public client without a secret (${mount}) [R-01 R-27 REG-04 REG-08]`,
    async (t) => {
      const server = await startThin(t, { mount: mount as keyof typeof mounts })
      const before = Math.floor(Date.now() / 1000)
      const ids = new Set<string>()
      for (let i = 0; i < 2; i++) {
        const reply = await server.send(
          `${prefix}/oauth/register`,
          json(validMetadata, { origin: 'https://evil.example' })
        )
        assert.equal(reply.status, 201)
        assert.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8')
        assert.equal(reply.headers.get('access-control-allow-origin'), '*')
        const { client_id: id, client_id_issued_at: issued, ...rest } = reply.json()
        // The members of the predecessor's response except the two of the secret, and the response
        // types, which RFC 7591 requires.
        assert.deepEqual(rest, {
          client_name: 'MCP client',
          grant_types: ['authorization_code'],
          redirect_uris: [redirectUri],
          response_types: ['code'],
          token_endpoint_auth_method: 'none'
        })
        assert.ok(
          Number.isInteger(issued) && Number(issued) >= before && Number(issued) <= before + 60
        )
        assert.match(String(id), /^[\w.-]{32,400}$/)
        ids.add(String(id))
      }
      assert.equal(ids.size, 2)
      assert.ok(!ids.has(clientId))
      const { requests } = server.endpoint
      assert.deepEqual([requests, [...server.issuer.requests.keys()]], [[], [
        server.issuer.metadataPath
      ]], '→0: the provider receives requests for its metadata only')
    }
  )
}

test(
  'POST /oauth/register returns the metadata that it keeps, as far as supported [REG-06 REG-10 R-15 R-16 R-21]',
  async (t) => {
    const server = await startThin(t)
    for (const method of ['client_secret_post', 'client_secret_basic']) {
      const { client_id: id, client_id_issued_at: issued, ...rest } = (await server.send(
        '/oauth/register',
        json({
          ...validMetadata,
          client_name: 'An <b>app</b>',
          token_endpoint_auth_method: method,
          grant_types: ['authorization_code', 'refresh_token', 'client_credentials', 'password'],
          response_types: ['code', 'token'],
          application_type: 'native',
          scope: 'openid admin'
        })
      )).json()
      assert.ok(id && issued)
      assert.deepEqual(rest, {
        ...validMetadata,
        client_name: 'An <b>app</b>',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        scope: 'openid admin'
      })
    }
  }
)

test('POST /oauth/register neither keeps nor returns unknown members [R-14 R-20 R-25 G-06 G-08]', async (t) => {
  const server = await startThin(t)
  const deep = '{"a":'.repeat(5_000) + '1' + '}'.repeat(5_000)
  const reply = await server.send(
    '/oauth/register',
    json(
      `{"redirect_uris":["${redirectUri}"],"client_id":"canary","client_secret":"canary","client_id_issued_at":1,
    "registration_access_token":"canary","trusted":true,"consent":"skip",
    "software_statement":"canary","client_name#ja":"canary","logo_uri#x":"javascript:canary","extra":${deep}}`
    )
  )
  assert.equal(reply.status, 201)
  assert.deepEqual(Object.keys(reply.json()).sort(), [
    'client_id',
    'client_id_issued_at',
    'client_name',
    'grant_types',
    'redirect_uris',
    'response_types',
    'token_endpoint_auth_method'
  ])
})

const invalidUris = [
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  ' javascript:x',
  'java\tscript:x',
  'java\nscript:x',
  '\0javascript:x',
  'data:text/html,x',
  'vbscript:x',
  'blob:https://a/b',
  'file:///etc/passwd',
  'about:blank',
  'view-source:https://a',
  'filesystem:https://a',
  'ftp://a/b',
  'ws://a/b',
  'mailto:a@b',
  'tel:1',
  'ms-msdt:/id',
  'search-ms:q',
  'intent:#Intent'
]
const redirects: Array<[id: string, uris: string[]]> = [
  ['R-03', invalidUris],
  ['R-04', ['https://good.com@evil.com/', 'http://localhost:1@evil.com/', 'https://u:p@h/']],
  ['R-05', ['https://app.example/cb#x', 'https://app.example/cb#']],
  ['R-06', [
    'http:evil.com',
    'https:///evil.com',
    'https://evil.com\\@good.com',
    'https://a/\tb',
    'https://0177.0.0.1/',
    'https://2130706433/',
    'HTTPS://a.example/',
    'https://a.example:443/'
  ]],
  ['R-07', [
    'https://a.example/cb/../x',
    'https://a.example/cb/%2e%2e/x',
    'https://a.example/cb/.%2E/x'
  ]],
  ['R-08', ['http://app.example/cb', 'http://0.0.0.0/cb', 'http://192.168.1.5/cb']],
  ['R-09', [
    'http://localhost.evil.com',
    'http://127.0.0.1.evil.com',
    'http://[::ffff:127.0.0.1]',
    'http://127.1',
    'http://2130706433',
    'http://localhost.'
  ]],
  ['R-10', ['https://*.good.com/', 'https://good.com/*', 'http://localhost:*/cb']],
  ['R-11', ['https://goоd.com', 'https://good。com', 'https://a.example/‮']],
  [
    'R-12',
    ['code', 'state', 'iss', 'error', 'response', 'access_token'].map((name) =>
      `https://a.example/?${name}=x`
    )
  ],
  ['R-02', [`https://a.example/${'x'.repeat(2_049)}`]]
]

for (const [mount, prefix] of Object.entries(mounts)) {
  test(
    `POST /oauth/register rejects unsafe redirect URIs (${mount}) [R-02 to R-13 AZ-02 REG-05 REG-07]`,
    async (t) => {
      const server = await startThin(t, { mount: mount as keyof typeof mounts })
      const own = [
        '/oauth/authorize',
        '/oauth/token',
        '/oauth/register',
        '/oauth/callback',
        '/oauth/consent',
        '/mcp'
      ].flatMap((
        path
      ) => [server.base + path, `http://127.0.0.1:${server.port}${prefix}${path}?x=1`])
      for (const [id, uris] of [...redirects, ['R-13', own] as const]) {
        for (const uri of uris) {
          const reply = await server.send(
            `${prefix}/oauth/register`,
            json({ redirect_uris: [uri] })
          )
          assert.deepEqual(
            [reply.status, reply.json()['error']],
            [400, 'invalid_redirect_uri'],
            `${id} ${JSON.stringify(uri)}`
          )
          assert.ok(!reply.text.includes(uri), 'I6')
          const second = await server.send(
            `${prefix}/oauth/register`,
            json({ redirect_uris: [redirectUri, uri] })
          )
          assert.equal(second.status, 400, `${id} as the second: ${uri}`)
        }
      }
    }
  )
}

test("POST /oauth/register rejects the provider's authorization endpoint as a redirect URI [R-13]", async (t) => {
  const server = await startThin(t, {
    options: { authorizeUrl: 'https://idp.example/authorize?tenant=1' }
  })
  const reply = await server.send(
    '/oauth/register',
    json({ redirect_uris: ['https://idp.example/authorize'] })
  )
  assert.equal(reply.json()['error'], 'invalid_redirect_uri')
})

const metadata: Array<[id: string, members: object]> = [
  ['R-02 missing', { redirect_uris: undefined }],
  ['R-02 a string', { redirect_uris: 'https://x.example' }],
  ['R-02 null', { redirect_uris: [null] }],
  ['R-02 a number', { redirect_uris: [1] }],
  ['R-02 nested', { redirect_uris: [['https://x.example']] }],
  ['R-15', { token_endpoint_auth_method: 'client_secret_jwt' }],
  ['R-15', { token_endpoint_auth_method: 'tls_client_auth' }],
  ['R-15 a list', { token_endpoint_auth_method: ['none'] }],
  ['R-15 empty', { token_endpoint_auth_method: '' }],
  ['R-16', { grant_types: ['implicit'] }],
  ['R-16', { grant_types: ['client_credentials'] }],
  ['R-16', { response_types: ['token'] }],
  ['R-16', { response_types: ['code token'] }],
  ['R-17', { client_name: 'a\u202eb' }],
  ['R-17', { client_name: 'a\u200bb' }],
  ['R-17', { client_name: 'a\nb' }],
  ['R-17 L8', { client_name: 123 }],
  ['R-18', { logo_uri: 'javascript:x' }],
  ['R-18', { client_uri: 'data:x' }],
  ['R-18', { tos_uri: 'http://a.example' }],
  ['R-18', { policy_uri: 'https://169.254.169.254/' }],
  ['R-18', { jwks_uri: 'https://u:p@h' }],
  ['R-19', { jwks: { keys: [{ kty: 'EC', d: 'x' }] } }],
  ['R-19', { jwks: { keys: [{ kty: 'oct', k: 'x' }] } }],
  ['R-19', { jwks: { keys: [] }, jwks_uri: 'https://a.example/jwks' }],
  ['R-19', { jwks: { keys: Array.from({ length: 1_000 }, () => ({ kty: 'EC' })) } }],
  ['R-21', { scope: 'a"b' }],
  ['R-21', { scope: 'x'.repeat(5_000) }],
  ['R-29', { application_type: 1 }]
]

test('POST /oauth/register rejects invalid metadata [R-02 R-15 to R-19 R-21 R-29 REG-05 REG-10]', async (t) => {
  const server = await startThin(t)
  for (const [id, members] of metadata) {
    const reply = await server.send('/oauth/register', json({ ...validMetadata, ...members }))
    assert.deepEqual(
      [reply.status, reply.json()['error']],
      [400, 'invalid_client_metadata'],
      `${id} ${JSON.stringify(members).slice(0, 80)}`
    )
  }
  for (
    const uris of [[], Array.from({ length: 11 }, (_, i) => `https://a.example/${i}`)]
  ) {
    assert.equal(
      (await server.send('/oauth/register', json({ redirect_uris: uris }))).json()['error'],
      'invalid_redirect_uri',
      'R-02'
    )
  }
  assert.equal(
    (await server.send('/oauth/register', json({ ...validMetadata, application_type: 'web' })))
      .json()['application_type'],
    'native',
    'R-29'
  )
  assert.equal(
    (await server.send(
      '/oauth/register',
      json({ redirect_uris: ['https://a.example/cb'], application_type: 'native' })
    )).status,
    201,
    'R-29'
  )
})

const bodies: Array<[id: string, body: string | Uint8Array]> = [
  ['G-09 empty', ''],
  ['G-09 cut off', '{"redirect_uris":['],
  ['G-09 a list', '[]'],
  ['G-09 text', '"x"'],
  ['G-09 null', 'null'],
  ['G-09 a number', '1'],
  ['G-09 UTF-16', Buffer.from(JSON.stringify(validMetadata), 'utf16le')],
  ['G-06', '{"__proto__":{"x":1}}'],
  ['G-06', '{"\\u005f_proto__":{"x":1}}'],
  ['G-06', '{"constructor":{"prototype":{"x":1}}}'],
  ['G-08 deep', `{"redirect_uris":${'['.repeat(30_000)}`]
]
const types = [
  'application/json, application/x-www-form-urlencoded',
  'application/json\tfoo',
  'application/json garbage',
  'application/jsonx',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'application/json; charset=utf-16',
  ''
]

for (const host of ['a plain host', 'a customized host'] as const) {
  test(`POST /oauth/register rejects malformed bodies (${host}) [G-03 G-06 G-09 G-10 G-18 R-26]`, async (t) => {
    const server = await startThin(
      t,
      host === 'a plain host' ? {} : { app: await customizedHost() }
    )
    const isRejected = (reply: Reply, label: string) => {
      assert.deepEqual([reply.status, reply.json()['error'], Object.keys(reply.json())], [
        400,
        'invalid_request',
        ['error', 'error_description']
      ], label)
      assert.equal(reply.headers.get('access-control-allow-origin'), '*', `G-17 ${label}`)
    }
    for (const [id, body] of bodies) {
      isRejected(await server.send('/oauth/register', { ...json(''), body: body as string }), id)
    }
    for (const type of types) {
      isRejected(
        await server.send(
          '/oauth/register',
          json('{"redirect_uris":[]}', { 'content-type': type })
        ),
        `G-10 ${type}`
      )
    }
    isRejected(await server.send('/oauth/register', { method: 'POST' }), 'G-18')
    for (
      const type of [
        'application/json',
        ' application/json',
        'Application/JSON',
        'application/json ;charset=utf-8',
        'application/json; charset="UTF-8"'
      ]
    ) {
      const reply = await server.send(
        '/oauth/register',
        json({ redirect_uris: 'https://a.example' }, { 'content-type': type })
      )
      assert.deepEqual(
        [reply.status, reply.json()['error']],
        [400, 'invalid_client_metadata'],
        `G-10 L8 ${type}`
      )
    }
    const large = await server.send(
      '/oauth/register',
      json({ ...validMetadata, x: 'x'.repeat(64 * 1024) })
    )
    assert.deepEqual([large.status, large.json()['error']], [413, 'invalid_request'], 'G-03')
    assert.equal(({} as Record<string, unknown>)['x'], undefined)
    assert.equal((await server.send('/oauth/register', json(validMetadata))).status, 201, 'I10')
  })
}

test('POST /oauth/register reads a body without a length up to the limit [G-03 REG-09]', async (t) => {
  const server = await startThin(t)
  const chunk = `${(16_384).toString(16)}\r\n${' '.repeat(16_384)}\r\n`
  const response = await raw(
    server.port,
    `POST /oauth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${
      chunk.repeat(5)
    }`
  )
  assert.match(response, /^HTTP\/1\.1 413 /)
  assert.match(response, /"error":"invalid_request"/)
})

test('POST /oauth/register is the only method, for pages of any origin [G-01 G-17]', async (t) => {
  const server = await startThin(t)
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']) {
    const reply = await server.send('/oauth/register', { method })
    assert.deepEqual([reply.status, reply.headers.get('allow')], [405, 'POST'], method)
  }
  assert.match(
    await raw(
      server.port,
      'TRACE /oauth/register HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    ),
    /^HTTP\/1\.1 405 /
  )
  const preflight = await server.send('/oauth/register', {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-headers': 'content-type' }
  })
  assert.deepEqual([
    preflight.status,
    preflight.headers.get('access-control-allow-origin'),
    preflight.headers.get('access-control-allow-credentials')
  ], [204, '*', null])
})

test('POST /oauth/register passes a rate limit of the host on: 429 with Retry-After [R-22 REG-09]', async (t) => {
  const server = await startThin(t, {
    before: async (app) => {
      await app.register(rateLimit, { max: 2 })
    }
  })
  await server.register()
  await server.register()
  const reply = await server.send('/oauth/register', json(validMetadata))
  assert.deepEqual([reply.status, reply.json()['error']], [429, 'temporarily_unavailable'])
  assert.match(reply.headers.get('retry-after') ?? '', /^\d+$/)
})

test('POST /oauth/register keeps the status of errors of host hooks, and hides their messages [G-19]', async (t) => {
  let statusCode = 503
  const server = await startThin(t, {
    before: (app) => {
      app.addHook('onRequest', async ({ url }) => {
        if (url.includes('/register')) {
          throw Object.assign(new Error('FST_ERR at /srv/app.ts'), { statusCode })
        }
      })
    }
  })
  const limited = await server.send('/oauth/register', json(validMetadata))
  assert.deepEqual([limited.status, limited.json()['error']], [503, 'temporarily_unavailable'])
  for (statusCode of [400, 401, 403, 404]) {
    assert.equal((await server.send('/oauth/register', json(validMetadata))).status, statusCode)
  }
})

test('POST /oauth/register keeps the member that it checked if it is sent twice [R-24]', async (t) => {
  const server = await startThin(t)
  const reply = await server.send(
    '/oauth/register',
    json(`{"redirect_uris":["${redirectUri}"],"redirect_uris":["javascript:x"]}`)
  )
  assert.equal(reply.status, 400)
  const other = await server.send(
    '/oauth/register',
    json(`{"redirect_uris":["javascript:x"],"redirect_uris":["${redirectUri}"]}`)
  )
  const id = String(other.json()['client_id'])
  const location =
    (await server.authorize({ ...authorizationParams(id), redirect_uri: undefined })).location
  assert.equal(location?.searchParams.get('redirect_uri'), redirectUri)
})

test('POST /oauth/register accepts allowedRedirectUris only, private-use schemes included', async (t) => {
  const server = await startThin(t, {
    options: { allowedRedirectUris: ['https://app.example/*', 'cursor:'] }
  })
  for (
    const [uri, status] of [
      ['https://app.example/cb', 201],
      ['cursor://cb', 201],
      ['https://other.example/cb', 400],
      [redirectUri, 400],
      ['vscode://cb', 400]
    ] as const
  ) {
    assert.equal(
      (await server.send('/oauth/register', json({ redirect_uris: [uri] }))).status,
      status,
      uri
    )
  }
})

test('GET /oauth/authorize accepts client ids of the same secret only [G-02 R-01]', async (t) => {
  const one = await startThin(t, { options: { secret: 'a'.repeat(32) } })
  const two = await startThin(t, {
    options: { issuer: one.issuer.issuer, secret: ['b'.repeat(32), 'a'.repeat(32)] }
  })
  const old = await one.register()
  const fresh = await two.register()
  assert.equal((await two.authorize(authorizationParams(old))).status, 302, 'rotation')
  assert.equal((await one.authorize(authorizationParams(fresh))).status, 400)
  assert.equal((await one.token(codeRequest(fresh))).json()['error'], 'invalid_client')
})
