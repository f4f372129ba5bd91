import assert from 'node:assert/strict'
import { createHmac, createPublicKey } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { exportJWK } from 'jose'
import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { startGuarded } from '../support/guarded.ts'
import { createKey } from '../support/issuer.ts'
import { modes, type RunningMode } from '../support/modes.ts'
import { revisions, rpc } from '../support/revisions.ts'
import { sendRequest, type Received } from '../support/requests.ts'

const challengeOf = (response: Received) => response.headers.get('www-authenticate')
const required = { error: 'invalid_token', error_description: 'An access token is required.' }
const invalid = { error: 'invalid_token', error_description: 'The access token is not valid here.' }
const insufficientScope =
  'error="insufficient_scope", error_description="The access token lacks a scope this request needs."'

/** A challenge with the given parts and the metadata URL of the mode. */
function challenge ({ metadataUrl }: RunningMode, ...parts: string[]): string {
  const [scope] = parts.filter(part => part.startsWith('scope='))
  const parameters = [
    ...parts.filter(part => part !== scope),
    metadataUrl && `resource_metadata="${metadataUrl}"`,
    scope ?? 'scope="mcp:read"'
  ]
  return `Bearer ${parameters.filter(Boolean).join(', ')}`
}

for (const [name, start] of Object.entries(modes)) {
  const title = `${name}: every method and message without a token is 401 with the same challenge`
  test(`${title} [RS-01 RS-09 RS-10 RS-11 RS-16]`, async (t) => {
    const mode = await start(t)
    const url = mode.origin + mode.path
    const send = async (init: RequestInit) => {
      const response = await sendRequest(url, init)
      assert.equal(response.status, 401, JSON.stringify(init))
      assert.equal(challengeOf(response), challenge(mode))
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
      if (init.method !== 'HEAD') {
        assert.deepEqual(
          await response.json(),
          name === 'a guard with a dependency' ? invalid : required
        )
      }
    }
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PUT', 'PATCH']) {
      for (
        const headers of [{}, { accept: 'text/event-stream' }, {
          'mcp-session-id': 'x',
          'mcp-protocol-version': '2025-11-25'
        }, { authorization: 'Basic eDp5' }] as Array<Record<string, string>>
      ) {
        // If dependencies are the only check, they receive credentials of any scheme.
        if (
          headers['authorization'] === undefined || name !== 'a guard with a dependency'
        ) { await send({ method, headers }) }
      }
    }
    for (const revision of revisions) {
      for (
        const method of [
          'initialize',
          'ping',
          'server/discover',
          'tools/list',
          'tools/call',
          'nothing'
        ]
      ) {
        await send(
          rpc(revision, method, method === 'tools/call' ? { name: 'read', arguments: {} } : {})
        )
      }
    }
    assert.deepEqual(mode.calls, [])
  })

  test(`${name}: only a valid token in the header of the request is accepted [RS-02 RS-03 RS-04 RS-05]`, async (t) => {
    const mode = await start(t)
    const url = mode.origin + mode.path
    const validToken = await mode.token()
    for (const revision of revisions) {
      const call = (headers: Record<string, string>, query = '') =>
        sendRequest(
          url + query,
          rpc(revision, 'tools/call', { name: 'read', arguments: {} }, headers)
        )
      for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
        assert.equal(
          (await call({ authorization: `${scheme} ${validToken}` })).status,
          200,
          `${revision} ${scheme}`
        )
      }
      for (const query of ['', `?access_token=${validToken}`, `?token=${validToken}`]) {
        const bare = await call({}, query)
        assert.deepEqual(
          [bare.status, challengeOf(bare)],
          [401, challenge(mode)],
          `${revision} ${query.slice(0, 10)}`
        )
      }
      for (const malformed of ['garbage', 'a.b.c', `${validToken}x`, `x${validToken}`]) {
        const rejected = await call({ authorization: `Bearer ${malformed}` })
        const parts = [
          'error="invalid_token"',
          'error_description="The access token is not valid here."'
        ]
        assert.deepEqual([rejected.status, challengeOf(rejected), await rejected.json()], [
          401,
          challenge(mode, ...parts),
          invalid
        ], revision)
      }
    }
    assert.equal(mode.calls.length, 3 * revisions.length)
  })

  const narrowTitle = `${name}: a token without the scopes is 403 with all scopes, and nothing runs`
  test(`${narrowTitle} [RS-07 RS-12 RS-13 RS-14 RS-20]`, async (t) => {
    const mode = await start(t)
    const url = mode.origin + mode.path
    const [reads, writes, both] = [
      await mode.token('mcp:read'),
      await mode.token('mcp:write'),
      await mode.token('mcp:read mcp:write')
    ]
    for (const revision of revisions) {
      const call = (token: string, tool: string) =>
        sendRequest(
          url,
          rpc(revision, 'tools/call', { name: tool, arguments: {} }, {
            authorization: `Bearer ${token}`
          })
        )
      for (
        const [token, tool, scopes] of [[writes, 'read', 'mcp:read'], [
          reads,
          'write',
          'mcp:read mcp:write'
        ], [reads, 'write', 'mcp:read mcp:write']] as const
      ) {
        const rejected = await call(token, tool)
        assert.deepEqual([rejected.status, challengeOf(rejected)], [
          403,
          challenge(mode, insufficientScope, `scope="${scopes}"`)
        ], `${revision} ${tool}`)
        assert.equal((await rejected.json() as { error: string }).error, 'insufficient_scope')
      }
      assert.deepEqual(mode.calls, [], revision)
      assert.equal((await call(reads, 'read')).status, 200)
      assert.equal((await call(both, 'write')).status, 200)
      assert.deepEqual(mode.calls.splice(0), ['read', 'write'], revision)
    }
    for (const method of ['GET', 'HEAD', 'DELETE', 'PUT']) {
      const rejected = await sendRequest(url, {
        method,
        headers: { authorization: `Bearer ${writes}` }
      })
      assert.deepEqual(
        [rejected.status, challengeOf(rejected)],
        [403, challenge(mode, insufficientScope)],
        method
      )
    }
  })

  // The dependency alone decides which format credentials have.
  if (name === 'a guard with a dependency') continue
  test(`${name}: POST /mcp with a malformed Authorization header is 400 [RS-18]`, async (t) => {
    const mode = await start(t)
    const validToken = await mode.token()
    const send = (authorization: string, query = '') =>
      sendRequest(mode.origin + mode.path + query, { method: 'POST', headers: { authorization } })
    for (
      const [authorization, query] of [['Bearer'], [`Bearer ${validToken} ${validToken}`], [
        `Bearer ${validToken}, Bearer ${validToken}`
      ], [`Bearer ${validToken}`, `?access_token=${validToken}`]] as Array<[string, string?]>
    ) {
      const rejected = await send(authorization, query)
      const parts = ['error="invalid_request"', 'error_description="The request is malformed."']
      assert.deepEqual(
        [
          rejected.status,
          challengeOf(rejected),
          (await rejected.json() as { error: string }).error
        ],
        [400, challenge(mode, ...parts), 'invalid_request'],
        authorization.slice(0, 8)
      )
    }
  })
}

test('POST /mcp rejects forged and foreign tokens, and fetches none of their URLs [RS-08 RS-06]', async (t) => {
  const { call, token, issuer, mcpUrl } = await startGuarded(t)
  const fetched: string[] = []
  const foreignKey = await createKey('one')
  const trapServer = createServer(({ url = '' }, response) => {
    fetched.push(url)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: [foreignKey.jwk] }))
  })
  await new Promise<void>(resolve => {
    trapServer.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => trapServer.close())
  const foreignUrl = `http://127.0.0.1:${(trapServer.address() as AddressInfo).port}/jwks`

  const claims = {
    iss: issuer.issuer,
    aud: mcpUrl,
    sub: 'alice',
    exp: Math.floor(Date.now() / 1000) + 60
  }
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const unsigned = (alg: string) => `${encoded({ alg, typ: 'at+jwt' })}.${encoded(claims)}.`
  const publicKeys = [
    JSON.stringify(issuer.key.jwk),
    createPublicKey({ key: issuer.key.jwk as never, format: 'jwk' }).export({
      format: 'pem',
      type: 'spki'
    }).toString()
  ]
  const hmac = (key: string) => {
    const input = `${encoded({ alg: 'HS256', typ: 'at+jwt', kid: issuer.key.kid })}.${
      encoded(claims)
    }`
    return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
  }
  const now = Math.floor(Date.now() / 1000)
  const validToken = await token()
  const forged: Record<string, string> = {
    'no signature': unsigned('none'),
    'no signature, in capitals': unsigned('NONE'),
    'the public key as a secret': hmac(publicKeys[0] ?? ''),
    'the same in PEM': hmac(publicKeys[1] ?? ''),
    'another key under the same id': await issuer.mint({ aud: mcpUrl }, { key: foreignKey }),
    'a key that is in the token': await issuer.mint({ aud: mcpUrl }, {
      key: foreignKey,
      header: { jwk: await exportJWK(foreignKey.privateKey).then(({ d: _, ...key }) => key) }
    }),
    'a key that the token points to': await issuer.mint({ aud: mcpUrl }, {
      key: foreignKey,
      header: { jku: foreignUrl, x5u: foreignUrl }
    }),
    'another issuer': await token({ iss: 'https://other.example' }),
    'the issuer with a slash': await token({ iss: `${issuer.issuer}/` }),
    'another audience': await token({ aud: 'https://other.example/mcp' }),
    'no audience': await token({ aud: undefined }),
    'an audience above': await token({ aud: new URL(mcpUrl).origin }),
    expired: await token({ iat: now - 600, exp: now - 60 }),
    'without end': await token({ exp: undefined }),
    'not yet valid': await token({ nbf: now + 600 }),
    'an ID token': await token({ at_hash: 'x', nonce: 'y' }),
    'an ID token by its use': await token({ token_use: 'id' }),
    'a token of another type': await issuer.mint({ aud: mcpUrl }, {
      header: { typ: 'logout+jwt' }
    }),
    'a changed payload': validToken.replace(/\.(.+)\./, `.${encoded({ ...claims, sub: 'admin' })}.`)
  }
  for (const [name, forgedToken] of Object.entries(forged)) {
    const rejected = await call(forgedToken)
    assert.equal(rejected.status, 401, name)
    assert.match(String(challengeOf(rejected)), /^Bearer error="invalid_token"/, name)
  }
  assert.deepEqual(fetched, [])
  assert.equal((await call(validToken)).status, 200)
  assert.equal(
    (await call(await token({ aud: ['https://other.example', mcpUrl] }))).status,
    200,
    'one audience of several'
  )
})

test('A challenge never contains offline_access, whatever requires it [RS-17]', async (t) => {
  const app = Fastify()
  await assert.rejects(async () => {
    await app.register(mcpOAuth, {
      issuer: 'https://idp.example',
      requiredScopes: ['mcp:read', 'offline_access']
    })
  }, /requiredScopes: offline_access/)
  const { call, mcpUrl, token } = await startGuarded(t, {
    tokens: async (token) => ({ token, clientId: 'c', scopes: ['mcp:read'] }),
    dependencies: [({ headers }) => {
      if (headers['x-refuse']) {
        throw Object.assign(new Error('no'), {
          statusCode: 403,
          scopes: ['offline_access', 'mcp:write']
        })
      }
    }],
    mcp: {
      toolScopes: { whoami: ['offline_access', 'mcp:write'] },
      server: new McpServer({ name: 'x', version: '1' })
    }
  })
  const rejections = [
    await call(await token()),
    await sendRequest(mcpUrl, {
      method: 'POST',
      headers: { authorization: 'Bearer x', 'x-refuse': '1' }
    })
  ]
  for (const rejected of rejections) {
    assert.deepEqual(
      [rejected.status, /scope="([^"]*)"$/.exec(String(challengeOf(rejected)))?.[1]],
      [
        403,
        'mcp:write'
      ]
    )
  }
})

test('Guarded routes of the app require a token for each of their methods [RS-01 RS-09 RS-13]', async (t) => {
  const { origin, token } = await startGuarded(t, { requiredScopes: ['mcp:read'] }, {
    routes: (app) => {
      app.route({
        method: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
        url: '/notes',
        onRequest: app.requireMcpAuth({ scopes: ['notes'] }),
        handler: async ({ mcpAuth }) => ({ subject: mcpAuth?.subject })
      })
    }
  })
  const metadata = `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const send = async (bearer?: string) =>
      await sendRequest(`${origin}/notes`, {
        method,
        headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
      })
    const [bare, notesOnly, allowed] = [
      await send(),
      await send(await token({ scope: 'notes' })),
      await send(await token({ scope: 'mcp:read notes' }))
    ]
    assert.deepEqual([bare.status, challengeOf(bare)], [
      401,
      `Bearer ${metadata}, scope="mcp:read notes"`
    ], method)
    assert.deepEqual([notesOnly.status, challengeOf(notesOnly)], [
      403,
      `Bearer ${insufficientScope}, ${metadata}, scope="mcp:read notes"`
    ], method)
    assert.equal(allowed.status, 200, method)
  }
})

/** A server with items in every list: tools, prompts and resources. */
function fullServer (): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  for (const name of ['c', 'a', 'b']) server.registerTool(name, {}, async () => ({ content: [] }))
  server.registerResource(
    'note',
    'note://one',
    {},
    async ({ href }) => ({ contents: [{ uri: href, text: 'one' }] })
  )
  server.registerPrompt('hello', {}, () => ({ messages: [] }))
  return server
}

test('Lists of POST /mcp are the same and in the same order for the same token [RS-22]', async (t) => {
  const kinds: Array<McpOAuthOptions['mcp']> = [{ server: fullServer() }, {
    server: () => fullServer()
  }, {
    tools: true
  }]
  for (const mcp of kinds) {
    const { mcpUrl, token } = await startGuarded(t, {
      ...mcp && { mcp: { ...mcp, toolScopes: { a: ['x'] } } }
    }, {
      routes: (app) => {
        for (const name of ['c', 'a', 'b']) {
          app.get(`/${name}`, { schema: { operationId: name } }, async () => name)
        }
      }
    })
    for (const revision of revisions) {
      const send = async (authorization: string, method: string, params: object = {}) =>
        (await (await sendRequest(mcpUrl, rpc(revision, method, params, { authorization })))
          .json() as any).result
      const [notesOnly, all] = [
        `Bearer ${await token({ scope: '' })}`,
        `Bearer ${await token({ scope: 'x' })}`
      ]
      const lists = async (authorization: string) =>
        (await send(authorization, 'tools/list')).tools.map(({ name }: { name: string }) => name)
      const before = [await lists(notesOnly), await lists(all)]
      await send(all, 'tools/call', { name: 'a', arguments: {} })
      await send(notesOnly, 'tools/call', { name: 'b', arguments: {} })
      assert.deepEqual([await lists(notesOnly), await lists(all)], before, revision)
      assert.deepEqual(before[0], before[1].filter((name: string) => name !== 'a'))
      assert.equal(before[1].length, 3)
    }
  }
})

test('Results of POST /mcp that describe the server are cacheable per caller only [RS-23]', async (t) => {
  const { mcpUrl, token } = await startGuarded(t, { mcp: { server: fullServer() } })
  const authorization = `Bearer ${await token()}`
  for (
    const [method, params] of [
      ['server/discover'],
      ['tools/list'],
      ['resources/list'],
      ['resources/templates/list'],
      ['resources/read', { uri: 'note://one' }],
      ['prompts/list']
    ] as Array<[string, object?]>
  ) {
    const { result } =
      await (await sendRequest(mcpUrl, rpc('2026-07-28', method, params, { authorization })))
        .json() as any
    assert.deepEqual(
      [result.cacheScope, Number.isInteger(result.ttlMs) && result.ttlMs >= 0, result.resultType],
      ['private', true, 'complete'],
      method
    )
  }
})

test('All pages of a list have the same cache scope [RS-23]', async (t) => {
  const handler = {
    async fetch (_request: Request, { parsedBody }: { parsedBody?: unknown } = {}) {
      const { id, params } = parsedBody as { id: number, params: { cursor?: string } }
      const result = params.cursor === undefined
        ? { tools: [{ name: 'a' }], nextCursor: '2', cacheScope: 'public' }
        : { tools: [{ name: 'b' }], cacheScope: 'public' }
      return Response.json({
        jsonrpc: '2.0',
        id,
        result: { ...result, ttlMs: 0, resultType: 'complete' }
      })
    }
  }
  const { mcpUrl, token } = await startGuarded(t, { mcp: { handler } })
  for (const cursor of [undefined, '2']) {
    const { result } = await (await sendRequest(
      mcpUrl,
      rpc('2026-07-28', 'tools/list', { cursor }, { authorization: `Bearer ${await token()}` })
    )).json() as any
    assert.equal(result.cacheScope, 'private')
  }
})
