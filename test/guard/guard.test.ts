import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import {
  McpOAuthError,
  type Dependency,
  type McpOAuthOptions,
  type TokenVerifier
} from '../../lib/index.ts'
import { buildApp } from '../support/app.ts'
import { callerIn, raw, startGuarded, whoami, whoamiCall } from '../support/guarded.ts'
import { startIssuer } from '../support/issuer.ts'
import { sendRequest, type Received } from '../support/requests.ts'

const challengeOf = (response: Received) => response.headers.get('www-authenticate')
const bareChallenge = (origin: string) =>
  `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
const unauthorized = (statusCode: number, more: object = {}) =>
  Object.assign(new Error('canary'), { statusCode, ...more })

test('/mcp replies 401 without error code to every method without credentials [RS-01 RS-11 Q-01 Q-12]', async (t) => {
  const { origin, mcpUrl } = await startGuarded(t)
  for (const method of ['POST', 'GET', 'DELETE', 'HEAD', 'PUT', 'PATCH']) {
    const response = await sendRequest(mcpUrl, { method })
    assert.equal(response.status, 401, method)
    assert.equal(challengeOf(response), bareChallenge(origin), method)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    if (method !== 'HEAD') {
      assert.deepEqual(await response.json(), {
        error: 'invalid_token',
        error_description: 'An access token is required.'
      })
    }
  }
})

test('the challenge of /mcp names the requiredScopes [RS-10]', async (t) => {
  const { origin, call } = await startGuarded(t, { requiredScopes: ['read', 'write'] })
  assert.equal(challengeOf(await call()), `${bareChallenge(origin)}, scope="read write"`)
})

test('/mcp accepts Bearer in any case, and ignores other schemes [RS-03]', async (t) => {
  const { origin, mcpUrl, token } = await startGuarded(t)
  const validToken = await token()
  const send = (authorization: string) =>
    sendRequest(mcpUrl, { method: 'GET', headers: { authorization } })
  for (const scheme of ['bearer', 'BEARER', 'Bearer']) {
    assert.equal((await send(`${scheme} ${validToken}`)).status, 405, scheme)
  }
  for (
    const other of [
      `Basic ${validToken}`,
      `DPoP ${validToken}`,
      validToken,
      `Basic x, Bearer ${validToken}`
    ]
  ) {
    const response = await send(other)
    assert.equal(response.status, 401, other.slice(0, 10))
    assert.equal(challengeOf(response), bareChallenge(origin))
  }
})

test('/mcp replies 400 invalid_request to a malformed Bearer header [RS-18 Q-02 Q-03]', async (t) => {
  const { mcpUrl, token } = await startGuarded(t)
  const validToken = await token()
  for (
    const authorization of [
      'Bearer',
      `Bearer ${validToken} ${validToken}`,
      `Bearer ${validToken},${validToken}`,
      `Bearer\t${validToken}`
    ]
  ) {
    const response = await sendRequest(mcpUrl, { method: 'POST', headers: { authorization } })
    assert.equal(response.status, 400, authorization.slice(0, 20))
    assert.match(
      String(challengeOf(response)),
      /^Bearer error="invalid_request", .*resource_metadata="/
    )
  }
})

test('/mcp replies 400 to two Authorization headers in any order [Q-04]', async (t) => {
  const { origin, token, call } = await startGuarded(t)
  const validToken = await token()
  for (const isKnown of [false, true]) {
    if (isKnown) assert.equal((await call(validToken)).status, 200)
    const valid = `Bearer ${validToken}`
    for (const pair of [[valid, 'Bearer x'], ['Basic x', valid], [valid, valid]]) {
      const response = await raw(origin, [
        'GET /mcp HTTP/1.1',
        'Host: localhost',
        'Connection: close',
        ...pair.map((value) => `Authorization: ${value}`)
      ])
      assert.match(response, /^HTTP\/1.1 400 /)
      assert.match(response, /\r\nwww-authenticate: Bearer error="invalid_request"/)
    }
  }
})

test('/mcp ignores a token in the query, and replies 400 to one beside a header [RS-04 Q-05 Q-06]', async (t) => {
  const { origin, mcpUrl, token, call } = await startGuarded(t)
  const validToken = await token()
  for (
    const query of [
      `?access_token=${validToken}`,
      `?%61ccess_token=${validToken}`,
      `?token=${validToken}`
    ]
  ) {
    const response = await call(undefined, mcpUrl + query)
    assert.equal(response.status, 401)
    assert.equal(challengeOf(response), bareChallenge(origin))
  }
  for (
    const query of [
      `?access_token=${validToken}`,
      '?access_token=',
      `?x=1&%61ccess_token=${validToken}`
    ]
  ) {
    // Once before the token is known, and once after.
    const sent = await token()
    assert.equal((await call(sent, mcpUrl + query)).status, 400)
    assert.equal((await call(sent, `${mcpUrl}?x=1`)).status, 200)
    assert.equal((await call(sent, mcpUrl + query)).status, 400)
  }
  assert.equal(
    (await sendRequest(mcpUrl, { headers: { cookie: `access_token=${validToken}` } })).status,
    401
  )
})

test('/mcp replies 401 invalid_token without a reason to invalid tokens [RS-05 RS-06 RS-09]', async (t) => {
  const { origin, call, token, issuer } = await startGuarded(t)
  const now = Math.floor(Date.now() / 1000)
  const other = await startIssuer()
  t.after(() => other.close())
  const invalid = [
    'garbage',
    'a.b.c',
    'x'.repeat(9000),
    'x.é.y',
    await token({ aud: 'https://other.example/mcp' }),
    await token({ aud: undefined }),
    await token({ aud: `${origin}/mcp/x` }),
    await token({ iat: now - 600, exp: now - 300 }),
    await token({ iss: 'https://other.example' }),
    await issuer.mint({ aud: `${origin}/mcp` }, { key: other.key })
  ]
  for (const sentToken of invalid) {
    const response = await call(sentToken)
    assert.equal(response.status, 401)
    assert.equal(
      challengeOf(response),
      'Bearer error="invalid_token", error_description="The access token is not valid here.", ' +
        `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
    )
    assert.deepEqual(await response.json(), {
      error: 'invalid_token',
      error_description: 'The access token is not valid here.'
    })
  }
  assert.equal((await call(await token())).status, 200)
})

test('/mcp replies 403 with all needed scopes if one is missing [RS-12 RS-13 RS-14 Q-08]', async (t) => {
  const { origin, call, token } = await startGuarded(t, { requiredScopes: ['read', 'write'] })
  for (const scope of ['read', 'write', 'readwrite', '', undefined, 'READ WRITE']) {
    const response = await call(await token({ scope }))
    assert.equal(response.status, 403)
    assert.equal(
      challengeOf(response),
      'Bearer error="insufficient_scope", ' +
        'error_description="The access token lacks a scope this request needs.", ' +
        `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="read write"`
    )
    assert.equal((await response.json() as { error: string }).error, 'insufficient_scope')
  }
  assert.equal((await call(await token({ scope: 'write read more' }))).status, 200)
})

test('/mcp accepts a broader scope in place of those it implies [RS-15]', async (t) => {
  const { call, token } = await startGuarded(t, {
    requiredScopes: ['read'],
    scopeHierarchy: { root: ['admin'], admin: ['read', 'root'] }
  })
  for (
    const [scope, status] of [['root', 200], ['admin', 200], ['read', 200], ['write', 403], [
      '__proto__',
      403
    ]] as const
  ) {
    assert.equal((await call(await token({ scope }))).status, status, scope)
  }
})

test('/mcp accepts a machine token without subject [EX-02]', async (t) => {
  const { call, token } = await startGuarded(t)
  const caller = await callerIn(await call(await token({ sub: undefined, client_id: 'robot' })))
  assert.equal(caller['clientId'], 'robot')
  assert.ok(!('subject' in caller))
})

test('/mcp verifies the token before it parses the body [RS-07 Q-10]', async (t) => {
  const { origin } = await startGuarded(t)
  // The client announces a megabyte and never sends it: a server that reads the body first does not
  // respond.
  const response = await raw(origin, [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    'Connection: close',
    'Content-Type: application/json',
    'Content-Length: 1000000'
  ], '{ not JSON')
  assert.match(response, /^HTTP\/1.1 401 /)
})

test('/mcp verifies each request on a kept-alive socket [RS-02 SE-06]', async (t) => {
  const { mcpUrl, token } = await startGuarded(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => {
    agent.destroy()
  })
  const ports = new Set<number | undefined>()
  async function send (bearer: string | null): Promise<string> {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(bearer && { authorization: `Bearer ${bearer}` })
    }
    const sent = httpRequest(mcpUrl, { agent, method: 'POST', headers })
    sent.end(JSON.stringify(whoamiCall))
    const [response] = await once(sent, 'response') as [IncomingMessage]
    ports.add(response.socket.localPort)
    const body = await json(response) as { result?: { content: Array<{ text: string }> } }
    return response.statusCode === 200
      ? JSON.parse(body.result?.content[0]?.text ?? '').subject
      : String(response.statusCode)
  }
  const [alice, bob] = [await token(), await token({ sub: 'bob' })]
  const responses = []
  for (const bearer of [alice, null, bob, null, alice]) responses.push(await send(bearer))
  assert.deepEqual(responses, ['alice', '401', 'bob', '401', 'alice'])
  assert.equal(ports.size, 1)
})

test('concurrent requests to /mcp have their own callers [Q-24]', async (t) => {
  const { call, token } = await startGuarded(t)
  const users = Array.from({ length: 10 }, (_, index) => `user-${index}`)
  const tokens = await Promise.all(users.map((sub) => token({ sub })))
  const responses = await Promise.all(
    Array.from(
      { length: 100 },
      async (_, index) => (await callerIn(await call(tokens[index % 10])))['subject']
    )
  )
  assert.deepEqual(responses, Array.from({ length: 100 }, (_, index) => users[index % 10]))
})

test('every spelling of the path that reaches /mcp is guarded [Q-17]', async (t) => {
  const app = Fastify({
    routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, ignoreDuplicateSlashes: true }
  })
  const { origin, token } = await startGuarded(t, {}, { app })
  const validToken = await token()
  const send = async (target: string, authorization = '') =>
    Number(
      (await raw(origin, [
        `GET ${target} HTTP/1.1`,
        'Host: localhost',
        'Connection: close',
        ...(authorization && [authorization])
      ])).split(' ')[1]
    )
  const routes = [
    '/mcp',
    '/%6dcp',
    '/%6Dcp',
    '/mcp/',
    '/MCP',
    '//mcp',
    '/mcp?x=/.well-known/',
    '/mcp;x',
    '/mcp#x'
  ]
  const others = [
    'http://evil.example/mcp',
    '/./mcp',
    '/x/../mcp',
    '/mcp%2f',
    '/mcp%00',
    '/.well-known/../mcp',
    '*',
    '/mcp/x'
  ]
  for (const target of [...routes, ...others]) {
    assert.ok([400, 401, 403, 404].includes(await send(target)), target)
  }
  for (const target of routes.slice(0, 7)) {
    assert.equal(await send(target), 401, target)
    assert.equal(await send(target, `Authorization: Bearer ${validToken}`), 405, target)
  }
})

test('/mcp replies 503 with Retry-After, never 401, while the provider is down [Q-13]', async (t) => {
  for (const path of ['/.well-known/oauth-authorization-server', '/jwks'] as const) {
    const { call, token, issuer } = await startGuarded(t)
    issuer.fail.set(path, 'unavailable')
    const response = await call(await token())
    assert.equal(response.status, 503, path)
    assert.ok(Number(response.headers.get('retry-after')) > 0)
    assert.equal(challengeOf(response), null)
    assert.equal((await response.json() as { error: string }).error, 'temporarily_unavailable')
    assert.equal((await call()).status, 401)
  }
})

/** An app that only dependencies protect. */
async function startWithDependencies (
  t: TestContext,
  options: McpOAuthOptions,
  setup: { app?: FastifyInstance, routes?: (app: FastifyInstance) => unknown } = {}
) {
  const { mcpUrl, origin, app } = await buildApp(
    t,
    { mcp: { server: whoami() }, ...options },
    setup
  )
  const call = (headers: Record<string, string> = {}, url = mcpUrl) =>
    sendRequest(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers
      },
      body: JSON.stringify(whoamiCall)
    })
  return { app, origin, call }
}

test('dependencies run in order, receive earlier results, and merge their identities', async (t) => {
  const received: unknown[] = []
  const { call } = await startWithDependencies(t, {
    dependencies: [
      async () => ({ userId: 7, role: 'guest' }),
      (request: FastifyRequest) => {
        received.push(request.mcpAuth?.['userId'], request.body !== undefined)
      },
      () => ({ role: 'admin' }),
      async () => ['not', 'an', 'identity'],
      async () => 'nor this'
    ]
  })
  const caller = await callerIn(await call({ authorization: 'Bearer opaque' }))
  assert.deepEqual(caller, { token: 'opaque', clientId: '', scopes: [], userId: 7, role: 'admin' })
  assert.deepEqual(received, [7, true])
})

test('dependencies add members to the caller of a verified token', async (t) => {
  const { call, token } = await startGuarded(t, {
    tokens: async (token) => ({ token, clientId: 'c', scopes: ['read'], subject: 'alice' }),
    dependencies: [async ({ mcpAuth }) => ({ tenant: `${mcpAuth?.subject}'s` })]
  })
  const { subject, tenant, scopes } = await callerIn(await call(await token()))
  assert.deepEqual([subject, tenant, scopes], ['alice', "alice's", ['read']])
})

test('/mcp replies to a 401 or 403 of a dependency with a challenge, without its message', async (t) => {
  let thrown: unknown
  const { call } = await startWithDependencies(t, {
    dependencies: [() => {
      throw thrown
    }]
  })
  const credentials = { authorization: 'Bearer t' }
  const description = (text: string) => `error_description="${text}"`
  for (
    const [error, headers, status, challenge] of [
      [unauthorized(401), {}, 401, 'Bearer'],
      [
        unauthorized(401),
        credentials,
        401,
        `Bearer error="invalid_token", ${description('The access token is not valid here.')}`
      ],
      [
        unauthorized(403),
        credentials,
        403,
        `Bearer error="insufficient_scope", ${
          description('The access token lacks a scope this request needs.')
        }`
      ],
      [
        unauthorized(403, { scopes: ['a', 'b'] }),
        credentials,
        403,
        `Bearer error="insufficient_scope", ${
          description('The access token lacks a scope this request needs.')
        }, scope="a b"`
      ],
      [new McpOAuthError('missingToken'), credentials, 401, 'Bearer'],
      [
        new McpOAuthError('invalidToken'),
        credentials,
        401,
        `Bearer error="invalid_token", ${description('The access token is not valid here.')}`
      ],
      [
        new McpOAuthError('insufficientScope', { scopes: ['x"\r\ny'] }),
        credentials,
        403,
        `Bearer error="insufficient_scope", ${
          description('The access token lacks a scope this request needs.')
        }, scope="x\\"??y"`
      ]
    ] as const
  ) {
    thrown = error
    const response = await call(headers)
    assert.equal(response.status, status)
    assert.equal(challengeOf(response), challenge)
    assert.doesNotMatch(await response.text(), /canary/)
  }
})

test('/mcp rejects the request if a dependency throws any other value', async (t) => {
  let thrown: unknown
  const calls: unknown[] = []
  const { call } = await startWithDependencies(t, {
    dependencies: [() => {
      throw thrown
    }, () => {
      calls.push(thrown)
    }]
  })
  for (
    const [error, status] of [
      [new Error('canary'), 500],
      [undefined, 500],
      [null, 500],
      [false, 500],
      ['canary', 500],
      [{ statusCode: 200 }, 400],
      [unauthorized(302), 400],
      [unauthorized(500), 500],
      [unauthorized(429), 429],
      [{ canary: 1 }, 500],
      [new McpOAuthError('storeUnavailable'), 503]
    ] as const
  ) {
    thrown = error
    const response = await call()
    assert.equal(response.status, status, String(error))
    assert.equal(challengeOf(response), null)
    assert.doesNotMatch(await response.text(), /canary/)
  }
  assert.deepEqual(calls, [])
})

test('/mcp replies 401 if a dependency returns false', async (t) => {
  const { call } = await startWithDependencies(t, { dependencies: [() => false] })
  assert.equal((await call({ authorization: 'Bearer t' })).status, 401)
  assert.equal(challengeOf(await call({})), 'Bearer')
})

test('no handler runs after a dependency has replied, whether it returned the reply or not', async (t) => {
  const body = { pay: 'first' }
  const responding: Dependency[] = [
    async (_request, reply) => await reply.code(402).send(body),
    async (_request, reply) => {
      reply.code(402).send(body)
    },
    (_request, reply) => {
      reply.code(402).send(body)
    },
    async (_request, reply) => {
      await new Promise(setImmediate)
      reply.code(402).send(body)
    },
    (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(402, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
  ]
  for (const dependency of responding) {
    for (const slow of [false, true]) {
      const app = Fastify()
      if (slow) {
        app.addHook('onSend', async (_request, _reply, payload) => {
          await new Promise(setImmediate)
          return payload
        })
      }
      const { call, origin } = await startWithDependencies(t, {
        dependencies: [dependency, () => assert.fail('the next dependency ran')],
        mcp: { handler: { fetch: async () => assert.fail('the tool ran') } }
      }, {
        app,
        routes: (app) => {
          app.post(
            '/own',
            { preHandler: app.requireMcpAuth() },
            async () => assert.fail('the route ran')
          )
        }
      })
      for (const response of [await call(), await call({}, `${origin}/own`)]) {
        assert.equal(response.status, 402)
        assert.deepEqual(await response.json(), body)
      }
    }
  }
})

test('/mcp checks scopes against the dependencies where no verifier runs', async (t) => {
  let identity: object = {}
  const { call, origin } = await startWithDependencies(t, {
    dependencies: [() => identity],
    requiredScopes: ['read']
  }, {
    routes: (app) => {
      app.get('/own', { preHandler: app.requireMcpAuth({ scopes: ['admin'] }) }, async () => 'ok')
    }
  })
  for (
    const [scopes, status] of [
      [undefined, 403],
      [[], 403],
      [['write'], 403],
      [['readonly'], 403],
      ['readonly', 403],
      [{ read: true }, 403],
      [['read'], 200],
      ['read write', 200]
    ] as const
  ) {
    identity = { scopes }
    const response = await call()
    assert.equal(response.status, status, JSON.stringify(scopes))
    if (status === 403) {
      assert.match(String(challengeOf(response)), /error="insufficient_scope".*scope="read"$/)
    }
  }
  identity = { scopes: ['read'] }
  assert.equal((await sendRequest(`${origin}/own`)).status, 403)
  identity = { scopes: ['read', 'admin'] }
  assert.equal((await sendRequest(`${origin}/own`)).status, 200)
})

test('/mcp verifies tokens with one verifier, several, or none (tokens: false)', async (t) => {
  const verifierOf = (accepted: string): TokenVerifier => async (token) =>
    token === accepted ? { token, clientId: accepted, scopes: ['read'] } : null
  const one = await startGuarded(t, { tokens: verifierOf('one') })
  assert.equal((await callerIn(await one.call('one')))['clientId'], 'one')
  assert.equal((await one.call('two')).status, 401)
  assert.equal((await one.call(await one.token())).status, 401)

  let calls = 0
  const several = await startGuarded(t, {
    tokens: [verifierOf('one'), async (token) => {
      if (token === 'invalid') throw new McpOAuthError('invalidToken')
      return null
    }, async (token) => {
      calls++
      return await verifierOf('two')(token, { resource: '', now: 0 })
    }]
  })
  assert.equal((await callerIn(await several.call('two')))['clientId'], 'two')
  assert.equal((await several.call('invalid')).status, 401)
  assert.equal(calls, 1)

  const none = await startGuarded(t, {
    tokens: false,
    dependencies: [({ headers }) => {
      if (headers.authorization !== 'Bearer x') throw unauthorized(401)
    }]
  })
  assert.equal((await none.call('x')).status, 200)
  assert.equal((await none.call(await none.token())).status, 401)
})

test('/mcp replies 503 if a verifier fails or returns no caller', async (t) => {
  let result: () => unknown = () => null
  const { call } = await startGuarded(t, {
    tokens: (async () => result()) as never,
    requiredScopes: ['read']
  })
  for (
    const [wrong, status] of [
      [() => {
        throw new Error('canary')
      }, 503],
      [() => true, 503],
      [() => ({}), 503],
      [() => undefined, 503],
      [() => null, 401],
      [() => ({ token: 't', clientId: 'c' }), 403],
      [() => ({ token: 't', clientId: 'c', scopes: 'readonly' }), 403]
    ] as const
  ) {
    result = wrong
    const response = await call('t')
    assert.equal(response.status, status, wrong.toString())
    assert.doesNotMatch(await response.text(), /canary/)
  }
})

test('authInfo of tools is the caller: server, function, handler, tools', async (t) => {
  const received: unknown[] = []
  const handler = {
    async fetch (
      _request: Request,
      { authInfo, parsedBody }: { authInfo?: { subject?: string }, parsedBody?: unknown } = {}
    ) {
      const { id, method } = parsedBody as { id: unknown, method: string }
      return Response.json(
        method === 'tools/list' ? { jsonrpc: '2.0', id, result: { tools: [] } } : authInfo?.subject
      )
    }
  }
  const byFunction = await startGuarded(t, {
    mcp: {
      server: (request) => {
        received.push(request.mcpAuth?.subject)
        return whoami()
      }
    }
  })
  assert.equal(
    (await callerIn(await byFunction.call(await byFunction.token())))['subject'],
    'alice'
  )
  const byHandler = await startGuarded(t, { mcp: { handler } })
  assert.equal(await (await byHandler.call(await byHandler.token())).json(), 'alice')
  const byTools = await startGuarded(t, { mcp: { tools: true } }, {
    routes: (app) => {
      app.get('/me', {
        schema: { operationId: 'whoami' } as object,
        onRequest: app.requireMcpAuth()
      }, async ({ mcpAuth }) => ({ subject: mcpAuth?.subject }))
    }
  })
  assert.equal((await callerIn(await byTools.call(await byTools.token())))['subject'], 'alice')
  assert.deepEqual([...new Set(received)], ['alice'])
})

test('requireMcpAuth() in onRequest and preHandler guards routes of the host', async (t) => {
  const app = Fastify()
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) =>
    await reply.code(error.statusCode ?? 500).send({ host: error.message })
  )
  const { origin, token } = await startGuarded(t, { requiredScopes: ['read'] }, {
    app,
    routes: (app) => {
      app.get(
        '/early',
        { onRequest: app.requireMcpAuth({ scopes: ['admin'] }) },
        async ({ mcpAuth }) => mcpAuth?.subject
      )
      app.get(
        '/late',
        { preHandler: app.requireMcpAuth({ scopes: ['admin'] }) },
        async ({ mcpAuth }) => mcpAuth?.subject
      )
      app.get(
        '/plain',
        { preHandler: [app.requireMcpAuth()] },
        async ({ mcpAuth }) => mcpAuth?.subject
      )
      app.get('/open', async ({ mcpAuth }) => ({ mcpAuth }))
    }
  })
  const send = async (path: string, bearer?: string) =>
    await sendRequest(
      origin + path,
      bearer === undefined ? {} : { headers: { authorization: `Bearer ${bearer}` } }
    )
  const prm = `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
  for (const path of ['/early', '/late']) {
    const bare = await send(path)
    assert.deepEqual([bare.status, challengeOf(bare)], [401, `Bearer ${prm}, scope="read admin"`])
    assert.deepEqual(await bare.json(), { host: 'An access token is required.' })
    assert.match(String(challengeOf(await send(path, 'invalid'))), /^Bearer error="invalid_token"/)
    const forbidden = await send(path, await token({ scope: 'admin' }))
    assert.equal(forbidden.status, 403)
    assert.match(String(challengeOf(forbidden)), /error="insufficient_scope".*scope="read admin"$/)
    assert.equal(await (await send(path, await token({ scope: 'admin read' }))).text(), 'alice')
  }
  assert.equal((await send('/plain', await token({ scope: 'read' }))).status, 200)
  assert.deepEqual(await (await send('/open')).json(), { mcpAuth: null })
  assert.deepEqual(await (await send('/open', 'invalid')).json(), { mcpAuth: null })
})

test('requireMcpAuth() replies 503 with Retry-After while the provider is down [Q-13]', async (t) => {
  const app = Fastify()
  app.setErrorHandler(async (_error, _request, reply) =>
    await reply.code(503).send({ host: 'is sorry' })
  )
  const { origin } = await startGuarded(t, {
    tokens: async () => {
      throw new Error('the database is down')
    }
  }, {
    app,
    routes: (app) => {
      app.get('/own', { onRequest: app.requireMcpAuth() }, async () => assert.fail('the route ran'))
    }
  })
  const response = await sendRequest(`${origin}/own`, { headers: { authorization: 'Bearer t' } })
  assert.deepEqual([response.status, response.headers.get('retry-after'), challengeOf(response)], [
    503,
    '5',
    null
  ])
})

test('requireMcpAuth() runs the dependencies, and their errors keep the challenge', async (t) => {
  const { origin } = await startWithDependencies(t, {
    dependencies: [({ headers }) => {
      if (headers['x-key'] !== 'k') throw unauthorized(401)
      return { userId: 1 }
    }]
  }, {
    routes: (app) => {
      app.get(
        '/own',
        { onRequest: app.requireMcpAuth() },
        async ({ mcpAuth }) => ({ userId: mcpAuth?.['userId'] })
      )
    }
  })
  const rejected = await sendRequest(`${origin}/own`)
  assert.deepEqual([rejected.status, challengeOf(rejected)], [401, 'Bearer'])
  assert.deepEqual(
    await (await sendRequest(`${origin}/own`, { headers: { 'x-key': 'k' } })).json(),
    {
      userId: 1
    }
  )
})

test('auth: false accepts every request, and logs a warning', async (t) => {
  const lines: string[] = []
  const app = Fastify({
    logger: {
      level: 'warn',
      stream: {
        write: (line: string) => {
          lines.push(line)
        }
      }
    }
  })
  const { call } = await startWithDependencies(t, { auth: false }, {
    app,
    routes: (app) => {
      app.get('/own', { onRequest: app.requireMcpAuth() }, async ({ mcpAuth }) => ({ mcpAuth }))
    }
  })
  assert.equal((await call()).status, 200)
  assert.equal(await callerIn(await call({ authorization: 'Bearer x' })), null)
  assert.equal(lines.filter((line) => line.includes('auth is false')).length, 1)
})

test('no token is logged at any level [RS-21]', async (t) => {
  const lines: string[] = []
  const app = Fastify({
    logger: {
      level: 'trace',
      stream: {
        write: (line: string) => {
          lines.push(line)
        }
      }
    }
  })
  const { call, token, mcpUrl } = await startGuarded(t, {}, { app })
  const [validToken, invalid] = [await token(), await token({ aud: 'x' })]
  for (const sentToken of [validToken, invalid, 'opaque-canary']) {
    await (await call(sentToken)).text()
  }
  await (await call(validToken, `${mcpUrl}?access_token=`)).text()
  assert.ok(lines.length > 0)
  for (const sentToken of [validToken, invalid, 'opaque-canary']) {
    assert.ok(!lines.join('').includes(sentToken))
  }
})

test('requireMcpAuth() throws on invalid options', async (t) => {
  const { app } = await buildApp(t, { issuer: 'https://id.example' })
  const rows: Array<[unknown, RegExp]> = [
    [
      { scope: ['admin'] },
      /requireMcpAuth\.scope: there is no such option\. Did you mean scopes\?/
    ],
    [{ requiredScopes: ['admin'] }, /requireMcpAuth\.requiredScopes: there is no such option/],
    [['admin'], /requireMcpAuth: a list is given. Give an object/],
    ['admin', /requireMcpAuth: "admin" is given. Give an object/],
    [{ scopes: 'admin' }, /requireMcpAuth\.scopes: "admin" is given. Give a list of scopes/],
    [{ scopes: ['a b'] }, /requireMcpAuth\.scopes: a list is given. Give a list of scopes/],
    [{ scopes: undefined }, /requireMcpAuth\.scopes: undefined is given. Give a list/],
    [
      { or: 'authenticate' },
      /requireMcpAuth\.or: "authenticate" is given. Give a hook or a list/
    ],
    [{ or: [] }, /requireMcpAuth\.or: an empty list is given. Give a hook or a list/],
    [{ or: [async () => {}, undefined] }, /requireMcpAuth\.or: a list is given. Give a hook/],
    [{ or: undefined }, /requireMcpAuth\.or: undefined is given.*Register the plugin that adds/],
    [{ or: null }, /requireMcpAuth\.or: null is given. Give a hook or a list of hooks/],
    [{ prefix: 5 }, /requireMcpAuth\.prefix: 5 is given. Give a string/],
    [null, /requireMcpAuth: null is given. Give an object/],
    [{ raw: {} }, /is used as a hook\. Call it/]
  ]
  for (const [given, message] of rows) {
    assert.throws(() => app.requireMcpAuth(given as object), {
      code: 'FST_MCP_OAUTH_INVALID_OPTIONS',
      message
    })
  }
})

test('requireMcpAuth without a call is refused where the route is added', async (t) => {
  await assert.rejects(
    buildApp(t, { issuer: 'https://id.example' }, {
      routes: (app) => {
        app.get('/open', { onRequest: app.requireMcpAuth as never }, async () => {})
      }
    }),
    /requireMcpAuth: is used as a hook\. Call it/
  )
})
