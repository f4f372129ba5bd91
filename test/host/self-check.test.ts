import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthEvent, type McpOAuthOptions } from '../../lib/index.ts'
import { loggingApp } from '../support/app.ts'
import { whoami } from '../support/guarded.ts'
import { sendRequest } from '../support/requests.ts'
import { startFlow } from '../support/flow.ts'

const wrap = (payload: unknown) => JSON.stringify({ data: payload })

/** Waits until every check has had its turn, and returns the warnings about hooks. */
async function warningsOf (flow: Awaited<ReturnType<typeof startWith>>) {
  await flow.done
  return flow.logs.map(line => JSON.parse(line)).filter(({ msg }) => msg.startsWith('Hooks of'))
}

/** Starts the broker on a host with hooks. `done` resolves after the last check. */
async function startWith (
  t: TestContext,
  addHooks: (app: FastifyInstance) => unknown,
  prefix = ''
) {
  const logs: string[] = []
  const events: McpOAuthEvent[] = []
  let finish = () => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const flow = await startFlow(t, {
    options: { prefix, onEvent: event => events.push(event) },
    app: async () => {
      const app = loggingApp(logs)
      app.addHook('onRequest', async (request, reply) => {
        if (request.url !== `${prefix}/mcp`) return
        reply.raw.once('close', () => setImmediate(finish))
      })
      await addHooks(app)
      return app
    }
  })
  return { ...flow, logs, events, done }
}

const json = (request: { headers: Record<string, unknown> }) =>
  String(request.headers['content-type']).includes('json')

/** Hooks, and the routes that the warning has. */
const harmful: Record<string, [add: (app: FastifyInstance) => unknown, routes: RegExp]> = {
  'an envelope in onSend': [
    app => app.addHook('onSend', async (_request, _reply, payload) => wrap(payload)),
    /token changed.*register changed.*POST \S*\/mcp changed/
  ],
  'an authentication hook': [
    app =>
      app.addHook('onRequest', async (_request, reply) => {
        await reply.code(401).send({ error: 'no key' })
      }),
    /authorize 401.*token 401.*oauth-protected-resource\/\* 401.*\/mcp 401/
  ],
  'a hook that accepts only JSON': [
    app =>
      app.addHook('preValidation', async (request, reply) => {
        if (request.method === 'POST' && !json(request)) await reply.code(415).send({})
      }),
    /consent 415.*token 415/
  ],
  'an authentication hook that reads bodies': [
    app =>
      app.addHook('preHandler', async ({ url, body }, reply) => {
        if (url.endsWith('/mcp') && Object(body).key !== 'k') await reply.code(401).send({})
      }),
    /^POST \S*\/mcp 401$/
  ],
  'a hook that throws for pages': [
    app =>
      app.addHook('onSend', async (_request, reply, payload) => {
        if (String(reply.getHeader('content-type')).includes('html')) throw new Error('no pages')
        return payload
      }),
    /authorize 500/
  ]
}

for (const [name, [add, routes]] of Object.entries(harmful)) {
  for (const prefix of ['', '/api']) {
    test(`${name} is named in one warning, below ${prefix || '/'} [field:H2]`, async (t) => {
      const [warning, ...others] = await warningsOf(await startWith(t, add, prefix))
      assert.deepEqual(others, [])
      assert.equal(warning.level, 40)
      assert.match(warning.routes.join(' '), routes)
      assert.match(warning.msg, /config\.mcpOAuth/)
    })
  }
}

test('harmless hooks cause no warning, and the check no line or event [field:H2]', async (t) => {
  const flow = await startWith(t, async (app) => {
    await app.register(helmet)
    app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload }))
    app.addHook('onRequest', async (request, reply) => {
      if (request.protocol !== 'https' && request.headers['x-forwarded-proto'] !== 'https') {
        await reply.redirect('https://mcp.example.com/')
      }
    })
  })
  assert.deepEqual(await warningsOf(flow), [])
  assert.deepEqual(flow.logs.filter(line => line.includes('"reqId"')), [])
  assert.deepEqual(flow.events, [])
})

test('an envelope in preSerialization changes no response of ours [field:H2]', async (t) => {
  const flow = await startFlow(t, {
    app: async () => {
      const app = loggingApp([])
      app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload }))
      return app
    }
  })
  const clientId = await flow.register()
  const { access_token: token } = await flow.tokens(clientId)
  assert.equal((await flow.call(token)).status, 200)
  assert.equal((await flow.revoke({ token, client_id: clientId })).status, 200)
  for (const path of ['/.well-known/oauth-protected-resource/mcp', '/oauth/jwks', '/oauth/token']) {
    assert.ok(!('data' in (await flow.send(path)).json()), path)
  }
})

test('a request from outside that has the header of a check gets the usual response', async (t) => {
  const flow = await startFlow(t)
  const headers = { 'x-fastify-mcp-oauth-check': '1' }
  assert.equal((await flow.send('/oauth/authorize', { headers })).status, 400)
  assert.equal((await flow.send('/mcp', { method: 'POST', headers })).status, 401)
})

test('an app that does not listen is not checked, and one that closes at once ends', async (t) => {
  let requests = 0
  const app = loggingApp([])
  app.addHook('onRequest', async () => {
    requests++
  })
  const { mcpOAuth } = await import('../../lib/index.ts')
  const options = { issuer: 'https://issuer.example', clientId: 'server', setupProxies: true }
  await app.register(mcpOAuth, options as never)
  await app.ready()
  assert.equal(requests, 0)
  await app.listen({ host: '127.0.0.1', port: 0 })
  await app.close()
  t.diagnostic(`${requests} requests`)
})

test('OPTIONS /oauth/callback logs no query, also beside @fastify/cors [field:H3]', async (t) => {
  const logs: string[] = []
  const { default: cors } = await import('@fastify/cors')
  const flow = await startFlow(t, {
    app: async () => {
      const app = loggingApp(logs)
      await app.register(cors, { strictPreflight: false })
      return app
    }
  })
  for (const name of ['authorize', 'consent', 'callback']) {
    const url = `${flow.origin}/oauth/${name}?code=canary-code&state=canary-state`
    const response = await sendRequest(url, { method: 'OPTIONS' })
    assert.equal(response.status, 204)
    assert.equal(response.headers.get('allow'), name === 'consent' ? 'POST' : 'GET')
    assert.equal(response.headers.get('access-control-allow-methods'), null)
  }
  assert.doesNotMatch(logs.join(''), /canary/)
})

/** Starts an app with two registrations, and returns its warnings after the checks. */
async function warningsOfTwo (t: TestContext, more: Partial<McpOAuthOptions> = {}) {
  const logs: string[] = []
  const app = loggingApp(logs)
  t.after(() => app.close())
  const tokens = async () => null
  for (const name of ['a', 'b']) {
    await app.register(mcpOAuth, {
      prefix: `/${name}`,
      publicUrl: `https://${name}.example.com`,
      tokens,
      mcp: { server: whoami() },
      ...more
    } as McpOAuthOptions)
  }
  let finish = () => {}
  const done = new Promise<void>(resolve => {
    finish = resolve
  })
  app.addHook('onSend', async ({ url }, reply) => {
    if (url === '/b/mcp') reply.raw.once('close', () => setImmediate(finish))
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await done
  return logs.map(line => JSON.parse(line)).filter(({ option, level }) =>
    level >= 40 && option !== 'requestTimeout'
  )
}

test('several hosts, and other values of allowedHosts, are no hooks [field:H2]', async (t) => {
  assert.deepEqual(await warningsOfTwo(t), [])
  const events: McpOAuthEvent[] = []
  const onEvent = (event: McpOAuthEvent) => events.push(event)
  assert.deepEqual(await warningsOfTwo(t, { allowedHosts: ['backend'], onEvent }), [])
  assert.deepEqual(events, [])
})

test('a hook that reads the caller of the MCP route is not named [field:H2]', async (t) => {
  const flow = await startWith(
    t,
    app =>
      app.addHook('preHandler', async ({ mcpAuth, routeOptions }) => {
        if (routeOptions.config.mcpOAuth?.public === false) assert.ok(mcpAuth?.subject)
      })
  )
  assert.deepEqual(await warningsOf(flow), [])
  const { access_token: token } = await flow.tokens(await flow.register())
  assert.equal((await flow.call(token)).status, 200)
})

test('hooks cannot see what marks a check, and no later request has it [field:H2]', async (t) => {
  const header = 'x-fastify-mcp-oauth-check'
  const seen: unknown[] = []
  const marks: unknown[] = []
  const flow = await startWith(t, (app) => {
    app.setGenReqId((raw) => {
      marks.push(raw.headers[header])
      return 'id'
    })
    app.addHook('onRequest', async ({ headers }) => seen.push(headers[header]))
  })
  await flow.done
  assert.ok(seen.length > 5)
  assert.deepEqual(seen.filter(value => value !== undefined), [])
  const [secret] = marks.filter(value => value !== undefined)
  assert.equal(typeof secret, 'string')
  const reply = await flow.send('/mcp', { method: 'POST', headers: { [header]: String(secret) } })
  assert.equal(reply.status, 401)
})
