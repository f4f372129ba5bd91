import assert from 'node:assert/strict'
import { createHash, timingSafeEqual } from 'node:crypto'
import { test } from 'node:test'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2
} from '@modelcontextprotocol/client'
import fastifyJwt from '@fastify/jwt'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { mcpOAuth, McpOAuthError, type Guard } from '../../lib/index.ts'
import { injectTokenHeader } from '../../lib/mcp/tools/in-process.ts'
import { type Cleanup } from '../support/app.ts'
import { startGuarded, type GuardedApp } from '../support/guarded.ts'
import { sendRequest } from '../support/requests.ts'

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

const jwtVerify: Hook = async request => await request.jwtVerify()

/** An app with sessions of @fastify/jwt, whose routes are tools. */
async function start (
  t: Cleanup,
  routes: (app: FastifyInstance) => unknown,
  options: Parameters<typeof startGuarded>[1] = {}
): Promise<GuardedApp & { session: string }> {
  const app = Fastify()
  await app.register(fastifyJwt, { secret: 'the secret of the sessions of this app' })
  const running = await startGuarded(t, { mcp: { tools: true }, ...options }, { app, routes })
  return { ...running, session: app.jwt.sign({ sub: 'session' }) }
}

/** Calls a tool with the clients of both eras: its first text, whether it failed or not. */
async function callTool (
  t: Cleanup,
  mcpUrl: string,
  token: string,
  name: string
): Promise<Array<{ text: string, isError: boolean }>> {
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  const info = { name: 'client', version: '1.0.0' }
  const [old, modern] = [new Client(info), new Client2(info)]
  t.after(() => Promise.all([old.close(), modern.close()]))
  await old.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), { requestInit }))
  await modern.connect(new Transport2(new URL(mcpUrl), { requestInit }))
  const results = [await old.callTool({ name }), await modern.callTool({ name })]
  return results.map(({ content, isError }) => ({
    text: (content as Array<{ text: string }>)[0]?.text ?? '',
    isError: isError === true
  }))
}

const both = <Value>(value: Value) => [value, value]
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const me = async ({ mcpAuth, user }: FastifyRequest) =>
  `${mcpAuth?.subject ?? 'nobody'} ${(user as { sub: string } | null)?.sub ?? 'nobody'}`
const named = (operationId: string) => ({ operationId }) as object

for (const stage of ['onRequest', 'preHandler'] as const) {
  test(`requireMcpAuth({ or }) in ${stage} checks tool calls, and its hook plain HTTP [field:T16]`, async (t) => {
    const ran: string[] = []
    const { mcpUrl, origin, token, session } = await start(t, (app) => {
      const guard = app.requireMcpAuth({
        or: async (request, reply) => {
          ran.push('hook')
          await jwtVerify(request, reply)
        }
      })
      app.get('/me', { [stage]: guard, schema: named('me') }, me)
      app.get('/before', { [stage]: jwtVerify }, me)
    })
    const valid = await token()
    assert.deepEqual(
      await callTool(t, mcpUrl, valid, 'me'),
      both({ text: 'alice nobody', isError: false })
    )
    assert.deepEqual(ran, [], 'the hook sees no tool call')

    const get = async (path: string, init: RequestInit = {}) => {
      const response = await sendRequest(origin + path, init)
      return [response.status, response.headers.get('www-authenticate'), await response.text()]
    }
    assert.deepEqual(await get('/me', bearer(session)), [200, null, 'nobody session'])
    // @fastify/jwt replies 401 or 500, whatever it does about a token.
    for (const init of [undefined, bearer(valid), bearer('invalid')]) {
      const [status, ...refusal] = await get('/me', init)
      assert.ok([401, 500].includes(status as number), String(status))
      assert.deepEqual([status, ...refusal], await get('/before', init))
    }
    assert.equal(ran.length, 4)
    // The MCP route knows its own tokens only.
    assert.equal((await sendRequest(mcpUrl, { method: 'POST', ...bearer(session) })).status, 401)
  })
}

test('requireMcpAuth({ or }) refuses a tool call without its scopes, and asks no hook [field:T16]', async (t) => {
  const { mcpUrl, token } = await start(t, (app) => {
    app.get('/me', {
      onRequest: app.requireMcpAuth({
        scopes: ['admin'],
        or: async () => assert.fail('the hook ran')
      }),
      schema: named('me')
    }, async () => assert.fail('the route ran'))
  })
  const sent = await sendRequest(mcpUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await token()}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'me' } })
  })
  assert.equal(sent.status, 403)
  assert.match(String(sent.headers.get('www-authenticate')), /scope="admin"/)
})

test('requireMcpAuth({ or }) takes no plain HTTP request for a tool call, with any header [field:T16]', async (t) => {
  const seen: string[] = []
  const { app, mcpUrl, origin, token, session } = await start(t, (app) => {
    app.get('/me', {
      onRequest: [async ({ headers, mcpAuth }) => {
        seen.push(String(headers[injectTokenHeader]), String(mcpAuth))
      }, app.requireMcpAuth({ or: jwtVerify })],
      schema: named('me')
    }, me)
  }, { headers: ['authorization', injectTokenHeader] })
  const valid = await token()
  await callTool(t, mcpUrl, valid, 'me')
  for (const ticket of ['x', '', '../', '00000000-0000-0000-0000-000000000000']) {
    const headers = { [injectTokenHeader]: ticket, authorization: `Bearer ${valid}` }
    const { status } = await sendRequest(`${origin}/me`, { headers })
    assert.ok(status >= 400, String(status))
    const { statusCode } = await app.inject({ url: '/me', headers })
    assert.ok(statusCode >= 400, String(statusCode))
  }
  // No hook of the route sees the ticket of a call, so it cannot be passed on.
  assert.deepEqual([...new Set(seen)], ['undefined', 'null'])
  assert.equal(await (await sendRequest(`${origin}/me`, bearer(session))).text(), 'nobody session')
})

test('requireMcpAuth({ or }) asks its hook about tool calls too, if auth is false [field:T16]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
  const or: Hook = async () => await Promise.reject(new McpOAuthError('missingToken'))
  app.get('/me', { onRequest: app.requireMcpAuth({ or }), schema: named('me') }, async () => 'ran')
  const mcpUrl = `${await app.listen({ port: 0 })}/mcp`
  for (const { text, isError } of await callTool(t, mcpUrl, 'x', 'me')) {
    assert.match(text, /^HTTP 401/)
    assert.ok(isError)
  }
})

test('a request that a tool makes with app.inject is plain HTTP for requireMcpAuth({ or }) [field:T16]', async (t) => {
  const { mcpUrl, token } = await start(t, (app) => {
    app.get(
      '/outer',
      { onRequest: app.requireMcpAuth({ or: jwtVerify }), schema: named('outer') },
      async ({ headers }) => (await app.inject({ url: '/inner', headers })).statusCode
    )
    app.get('/inner', { onRequest: app.requireMcpAuth({ or: jwtVerify }) }, async () => 'inner')
  })
  assert.deepEqual(
    await callTool(t, mcpUrl, await token(), 'outer'),
    both({ text: '500', isError: false })
  )
})

test('requireMcpAuth({ or }) runs a list of hooks, with callbacks or promises, up to a refusal', async (t) => {
  const ran: unknown[] = []
  let refuse: (reply: FastifyReply, done: (error?: Error) => void) => unknown = (_reply, done) =>
    done()
  const { origin } = await start(t, (app) => {
    app.decorate('marked', 'mark')
    const or = [
      async () => {
        ran.push(1)
      },
      function (this: FastifyInstance, _request: unknown, reply: FastifyReply, done: () => void) {
        ran.push((this as unknown as { marked: string }).marked)
        return refuse(reply, done)
      },
      async () => ran.push(3)
    ]
    app.get('/', { onRequest: app.requireMcpAuth({ or }) }, async () => ran.push('route'))
    app.get('/late', { preHandler: app.requireMcpAuth({ or }) }, async () => ran.push('route'))
  })
  const refused = Object.assign(new Error('no'), { statusCode: 418 })
  const rows: Array<[typeof refuse, number]> = [
    [refuse, 200],
    [(_reply, done) => setImmediate(done), 200],
    [(_reply, done) => done(refused), 418],
    [(_reply, done) => setImmediate(done, refused), 418],
    [() => {
      throw refused
    }, 418],
    [async () => await Promise.reject(refused), 418],
    // A hook that responds: with and without its callback, at once and later, returned or not.
    [reply => reply.code(418).send('no'), 418],
    [reply => {
      reply.code(418).send('no')
    }, 418],
    [(reply, done) => {
      reply.code(418).send('no')
      done()
    }, 418],
    [async reply => await reply.code(418).send('no'), 418],
    [async reply => {
      await new Promise(setImmediate)
      reply.code(418).send('no')
    }, 418],
    [reply => {
      reply.hijack()
      reply.raw.writeHead(418).end('no')
    }, 418]
  ]
  for (const [index, [next, status]] of rows.entries()) {
    for (const path of ['/', '/late']) {
      refuse = next
      ran.length = 0
      assert.equal((await sendRequest(origin + path)).status, status, `row ${index}`)
      const expected = status === 200 ? [1, 'mark', 3, 'route'] : [1, 'mark']
      assert.deepEqual(ran, expected, `row ${index}`)
    }
  }
})

test('requireMcpAuth({ or }) as a hook of the whole app leaves the routes of the plugin alone', async (t) => {
  const { mcpUrl, origin, token, session } = await start(t, (app) => {
    app.addHook('onRequest', app.requireMcpAuth({ or: jwtVerify }))
    app.get('/me', { schema: named('me') }, me)
  })
  const valid = await token()
  assert.deepEqual(
    await callTool(t, mcpUrl, valid, 'me'),
    both({ text: 'alice nobody', isError: false })
  )
  assert.equal((await sendRequest(`${origin}/me`, bearer(valid))).status, 500)
  assert.equal((await sendRequest(`${origin}/me`, bearer(session))).status, 200)
  assert.equal((await sendRequest(`${origin}/none`)).status, 401)
  const document = `${origin}/.well-known/oauth-protected-resource/mcp`
  assert.equal((await sendRequest(document)).status, 200)
  assert.match(
    String((await sendRequest(mcpUrl, { method: 'POST' })).headers.get('www-authenticate')),
    /resource_metadata/
  )
})

test('one hook fills request.user of both kinds of callers, and no route changes [field:T16]', async (t) => {
  const { mcpUrl, origin, token, session } = await start(t, (app) => {
    const either = app.requireMcpAuth({ or: jwtVerify })
    app.decorate('authenticate', async (request: FastifyRequest, reply: FastifyReply) => {
      await either(request, reply)
      if (request.mcpAuth) request.user = { sub: request.mcpAuth.subject ?? '' }
    })
    const { authenticate } = app as unknown as { authenticate: Guard }
    app.get('/me', { onRequest: authenticate, schema: named('me') }, async ({ user }) => user)
  })
  const [first] = await callTool(t, mcpUrl, await token(), 'me')
  assert.deepEqual(JSON.parse(first?.text ?? ''), { sub: 'alice' })
  const { sub } = await (await sendRequest(`${origin}/me`, bearer(session))).json() as {
    sub: string
  }
  assert.equal(sub, 'session')
})

test('a static API key and access tokens guard one route, and a wrong one of either is refused', async (t) => {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  const expected = digest('the key')
  const { mcpUrl, origin, token } = await start(t, (app) => {
    const oauth = app.requireMcpAuth()
    const keyOrToken: Hook = async (request, reply) => {
      const key = request.headers['x-api-key']
      if (key === undefined) return await oauth(request, reply)
      if (!timingSafeEqual(digest(String(key)), expected)) throw new McpOAuthError('invalidToken')
    }
    app.get('/me', { onRequest: keyOrToken as Guard, schema: named('me') }, me)
  })
  const valid = await token()
  assert.deepEqual(
    await callTool(t, mcpUrl, valid, 'me'),
    both({ text: 'alice nobody', isError: false })
  )
  for (
    const [headers, status] of [
      [{ 'x-api-key': 'the key' }, 200],
      [{ 'x-api-key': 'a key' }, 401],
      [{ 'x-api-key': '' }, 401],
      [{ 'x-api-key': 'a key', authorization: `Bearer ${valid}` }, 401],
      [{ authorization: `Bearer ${valid}` }, 200],
      [{ authorization: 'Bearer the-key' }, 401],
      [{}, 401]
    ] as Array<[Record<string, string>, number]>
  ) {
    const response = await sendRequest(`${origin}/me`, { headers })
    assert.equal(response.status, status, Object.keys(headers).join())
  }
})
