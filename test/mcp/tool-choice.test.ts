import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import proxy from '@fastify/http-proxy'
import jwt from '@fastify/jwt'
import multipart from '@fastify/multipart'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import qs from 'qs'
import type { ToolOptions } from '../../lib/index.ts'
import { startTools } from './tool-app.ts'

const handler = async () => 'ok'
const text = { body: { content: { 'text/csv': { schema: {} } } } }
const issuer = { options: { issuer: 'https://id.example' } }

/** Adds a route with its own handler. */
function add (app: FastifyInstance, method: string, url: string, more: object = {}) {
  app.route({ method, url, handler: async () => url, ...more })
}

suite('the choice of tools', () => {
  test('tools/list leaves out hidden and bare wildcard routes, and counts them [field:T15 field:T23]', async (t) => {
    const { names, lines, line } = await startTools(t, async app => {
      await app.register(proxy, {
        upstream: 'http://localhost:1',
        prefix: '/up',
        httpMethods: ['GET']
      })
      add(app, 'GET', '/a', { config: { mcp: false } })
      add(app, 'GET', '/b', { schema: { hide: true } })
      add(app, 'GET', '/static/*', { schema: { tags: ['files'] } })
      add(app, 'GET', '/objects/*', { schema: { summary: 'An object' } })
      add(app, 'OPTIONS', '/o')
      add(app, 'GET', '/note', { config: { mcp: { resource: 'notes://all' } } })
      add(app, 'GET', '/both', { config: { mcp: { resource: 'notes://both', name: 'both' } } })
    })
    assert.deepEqual(names, ['both', 'get_objects_by_path'])
    const info = lines.find(({ others }) => others)
    assert.deepEqual(info?.others, {
      'config.mcp: false': 1,
      hidden: 1,
      'wildcard without schema': 2,
      proxy: 1,
      resource: 1
    })
    assert.match(
      info?.msg ?? '',
      /^Made tools of 2 routes: both, get_objects_by_path\. Other routes: .*1 proxy/
    )
    assert.deepEqual(
      lines.filter(({ level }) => level === 20).map(({ msg }) => msg).sort(),
      [
        'GET /a is no tool: config.mcp: false',
        'GET /b is no tool: hidden',
        'GET /note is no tool: resource',
        'GET /static/* is no tool: wildcard without schema',
        'GET /up is no tool: proxy',
        'GET /up/* is no tool: wildcard without schema'
      ]
    )
    assert.equal(line(40, /cannot be tools|before await/), undefined)
  })

  test('mcp.tools selects by mark, method and path [field:T15]', async (t) => {
    const routes = (app: FastifyInstance) => {
      add(app, 'GET', '/api/a')
      add(app, 'POST', '/api/a')
      add(app, 'GET', '/apis', { config: { mcp: true } })
      add(app, 'GET', '/api', { config: { mcp: { title: 'Root' } } })
    }
    const cases: Array<[ToolOptions, string[]]> = [
      [{ select: 'marked' }, ['get_api', 'get_apis']],
      [{ methods: ['get'] }, ['get_api', 'get_api_a', 'get_apis']],
      [{ paths: ['/api'] }, ['get_api', 'get_api_a', 'post_api_a']],
      [{ paths: ['/api/'], methods: ['POST'] }, ['post_api_a']],
      [{ select: 'all', excludeOperations: ['get_apis'], methods: ['GET'] }, [
        'get_api',
        'get_api_a'
      ]]
    ]
    for (const [tools, expected] of cases) {
      assert.deepEqual((await startTools(t, routes, tools)).names, expected, JSON.stringify(tools))
    }
    await assert.rejects(startTools(t, routes, { paths: ['/ap'], methods: ['PATCH'] }), error => {
      assert.match(String(error), /mcp\.tools\.paths: no route has "\/ap"/)
      assert.match(String(error), /mcp\.tools\.methods: no route has "PATCH"/)
      return true
    })
  })

  test('unsuitable routes are named by reason in a warning and stop no start [field:T13]', async (t) => {
    const routes = (app: FastifyInstance) => {
      add(app, 'POST', '/csv', { schema: { operationId: 'csv', ...text } })
      add(app, 'PUT', '/csv', { schema: text })
      add(app, 'POST', '/x/:id', {
        schema: { body: { type: 'object', properties: { id: { type: 'integer' } } } }
      })
    }
    const { names, line } = await startTools(t, routes)
    assert.deepEqual(names, ['post_x_by_id'])
    assert.match(line(40, /cannot be tools/)?.msg ?? '', /text\/csv.*: POST \/csv, PUT \/csv$/)
    await assert.rejects(
      startTools(t, routes, { includeOperations: ['csv'] }),
      /POST \/csv: .*text\/csv/
    )
    await assert.rejects(
      startTools(t, app => add(app, 'POST', '/csv', { schema: text, config: { mcp: true } })),
      /POST \/csv: .*text\/csv/
    )
  })

  test('routes that are older than the plugin are named in a warning [field:T14]', async (t) => {
    const before = (app: FastifyInstance) => {
      add(app, 'GET', '/early/:id')
      add(app, 'POST', '/early/:id(^\\d+$)/items')
      add(app, 'GET', '/static/*')
    }
    const later = (app: FastifyInstance) => add(app, 'GET', '/later')
    const { names, line } = await startTools(t, later, true, { before })
    assert.deepEqual(names, ['get_later'])
    assert.match(
      line(40, /before await/)?.msg ?? '',
      /Add them after it: GET \/early\/:id, POST \/early\/:id\(\^\\d\+\$\)\/items$/
    )
    const none = await startTools(t, () => {}, true, { before })
    assert.ok(none.line(40, /before await/))
    assert.doesNotMatch(none.line(40, /No route is a tool/)?.msg ?? '', /operationId/)
    assert.equal((await startTools(t, later)).line(40, /before await|No route/), undefined)
    const filtered = await startTools(t, later, { paths: ['/later'] }, { before })
    assert.equal(filtered.line(40, /before await/), undefined)
  })

  test('tools that may expose credentials or internals are named in a warning [field:T15]', async (t) => {
    const string = { type: 'string' }
    const routes = (app: FastifyInstance) => {
      add(app, 'GET', '/apiTokens')
      add(app, 'GET', '/metrics')
      add(app, 'POST', '/login', {
        schema: { body: { type: 'object', properties: { user_password: string } } }
      })
      add(app, 'GET', '/me', {
        schema: { response: { 200: { type: 'object', properties: { apiKey: string } } } }
      })
      add(app, 'GET', '/pool/:pool_id', {
        schema: {
          response: {
            200: { type: 'object', properties: { key_deposit: string, vrf_key: string } }
          }
        }
      })
      add(app, 'GET', '/sign', {
        schema: { response: { 200: { type: 'object', properties: { private_key: string } } } }
      })
      add(app, 'GET', '/keyboards', { schema: { summary: 'Every "token": {}' } })
      add(app, 'GET', '/admin', { config: { mcp: true } })
    }
    const { line } = await startTools(t, routes)
    const pattern = /may expose credentials/
    assert.deepEqual(
      line(40, pattern)?.msg.split(': ')[1],
      'get_apiTokens (GET /apiTokens), get_me (GET /me), get_metrics (GET /metrics), ' +
        'get_sign (GET /sign), post_login (POST /login)'
    )
    const chosen = await startTools(t, routes, { includeOperations: ['get_metrics'] })
    assert.equal(chosen.line(40, pattern), undefined)
  })

  test('tools whose routes no hook guards by plain HTTP are named in a warning [field:T16]', async (t) => {
    const authenticate = async (request: FastifyRequest, reply: FastifyReply) => {
      try {
        await request.jwtVerify()
      } catch (error) {
        reply.send(error)
      }
    }
    const routes = async (app: FastifyInstance) => {
      app.addHook('onRequest', async request => request.log.info(request.headers['user-agent']))
      add(app, 'GET', '/open')
      add(app, 'GET', '/public', { config: { mcp: { public: true } } })
      add(app, 'GET', '/ours', { onRequest: app.requireMcpAuth() })
      add(app, 'GET', '/either', { preHandler: [app.requireMcpAuth({ or: authenticate })] })
      add(app, 'GET', '/jwt', { onRequest: authenticate })
      add(app, 'GET', '/key', {
        onRequest: async (request: FastifyRequest, reply: FastifyReply) =>
          request.headers['x-key'] === 'k' ? undefined : reply.code(401).send()
      })
      await app.register(async scope => {
        scope.addHook('preValidation', authenticate.bind(null) as never)
        add(scope, 'GET', '/scoped')
      })
    }
    const before = async (app: FastifyInstance) => {
      await app.register(jwt, { secret: 'x'.repeat(32) })
      await app.register(cookie, { secret: 'x'.repeat(32) })
      await app.register(multipart, { attachFieldsToBody: true })
      for (const plugin of [cors, helmet, rateLimit]) await app.register(plugin as never)
    }
    const { line } = await startTools(t, routes, true, { before, ...issuer })
    const pattern = /^Routes of tools have no guard/
    assert.match(line(40, pattern)?.msg ?? '', /: get_open \(GET \/open\)$/)
    // Without authentication the MCP route is as open as the routes.
    assert.equal(
      (await startTools(t, app => add(app, 'GET', '/open'))).line(40, pattern),
      undefined
    )
  })

  test('lists in log lines have at most 50 names', async (t) => {
    const { line } = await startTools(t, app => {
      for (let index = 0; index < 120; index++) add(app, 'GET', `/n${index}`)
    })
    assert.match(line(30, /tools of 120/)?.msg ?? '', /and 70 more\./)
  })

  test('tools/call sends lists of objects in a query if the app reads brackets [field:T5]', async (t) => {
    const list = {
      type: 'array',
      items: { type: 'object', properties: { k: { type: 'integer' } } }
    }
    const schema = { querystring: { type: 'object', properties: { list } } }
    const { app } = await startTools(
      t,
      app => app.get('/a', { schema }, async ({ query }) => query),
      true,
      { server: { querystringParser: (text: string) => qs.parse(text) } as never }
    )
    const sent = [{ k: 1 }, { k: 2 }]
    const answer = await app.inject({
      method: 'POST',
      url: '/mcp',
      payload: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'get_a', arguments: { list: sent } }
      },
      headers: { accept: 'application/json, text/event-stream' }
    })
    assert.equal(answer.json().result.content[0].text, JSON.stringify({ list: sent }))
  })

  test('objects in a query are arguments only if the app reads brackets [field:T5]', async (t) => {
    const schema = {
      querystring: { type: 'object', properties: { f: { type: 'object', properties: { id: {} } } } }
    }
    const routes = (app: FastifyInstance) => add(app, 'GET', '/a', { schema })
    assert.deepEqual((await startTools(t, routes)).names, [])
    const querystringParser = (text: string) => qs.parse(text)
    for (const server of [{ querystringParser }, { routerOptions: { querystringParser } }]) {
      assert.deepEqual((await startTools(t, routes, true, { server: server as never })).names, [
        'get_a'
      ])
    }
  })

  test('an app whose routes share a handler keeps them all', async (t) => {
    const { names } = await startTools(t, app => {
      for (const url of ['/', '/a', '/b', '/a/b']) app.get(url, handler)
    })
    assert.deepEqual(names, ['get_a', 'get_a_b', 'get_b', 'get_root'])
  })
})

test('tools/call logs once which route a guard of the whole app closes to tools [field:T16]', async (t) => {
  const { app, lines } = await startTools(
    t,
    app => {
      for (const name of ['notes', 'users']) {
        app.get(
          `/${name}/:id`,
          { schema: { operationId: name } as object },
          async () => 'done'
        )
      }
    },
    true,
    {
      before: app => {
        app.addHook('onRequest', async (request, reply) => {
          if (request.routeOptions.config.mcpOAuth === undefined) {
            await reply.code(401).send('No key')
          }
        })
      }
    }
  )
  for (const name of ['notes', 'users', 'notes']) {
    const response = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: { accept: 'application/json, text/event-stream' },
      payload: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name, arguments: { id: 'canary' } }
      }
    })
    assert.match(response.body, /HTTP 401/)
  }
  const warnings = lines.filter(({ level, msg }) => level === 40 && /401/.test(msg))
  assert.deepEqual(warnings.map(({ msg }) => msg), [
    'GET /notes/:id refused the call of a tool with a 401 of its own: a guard of the app does not ' +
    'accept access tokens. Put that guard inside requireMcpAuth({ or })'
  ])
})
