import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import Fastify from 'fastify'
import { memoryStore } from '../../lib/store/memory.ts'
import { skip as noCertificate, startUntrustedServer } from '../support/certificate.ts'
import { customizedHost } from '../support/host.ts'
import { secret } from '../support/credentials.ts'
import { sentTwice } from '../support/stores.ts'
import {
  respondWith,
  clientId,
  clientSecret,
  codeRequest,
  providerTokens,
  mounts,
  query,
  raw,
  redirectUri,
  startThin,
  verifier,
  authorizationParams,
  type Reply,
  type ThinServer,
  type ThinSetup
} from '../support/thin.ts'

const form = 'application/x-www-form-urlencoded'
const formEncoded = (value: string) => new URLSearchParams({ x: value }).toString().slice(2)
const ourBasic = `Basic ${
  Buffer.from(`${clientId}:${formEncoded(clientSecret)}`).toString('base64')
}`

/** A server, and a client that has completed the authorization request. */
async function logIn (
  t: TestContext,
  setup: ThinSetup = {}
): Promise<{ server: ThinServer, id: string, codeParams: Record<string, string> }> {
  const server = await startThin(t, setup)
  const id = await server.register()
  assert.equal((await server.authorize(authorizationParams(id))).status, 302)
  return { server, id, codeParams: codeRequest(id) }
}

/** E(status, error): OAuth JSON that pages may read. */
function isError (reply: Reply, status: number, error: string, label = ''): void {
  assert.deepEqual([reply.status, reply.json()['error']], [status, error], label)
  assert.deepEqual(Object.keys(reply.json()), ['error', 'error_description'], label)
  assert.equal(reply.headers.get('access-control-allow-origin'), '*', `G-17 ${label}`)
  assert.equal(reply.headers.get('set-cookie'), null)
  assert.equal(reply.location, null)
}

for (const [mount] of Object.entries(mounts)) {
  test(
    `POST /oauth/token sends our credentials and listed members, and returns tokens (${mount}) [T-18 X-02 X-03 X-06]`,
    async (t) => {
      const { server, codeParams } = await logIn(t, { mount: mount as keyof typeof mounts })
      server.endpoint.respond = respondWith(200, {
        ...providerTokens,
        token_type: 'bearer',
        id_token: 'canary',
        client_secret: clientSecret,
        canary: 1
      }, {
        'set-cookie': 'canary=1',
        location: 'https://canary.example',
        'x-canary': '1',
        'www-authenticate': 'canary'
      })
      const reply = await server.token({
        ...codeParams,
        client_secret: 'theirs',
        audience: 'evil',
        scope: 'admin',
        assertion: 'x',
        resource: `${server.base}/mcp`,
        requested_token_type: 'x',
        __proto__x: 'x'
      }, {
        cookie: 'session=1',
        'x-forwarded-for': '1.2.3.4',
        'x-forwarded-host': 'evil',
        forwarded: 'for=1',
        origin: 'https://evil.example',
        'x-api-key': 'k',
        te: 'trailers'
      })
      assert.equal(reply.status, 200, reply.text)
      assert.deepEqual({ ...reply.json(), refresh_token: 'rt-1' }, providerTokens)
      assert.equal(reply.headers.get('pragma'), 'no-cache')
      assert.equal(reply.headers.get('access-control-allow-origin'), '*')
      for (
        const name of [
          'set-cookie',
          'location',
          'www-authenticate',
          'access-control-allow-credentials'
        ]
      ) assert.equal(reply.headers.get(name), null, name)

      const [providerRequest, ...more] = server.endpoint.requests
      assert.ok(providerRequest)
      assert.equal(more.length, 0)
      assert.deepEqual([providerRequest.method, providerRequest.url], ['POST', '/token'])
      assert.deepEqual(Object.fromEntries(providerRequest.form), {
        grant_type: 'authorization_code',
        code: 'the-code',
        redirect_uri: redirectUri,
        code_verifier: verifier,
        resource: `${server.base}/mcp`
      })
      const { host, 'content-length': length, connection, ...headers } = providerRequest.headers
      assert.ok(host && length && connection !== 'authorization')
      assert.deepEqual(headers, {
        accept: 'application/json',
        'accept-encoding': 'identity',
        authorization: ourBasic,
        'content-type': form,
        'user-agent': 'fastify-mcp-oauth'
      })
    }
  )

  test(
    `POST /oauth/token forwards no rejected request (${mount}) [T-01 T-03 T-04 T-09 T-11 T-12 T-16 X-01 X-03 X-04]`,
    async (t) => {
      const { server, id, codeParams } = await logIn(t, { mount: mount as keyof typeof mounts })
      const other = await server.register()
      const basic = (credentials: string) => ({
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`
      })
      const rows: Array<
        [
          id: string,
          status: number,
          error: string,
          params: Record<string, string | undefined> | string,
          headers?: Record<string, string>
        ]
      > = [
        ['T-01', 400, 'invalid_request', { ...codeParams, grant_type: undefined }],
        ['T-01 X-03', 400, 'invalid_request', `${query(codeParams)}&grant_type=client_credentials`],
        ['X-03', 400, 'invalid_request', `${query(codeParams)}&code=2`],
        ['X-03', 400, 'invalid_request', `${query(codeParams)}&code_verifier=${verifier}`],
        ...[
          'client_credentials',
          'password',
          'implicit',
          'urn:ietf:params:oauth:grant-type:device_code',
          'urn:ietf:params:oauth:grant-type:token-exchange',
          'urn:ietf:params:oauth:grant-type:jwt-bearer',
          'AUTHORIZATION_CODE'
        ]
          .map((grant) =>
            ['T-03 X-01', 400, 'unsupported_grant_type', { ...codeParams, grant_type: grant }] as [
              string,
              number,
              string,
              Record<string, string>
            ]
          ),
        ['T-04', 400, 'invalid_request', { ...codeParams, code: undefined }],
        ['T-04', 400, 'invalid_grant', { ...codeParams, code: 'a\0b' }],
        ['T-04', 400, 'invalid_grant', { ...codeParams, code: 'x'.repeat(20_000) }],
        ['T-06', 400, 'invalid_grant', { ...codeParams, client_id: other }],
        ['T-07 X-04', 400, 'invalid_grant', {
          ...codeParams,
          redirect_uri: 'https://evil.example'
        }],
        ['T-07 X-04', 400, 'invalid_grant', {
          ...codeParams,
          redirect_uri: redirectUri.replace('4711', '4712')
        }],
        ['T-08', 400, 'invalid_request', { ...codeParams, client_id: undefined }],
        ['T-08', 401, 'invalid_client', codeParams, basic(`${other}:x`)],
        ['T-09 X-04', 400, 'invalid_request', { ...codeParams, code_verifier: undefined }],
        ['T-09', 400, 'invalid_request', { ...codeParams, code_verifier: 'x'.repeat(42) }],
        ['T-09', 400, 'invalid_request', { ...codeParams, code_verifier: 'x'.repeat(129) }],
        ['T-09', 400, 'invalid_request', { ...codeParams, code_verifier: `${'x'.repeat(42)}!` }],
        ['T-09 X-04', 400, 'invalid_grant', { ...codeParams, code_verifier: 'x'.repeat(43) }],
        ['T-09', 400, 'invalid_grant', {
          ...codeParams,
          code_verifier: String(authorizationParams(id)['code_challenge'])
        }],
        ['T-11', 401, 'invalid_client', codeParams, basic('nocolon')],
        ['T-11', 401, 'invalid_client', codeParams, { authorization: 'Basic !!' }],
        ['T-11', 401, 'invalid_client', codeParams, basic('%zz:x')],
        ['T-11', 401, 'invalid_client', codeParams, { authorization: 'Bearer x' }],
        ['T-12', 400, 'invalid_request', { ...codeParams, client_secret: 'x' }, basic(`${id}:x`)],
        [
          'T-12 X-02',
          400,
          'invalid_request',
          { ...codeParams, client_assertion: 'x' },
          basic(`${id}:x`)
        ],
        ['X-02', 401, 'invalid_client', {
          ...codeParams,
          client_assertion: 'x',
          client_assertion_type: 'y'
        }],
        ['X-02 A-20', 401, 'invalid_client', { ...codeParams, client_id: clientId }],
        [
          'X-02',
          401,
          'invalid_client',
          { ...codeParams, client_id: clientId },
          basic(`${clientId}:x`)
        ],
        ['T-16', 400, 'invalid_target', { ...codeParams, resource: 'https://evil.example' }],
        ['T-16', 400, 'invalid_target', { ...codeParams, resource: `${server.base}/mcp#f` }],
        [
          'T-16',
          400,
          'invalid_target',
          `${query(codeParams)}&resource=${server.base}/mcp&resource=${server.base}`
        ],
        ['T-19', 400, 'invalid_request', { grant_type: 'refresh_token', client_id: id }],
        ['T-19', 401, 'invalid_client', {
          grant_type: 'refresh_token',
          client_id: 'unknown',
          refresh_token: 'rt-1'
        }],
        ['T-20', 400, 'invalid_target', {
          grant_type: 'refresh_token',
          client_id: id,
          refresh_token: 'rt-1',
          resource: 'https://evil.example'
        }],
        ['T-20', 400, 'invalid_scope', {
          grant_type: 'refresh_token',
          client_id: id,
          refresh_token: 'rt-1',
          scope: '"'
        }],
        ['G-12', 400, 'invalid_request', `${query(codeParams)}&x=%zz`],
        ['G-16', 400, 'invalid_request', `${query(codeParams)}${'&x=1'.repeat(60)}`]
      ]
      for (const [row, status, error, params, headers] of rows) {
        const reply = await server.token(params, headers)
        isError(reply, status, error, `${row} ${query(params).slice(0, 60)}`)
        assert.equal(
          reply.headers.get('www-authenticate'),
          status === 401 && headers ? 'Basic realm="OAuth"' : null,
          `T-10 ${row}`
        )
      }
      assert.deepEqual(server.endpoint.requests, [], '→0')
      assert.equal(
        (await server.token(codeParams)).status,
        200,
        'T-07 T-09 T-16: nothing was consumed'
      )
      isError(await server.token(codeParams), 400, 'invalid_grant', 'T-14')
      assert.equal(server.endpoint.requests.length, 1)
    }
  )
}

test(
  "POST /oauth/token binds a code challenge to its client, which another client's attempt does not affect [T-06]",
  async (t) => {
    const { server, codeParams } = await logIn(t)
    const other = await server.register()
    isError(await server.token({ ...codeParams, client_id: other }), 400, 'invalid_grant')
    assert.equal((await server.token(codeParams)).status, 200)
  }
)

test('POST /oauth/token accepts a code without redirect_uri [T-07]', async (t) => {
  const { server, codeParams } = await logIn(t)
  assert.equal((await server.token({ ...codeParams, redirect_uri: undefined })).status, 200)
})

test('POST /oauth/token accepts a code although a client of the store sends its writes twice [field:S3]', async (t) => {
  const store = sentTwice(memoryStore())
  const { server, codeParams } = await logIn(t, { options: { store, secret } })
  assert.equal((await server.token(codeParams)).status, 200)
  isError(await server.token(codeParams), 400, 'invalid_grant')
})

test('POST /oauth/token accepts clients that send a secret, and does not forward it [T-29]', async (t) => {
  for (const method of ['post', 'basic']) {
    const { server, id, codeParams } = await logIn(t)
    const reply = method === 'post'
      ? await server.token({ ...codeParams, client_secret: 'theirs' })
      : await server.token({ ...codeParams, client_id: undefined }, {
        authorization: `Basic ${Buffer.from(`${id}:theirs`).toString('base64')}`
      })
    assert.equal(reply.status, 200, method)
    assert.equal(server.endpoint.requests[0]?.headers.authorization, ourBasic)
    assert.ok(
      !query(Object.fromEntries(server.endpoint.requests[0]?.form ?? [])).includes('theirs')
    )
  }
})

test('POST /oauth/token authenticates with a method that the provider supports [X-02]', async (t) => {
  for (
    const [methods, headers, fields] of [
      [undefined, ourBasic, {}],
      [['client_secret_post', 'client_secret_basic'], ourBasic, {}],
      [['client_secret_post'], undefined, { client_id: clientId, client_secret: clientSecret }]
    ] as const
  ) {
    const { server, codeParams } = await logIn(t, {
      prepare: ({ metadata }) =>
        Object.assign(metadata, { token_endpoint_auth_methods_supported: methods })
    })
    await server.token({ ...codeParams, resource: undefined })
    const providerRequest = server.endpoint.requests[0]
    assert.equal(providerRequest?.headers.authorization, headers)
    assert.deepEqual(Object.fromEntries(providerRequest?.form ?? []), {
      grant_type: 'authorization_code',
      code: 'the-code',
      redirect_uri: redirectUri,
      code_verifier: verifier,
      resource: `${server.base}/mcp`,
      ...fields
    })
  }
})

test('POST /oauth/token sends our client id alone if we have no secret [X-02]', async (t) => {
  const server = await startThin(t, {
    secret: false,
    options: { setupFakeDynamicRegistration: false, audience: 'https://api.example' }
  })
  await server.authorize(authorizationParams(clientId))
  assert.equal((await server.token(codeRequest(clientId))).status, 200)
  const [providerRequest] = server.endpoint.requests
  assert.equal(providerRequest?.headers.authorization, undefined)
  assert.deepEqual(Object.fromEntries(providerRequest?.form ?? []), {
    grant_type: 'authorization_code',
    code: 'the-code',
    redirect_uri: redirectUri,
    code_verifier: verifier,
    client_id: clientId
  })
})

test(
  "POST /oauth/token keeps the query of the provider's token endpoint, and drops that of the client [X-03]",
  async (t) => {
    const server = await startThin(t, {
      prepare: ({ metadata }) => {
        metadata['token_endpoint'] += '?policy=b2c%201'
      }
    })
    const id = await server.register()
    await server.authorize(authorizationParams(id))
    const reply = await server.send('/oauth/token?policy=evil&grant_type=client_credentials', {
      method: 'POST',
      headers: { 'content-type': form },
      body: query(codeRequest(id))
    })
    assert.equal(reply.status, 200)
    assert.equal(server.endpoint.requests[0]?.url, '/token?policy=b2c%201')
  }
)

test('POST /oauth/token refreshes only tokens that it issued to this client [T-19]', async (t) => {
  const { server, codeParams } = await logIn(t)
  const { refresh_token: own } = (await server.token(codeParams)).json()
  const otherClient = await server.register()
  const requestCount = server.endpoint.requests.length
  for (
    const [id, token] of [
      [otherClient, own],
      [otherClient, 'rt-1'],
      [codeParams.client_id, 'rt-1'],
      [
        codeParams.client_id,
        otherClient
      ]
    ]
  ) {
    isError(
      await server.token({
        grant_type: 'refresh_token',
        client_id: String(id),
        refresh_token: String(token)
      }),
      400,
      'invalid_grant'
    )
  }
  assert.equal(server.endpoint.requests.length, requestCount)
  assert.equal(
    (await server.token({
      grant_type: 'refresh_token',
      client_id: String(codeParams.client_id),
      refresh_token: String(own)
    })).status,
    200
  )
})

test('POST /oauth/token forwards only listed members of a refresh, as often as requested [T-20]', async (t) => {
  const server = await startThin(t)
  const id = await server.register()
  await server.authorize(authorizationParams(id))
  const refreshToken = String((await server.token(codeRequest(id))).json()['refresh_token'])
  server.endpoint.requests.length = 0
  const codeParams = {
    grant_type: 'refresh_token',
    client_id: id,
    refresh_token: refreshToken,
    scope: 'openid',
    code: 'x',
    redirect_uri: redirectUri,
    audience: 'evil',
    client_secret: 'theirs'
  }
  for (let i = 0; i < 2; i++) {
    const reply = await server.token(codeParams)
    assert.deepEqual([reply.status, { ...reply.json(), refresh_token: 'rt-1' }], [
      200,
      providerTokens
    ])
  }
  assert.equal(server.endpoint.requests.length, 2)
  for (const { form, headers } of server.endpoint.requests) {
    assert.deepEqual(Object.fromEntries(form), {
      grant_type: 'refresh_token',
      refresh_token: 'rt-1',
      scope: 'openid',
      resource: `${server.base}/mcp`
    })
    assert.equal(headers.authorization, ourBasic)
  }
})

test('POST /oauth/token sends one of twenty parallel redemptions to the provider [T-15 X-04]', async (t) => {
  const { server, codeParams } = await logIn(t)
  const replies = await Promise.all(Array.from({ length: 20 }, () => server.token(codeParams)))
  assert.equal(replies.filter(({ status }) => status === 200).length, 1)
  for (const reply of replies) if (reply.status !== 200) isError(reply, 400, 'invalid_grant')
  assert.equal(server.endpoint.requests.length, 1)
})

const bytes =
  (status: number, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, headers).end(body)
  }
const resets = (response: ServerResponse) => {
  response.socket?.resetAndDestroy()
}
const responses: Array<
  [label: string, status: number, error: string, respond: (response: ServerResponse) => void]
> = [
  [
    '400 invalid_grant',
    400,
    'invalid_grant',
    respondWith(400, { error: 'invalid_grant', error_description: 'canary' }) as never
  ],
  [
    '400 invalid_scope',
    400,
    'invalid_scope',
    respondWith(400, { error: 'invalid_scope' }) as never
  ],
  [
    '400 invalid_target',
    400,
    'invalid_target',
    respondWith(400, { error: 'invalid_target' }) as never
  ],
  [
    '400 anything else',
    502,
    'temporarily_unavailable',
    respondWith(400, { error: 'canary' }) as never
  ],
  [
    '400 __proto__',
    502,
    'temporarily_unavailable',
    respondWith(400, '{"error":"__proto__"}') as never
  ],
  [
    '400 an error that is no text',
    502,
    'temporarily_unavailable',
    respondWith(400, { error: { toString: 1 } }) as never
  ],
  [
    '401 our own credentials',
    502,
    'temporarily_unavailable',
    respondWith(401, { error: 'invalid_client', error_description: clientSecret }, {
      'www-authenticate': 'canary'
    }) as never
  ],
  ['403', 502, 'temporarily_unavailable', respondWith(403, {}) as never],
  [
    '429',
    503,
    'temporarily_unavailable',
    respondWith(429, { error: 'canary' }, { 'retry-after': '999999' }) as never
  ],
  ['500', 503, 'temporarily_unavailable', respondWith(500, 'canary at /srv/app.js:1') as never],
  ['503', 503, 'temporarily_unavailable', respondWith(503, '') as never],
  [
    'HTML',
    502,
    'temporarily_unavailable',
    bytes(200, '<html>canary', { 'content-type': 'text/html' })
  ],
  ['302', 502, 'temporarily_unavailable', bytes(302, '', { location: 'http://127.0.0.1/canary' })],
  ['empty', 502, 'temporarily_unavailable', bytes(200, '')],
  ['204', 502, 'temporarily_unavailable', bytes(204, '')],
  ['null', 502, 'temporarily_unavailable', respondWith(200, 'null') as never],
  ['a list', 502, 'temporarily_unavailable', respondWith(200, '[]') as never],
  ['no token', 502, 'temporarily_unavailable', respondWith(200, { token_type: 'Bearer' }) as never],
  [
    'an invalid token',
    502,
    'temporarily_unavailable',
    respondWith(200, { ...providerTokens, access_token: 'a\r\nb' }) as never
  ],
  [
    'another token type',
    502,
    'temporarily_unavailable',
    respondWith(200, { ...providerTokens, token_type: 'DPoP' }) as never
  ],
  [
    'a list of token types',
    502,
    'temporarily_unavailable',
    respondWith(200, { ...providerTokens, token_type: ['bearer'] }) as never
  ],
  [
    '10 MB',
    502,
    'temporarily_unavailable',
    bytes(200, `{"access_token":"${'x'.repeat(10_000_000)}"`)
  ],
  [
    'gzip',
    502,
    'temporarily_unavailable',
    bytes(200, gzipSync(JSON.stringify(providerTokens)), {
      'content-encoding': 'gzip',
      'content-type': 'application/json'
    })
  ],
  [
    'a bomb',
    502,
    'temporarily_unavailable',
    bytes(200, gzipSync(Buffer.alloc(20_000_000, 32)), { 'content-encoding': 'gzip' })
  ],
  ['status 999', 503, 'temporarily_unavailable', bytes(999, '{}')],
  ['reset', 503, 'temporarily_unavailable', resets],
  ['reset within the body', 503, 'temporarily_unavailable', (response) => {
    response.writeHead(200, { 'content-length': '9999' }).write(
      '{"access_token":"canary',
      () => resets(response)
    )
  }],
  ['nothing', 504, 'temporarily_unavailable', () => {}],
  ['headers without a body', 504, 'temporarily_unavailable', (response) => {
    response.writeHead(200).write('{')
  }]
]

test(
  'POST /oauth/token translates error responses of the provider [X-05 T-24 T-25 F-10 F-11]',
  { concurrency: 8 },
  async (t) => {
    await Promise.all(
      responses.map(([label, status, error, respond]) =>
        t.test(`${label}: ${status} ${error}`, async (t) => {
          const { server, codeParams } = await logIn(t)
          server.endpoint.respond = respond
          isError(await server.token(codeParams), status, error)
          assert.equal(
            server.endpoint.requests.length,
            1,
            'one request, no redirect followed, nothing repeated'
          )
          server.endpoint.respond = respondWith(200, providerTokens)
          // After a fault that does not concern the code, it is valid again once the second is over
          // that Retry-After names.
          await new Promise((resolve) => {
            setTimeout(resolve, 1_100)
          })
          if (status < 500) {
            return isError(
              await server.token(codeParams),
              400,
              'invalid_grant',
              'the provider has rejected the code'
            )
          }
          assert.deepEqual(
            { ...(await server.token(codeParams)).json(), refresh_token: 'rt-1' },
            providerTokens
          )
        })
      )
    )
  }
)

test(
  'POST /oauth/token responds 503 to a provider response that is not HTTP, and does not log it [X-05]',
  async (t) => {
    const sockets = new Set<Socket>()
    const server = createTcpServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      socket.once('data', () => {
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: canary\r\n\r\n{"access_token":"canary"}')
      })
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    const { server: proxy, codeParams } = await logIn(t, {
      prepare: ({ metadata }) => {
        metadata['token_endpoint'] = url
      }
    })
    isError(await proxy.token(codeParams), 503, 'temporarily_unavailable')
  }
)

test('POST /oauth/token responds 503 if the provider refuses the connection [X-05]', async (t) => {
  const { server, codeParams } = await logIn(t, {
    prepare: ({ metadata }) => {
      metadata['token_endpoint'] = 'http://127.0.0.1:1/token'
    }
  })
  isError(await server.token(codeParams), 503, 'temporarily_unavailable')
})

test('POST /oauth/token does not consume the code while the provider metadata are unavailable [F-07]', async (t) => {
  const server = await startThin(t, {
    prepare: ({ fail, metadataPath }) => fail.set(metadataPath, 'unavailable')
  })
  const id = await server.register()
  isError(
    await server.token(codeRequest(id)),
    400,
    'invalid_grant',
    'X-04: rejected without a request to the provider'
  )
})

test('POST /oauth/token responds alike if the logger throws [F-27]', async (t) => {
  let diskFull = false
  const write = (line: string) => {
    // Fastify writes these lines itself. If it cannot write one, the request ends before it reaches
    // the plugin.
    if (diskFull && !/"msg":"(incoming request|request completed)"/.test(line)) {
      throw new Error('ENOSPC')
    }
  }
  const server = await startThin(t, {
    app: Fastify({ logger: { level: 'trace', stream: { write } } })
  })
  const requestAll = async (): Promise<number[]> => {
    const statuses = []
    for (
      const respond of [
        respondWith(400, { error: 'invalid_grant' }),
        respondWith(500, 'no JSON'),
        (response: ServerResponse) => {
          response.destroy()
        }
      ]
    ) {
      server.endpoint.respond = respond
      const id = await server.register()
      await server.authorize(authorizationParams(id))
      statuses.push((await server.token(codeRequest(id))).status)
    }
    statuses.push((await server.authorize(authorizationParams('none'))).status)
    return statuses
  }
  const before = await requestAll()
  assert.deepEqual(before, [400, 503, 503, 400])
  diskFull = true
  assert.deepEqual(await requestAll(), before)
})

test('POST /oauth/token sends no secret to a provider with an untrusted certificate [F-30]', {
  skip: noCertificate
}, async (t) => {
  const { port, requests } = await startUntrustedServer(t, 'localhost', (_request, response) => {
    response.end(JSON.stringify(providerTokens))
  })
  const login = await logIn(t, {
    prepare: ({ metadata }) => {
      metadata['token_endpoint'] = `https://localhost:${port}/token`
    }
  })
  isError(await login.server.token(login.codeParams), 503, 'temporarily_unavailable')
  assert.equal(requests(), 0)
})

for (const host of ['a plain host', 'a customized host'] as const) {
  test(
    `POST /oauth/token accepts only forms, and no other method (${host}) [G-01 G-03 G-10 G-18 T-02]`,
    async (t) => {
      const { server, codeParams } = await logIn(
        t,
        host === 'a plain host' ? {} : { app: await customizedHost({ key: 'k' }) }
      )
      const post = (headers: Record<string, string>, body: string) =>
        server.send('/oauth/token', { method: 'POST', headers, body })
      for (
        const type of [
          'application/json',
          'text/plain',
          `${form}, application/json`,
          `${form}\tfoo`,
          `${form} garbage`,
          `${form}x`,
          'multipart/form-data; boundary=x',
          `${form}; charset=utf-16`,
          ''
        ]
      ) {
        isError(
          await post({ 'content-type': type }, query(codeParams)),
          400,
          'invalid_request',
          `G-10 ${type}`
        )
      }
      isError(
        await post(
          { 'content-type': 'application/json' },
          '{"grant_type":"authorization_code","code":{"$ne":1}}'
        ),
        400,
        'invalid_request',
        'T-02'
      )
      isError(await server.send('/oauth/token', { method: 'POST' }), 400, 'invalid_request', 'G-18')
      isError(
        await post({ 'content-type': form }, `x=${'x'.repeat(64 * 1024)}`),
        413,
        'invalid_request',
        'G-03'
      )
      for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']) {
        const reply = await server.send('/oauth/token?grant_type=authorization_code', { method })
        assert.deepEqual([reply.status, reply.headers.get('allow')], [405, 'POST'], method)
      }
      const preflight = await server.send('/oauth/token', {
        method: 'OPTIONS',
        headers: {
          origin: 'https://evil.example',
          'access-control-request-headers': 'authorization, content-type'
        }
      })
      assert.deepEqual([
        preflight.status,
        preflight.headers.get('access-control-allow-origin'),
        preflight.headers.get('access-control-allow-headers')
      ], [204, '*', 'authorization, content-type'])
      assert.deepEqual(server.endpoint.requests, [], '→0')
      for (
        const type of [` ${form}`, 'Application/X-WWW-Form-Urlencoded', `${form} ;charset=utf-8`]
      ) { isError(await post({ 'content-type': type }, 'x=1'), 400, 'invalid_request', type) }
      assert.equal(
        (await post({ 'content-type': `${form}; charset=UTF-8` }, query(codeParams))).status,
        200
      )
    }
  )
}

test('POST /oauth/token ignores Connection headers and absolute request targets [G-14 X-06]', async (t) => {
  const { server, codeParams } = await logIn(t)
  const body = query(codeParams)
  const lines = `Host: evil.example\r\nContent-Type: ${form}\r\nContent-Length: ${body.length}`
  const respond = await raw(
    server.port,
    `POST /oauth/token HTTP/1.1\r\n${lines}\r\nConnection: close, authorization, content-type, host\r\n` +
      `TE: trailers\r\nX-Forwarded-For: 1\r\n\r\n${body}`
  )
  assert.match(respond, /^HTTP\/1\.1 200 /)
  const [providerRequest] = server.endpoint.requests
  assert.equal(providerRequest?.headers.authorization, ourBasic)
  assert.equal(providerRequest?.headers.host, new URL(server.endpoint.url).host)
  assert.equal(providerRequest?.headers['x-forwarded-for'], undefined)
  assert.match(
    await raw(
      server.port,
      `POST http://evil.example/oauth/token HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n${body}`
    ),
    /^HTTP\/1\.1 400 /
  )
  assert.match(
    await raw(
      server.port,
      `POST /oauth/token HTTP/1.1\r\n${lines}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${body}`
    ),
    /^HTTP\/1\.1 400 /
  )
  assert.equal(server.endpoint.requests.length, 1)
})

test('POST /oauth/token and GET /oauth/authorize respond 503 while the store is unavailable [F-13]', async (t) => {
  const down = async () => {
    throw new Error('the store is down')
  }
  const server = await startThin(t, {
    options: { secret: 'x'.repeat(32), store: { get: down, put: down, putIfAbsent: down } }
  })
  const id = await server.register()
  const page = await server.authorize(authorizationParams(id))
  assert.deepEqual([page.status, page.location], [503, null])
  isError(await server.token(codeRequest(id)), 503, 'temporarily_unavailable')
  assert.deepEqual(server.endpoint.requests, [])
})
