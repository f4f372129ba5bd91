import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import type { Caller } from '../../lib/mcp/tools/in-process.ts'
import { Cancellation } from '../../lib/util/cancellation.ts'
import { injectTokenHeader } from '../../lib/mcp/tools/in-process.ts'
import type { Config } from '../../lib/options/config.ts'
import type { ToolOptions } from '../../lib/options/mcp.ts'
import { collectRoutes } from '../../lib/mcp/tools/candidates.ts'
import { type ToolCollection, buildTools } from '../../lib/mcp/tools/collect.ts'
import { buildInput } from '../../lib/mcp/tools/input.ts'
import { parsePath } from '../../lib/mcp/tools/path.ts'
import {
  type EndpointDeps,
  type EndpointOptions,
  buildEndpoint,
  post,
  serve,
  toolCall
} from './route.ts'

type Routes = (app: FastifyInstance) => unknown

async function collect (
  t: TestContext,
  routes: Routes,
  options: ToolOptions = {},
  headers = ['authorization'],
  server: FastifyServerOptions = {}
): Promise<ToolCollection> {
  const app = Fastify(server)
  t.after(() => app.close())
  const build = collectFrom(app, options, headers)
  await app.register(async (scope) => {
    await routes(scope)
  })
  await app.ready()
  return build()
}

/** Collects the tools of an app from now on. */
function collectFrom (app: FastifyInstance, options: ToolOptions, headers: string[]) {
  const config = { headers, prefix: '', mcp: { path: '/mcp', tools: options } }
  const routes = collectRoutes(app, app)
  return () => buildTools(routes, app, app, config as unknown as Config, app.log)
}

const caller: Caller = {
  headers: {},
  remoteAddress: '10.0.0.1',
  cancellation: new Cancellation()
}

async function call (
  tools: ToolCollection,
  name: string,
  args: object = {},
  as: Partial<Caller> = {}
): Promise<CallToolResult> {
  const result = await tools.call(name, args as Record<string, unknown>, { ...caller, ...as })
  assert.ok(result)
  return result
}

function textOf ({ content }: CallToolResult): string {
  const [first] = content
  return first?.type === 'text' ? first.text : ''
}

const echo = async (
  request: {
    params: unknown
    query: unknown
    body: unknown
    headers: object
    ip: string
    host: string
  }
) => request
const receivedParts = ({ params, query, body, headers, ip, host }: Parameters<typeof echo>[0]) => ({
  params,
  query,
  body: body ?? null,
  headers,
  ip,
  host
})

/** A route that returns the request it received. */
function mirror (
  app: FastifyInstance,
  method: string,
  url: string,
  schema: object,
  more: object = {}
): void {
  app.route({
    method,
    url,
    schema,
    handler: async (request) => receivedParts(request as never),
    ...more
  })
}

const named = (operationId: string, tags?: string[]) => ({ operationId, ...(tags && { tags }) })

test('a route becomes one tool with one list of arguments', async (t) => {
  const { tools } = await collect(t, (app) => {
    app.addSchema({ $id: 'address', type: 'object', properties: { city: { type: 'string' } } })
    app.route({
      method: 'PUT',
      url: '/users/:id',
      schema: {
        operationId: 'update_user',
        summary: 'Update a user',
        description: 'All of it.',
        params: Type.Object({ id: Type.Integer() }),
        querystring: { type: 'object', properties: { dry: { type: 'boolean' } } },
        body: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, home: { $ref: 'address#' } }
        },
        response: {
          200: { type: 'object', properties: { ok: { type: 'boolean' } } },
          404: { type: 'object', description: 'No such user', properties: {} }
        }
      } as object,
      handler: async () => ({ ok: true })
    })
  })
  assert.deepEqual(tools, [{
    name: 'update_user',
    title: 'Update a user',
    description: 'Update a user\n\nAll of it.',
    inputSchema: {
      type: 'object',
      properties: {
        id: { type: 'integer' },
        dry: { type: 'boolean' },
        name: { type: 'string' },
        home: { type: 'object', properties: { city: { type: 'string' } } }
      },
      required: ['id', 'name'],
      additionalProperties: true
    },
    outputSchema: { type: 'object', properties: { ok: { type: 'boolean' } } },
    annotations: { readOnlyHint: false, idempotentHint: true }
  }])
  assert.deepEqual(
    Object.getOwnPropertySymbols((tools[0] as Tool).inputSchema.properties?.id ?? {}),
    []
  )
})

test('routes become tools with the hints of their methods, and our own routes do not', async (t) => {
  const { tools } = await collect(t, (app) => {
    app.get('/unnamed', echo as never)
    mirror(app, 'GET', '/ours', { operationId: 'ours' }, { config: { mcpOAuth: { public: true } } })
    mirror(app, 'GET', '/b', { operationId: 'ignored' }, { config: { mcp: { name: 'b' } } })
    mirror(app, 'DELETE', '/a', named('a'))
  })
  assert.deepEqual(tools.map(({ name, annotations }) => [name, annotations]), [
    ['a', { readOnlyHint: false, destructiveHint: true, idempotentHint: true }],
    ['b', { readOnlyHint: true }],
    ['get_unnamed', { readOnlyHint: true }]
  ])
})

test('the routes /prefix and /prefix/ become one tool', async (t) => {
  const { tools } = await collect(
    t,
    (app) =>
      app.register(async (scope) => mirror(scope, 'GET', '/', named('root')), { prefix: '/p' })
  )
  assert.deepEqual(tools.map(({ name }) => name), ['root'])
})

const tagged: Routes = (app) => {
  mirror(app, 'GET', '/1', named('one', ['x']))
  mirror(app, 'GET', '/2', named('two', ['x', 'y']))
  mirror(app, 'GET', '/3', named('secret', ['z']))
}

test('tool filters intersect, and an empty filter exposes no tool [S4]', async (t) => {
  const cases: Array<[ToolOptions, string[]]> = [
    [{}, ['one', 'secret', 'two']],
    [{ includeOperations: ['one', 'secret'] }, ['one', 'secret']],
    [{ excludeOperations: ['secret'], excludeTags: ['y'] }, ['one']],
    [{ includeTags: ['x'], excludeOperations: ['one'] }, ['two']],
    [{ includeOperations: ['secret'], includeTags: ['x'] }, []],
    [{ includeOperations: [] }, []]
  ]
  for (const [options, names] of cases) {
    const collection = await collect(t, tagged, options)
    assert.deepEqual(collection.tools.map(({ name }) => name), names, JSON.stringify(options))
    if (!names.includes('one')) assert.equal(await collection.call('one', {}, caller), null)
  }
})

test('start-up rejects a mistyped tool filter [S4]', async (t) => {
  await assert.rejects(
    collect(t, tagged, { excludeOperations: ['sercet'], includeTags: ['w'] }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'FST_MCP_OAUTH_INVALID_TOOLS')
      assert.match(error.message, /excludeOperations: no route has "sercet"/)
      assert.match(error.message, /includeTags: no route has "w"/)
      return true
    }
  )
})

test('start-up reports all problems of options and of named routes at once [field:T13]', async (t) => {
  const csv = { body: { content: { 'text/csv': { schema: {} } } } }
  const invalidRoutes: Routes = (app) => {
    for (const url of ['/a', '/b']) {
      mirror(app, 'GET', url, {}, { config: { mcp: { name: 'twin' } } })
    }
    mirror(app, 'GET', '/c', {}, { config: { mcp: { name: 'no spaces' } } })
    mirror(app, 'POST', '/d', csv, { config: { mcp: true } })
    mirror(app, 'POST', '/e', { operationId: 'e', ...csv })
    mirror(app, 'POST', '/f', { operationId: 'f', ...csv })
  }
  const options = { includeOperations: ['twin', 'no spaces', 'post_d', 'e'] }
  await assert.rejects(collect(t, invalidRoutes, options), ({ message }: Error) => {
    assert.match(message, /GET \/b: config\.mcp\.name "twin" is that of GET \/a too/)
    assert.match(message, /GET \/c: config\.mcp\.name: "no spaces" is not a tool name/)
    assert.match(message, /POST \/d: .*application\/json/)
    assert.match(message, /POST \/e: .*application\/json/)
    assert.doesNotMatch(message, /POST \/f/)
    return true
  })
  const mistyped: Routes = (app) => {
    const annotations = { readOnly: true }
    const invalid = ['yes', { sopes: ['a'] }, { scopes: 'a' }, { title: 1 }, { annotations }]
    for (const [index, mcp] of invalid.entries()) {
      mirror(app, 'GET', `/${index}`, {}, { config: { mcp } })
    }
  }
  await assert.rejects(collect(t, mistyped), ({ message }: Error) => {
    assert.match(
      message,
      /GET \/0: config\.mcp: "yes" is given. Give true or false or an object/
    )
    assert.match(message, /GET \/1: config\.mcp\.sopes: there is no such option\. Use name, title/)
    assert.match(message, /GET \/2: config\.mcp\.scopes: "a" is given. Give a list/)
    assert.match(message, /GET \/4: config\.mcp\.annotations\.readOnly: there is no such option\./)
    assert.match(message, /GET \/3: config\.mcp\.title: 1 is given. Give a string/)
    return true
  })
})

test('a path parameter without a schema is a string', () => {
  for (const id of [null, undefined]) {
    const params = { type: 'object', properties: { id } }
    const { inputSchema } = buildInput({ params }, parsePath('/notes/:id'), {})
    assert.deepEqual({ ...inputSchema.properties['id'] }, { type: 'string', minLength: 1 })
  }
})

test('a body that is more than a list of members becomes the argument body', async (t) => {
  const tools = await collect(t, (app) => {
    mirror(app, 'POST', '/list', {
      operationId: 'list',
      body: { type: 'array', items: { type: 'integer' } }
    })
    mirror(app, 'POST', '/open', {
      operationId: 'open',
      body: { type: 'object', properties: { a: {} }, minProperties: 1 }
    })
    mirror(app, 'POST', '/media', {
      operationId: 'media',
      body: {
        content: { 'application/json': { schema: { type: 'object', properties: { a: {} } } } }
      }
    })
  })
  assert.deepEqual(
    tools.tools.map(({ inputSchema }) => Object.keys(inputSchema.properties ?? {})),
    [['body'], ['a'], ['body']]
  )
  assert.deepEqual(JSON.parse(textOf(await call(tools, 'list', { body: [1, 2] }))).body, [1, 2])
  assert.deepEqual(JSON.parse(textOf(await call(tools, 'open', { body: { a: 1, z: 2 } }))).body, {
    a: 1,
    z: 2
  })
  assert.deepEqual(JSON.parse(textOf(await call(tools, 'media', { a: null }))).body, { a: null })
})

test('tools/call sends arguments in path, query and body unchanged', async (t) => {
  const tools = await collect(t, (app) =>
    mirror(app, 'POST', '/x/:id/y/:name.json', {
      operationId: 'x',
      querystring: {
        type: 'object',
        properties: {
          tag: { type: 'array', items: { type: 'string' } },
          n: { type: 'number' },
          off: { type: 'boolean' }
        }
      },
      body: { type: 'object', properties: { deep: { type: 'object', properties: { a: {} } } } }
    }))
  const id = 'a/b?c#d %2e é"'
  const { params, query, body, ip } = JSON.parse(
    textOf(
      await call(tools, 'x', {
        id,
        name: 'n&m=o',
        tag: ['p&q', 'r'],
        n: 1.5,
        off: false,
        deep: { a: [1] }
      })
    )
  )
  assert.deepEqual({ params, query, body, ip }, {
    params: { id, name: 'n&m=o' },
    query: { tag: ['p&q', 'r'], n: 1.5, off: false },
    body: { deep: { a: [1] } },
    ip: '10.0.0.1'
  })
})

test('tools/call reaches no other route, whatever the path arguments [S3]', async (t) => {
  let reached = ''
  const tools = await collect(
    t,
    (app) => {
      app.get('/items/:id', { schema: named('get_item') as object }, async () => 'item')
      for (const url of ['/items/:id/secret', '/items/special', '/', '/items/']) {
        app.get(url, async () => {
          reached = url
        })
      }
    },
    {},
    undefined,
    { routerOptions: { ignoreDuplicateSlashes: true } }
  )
  for (
    const id of [
      '42/secret',
      '.',
      '..',
      '%2e%2e',
      '',
      'special',
      '../items/special',
      '\ud800',
      null,
      {},
      ['a'],
      '42%2fsecret',
      'special?',
      'special#'
    ]
  ) {
    const result = await call(tools, 'get_item', { id })
    assert.equal(reached, '', JSON.stringify(id))
    if (!/[%/?#]/.test(`${id}`)) assert.equal(result.isError, true, JSON.stringify(id))
  }
  assert.equal((await call(tools, 'get_item')).isError, true)
  assert.equal(textOf(await call(tools, 'get_item', { id: 42 })), 'item')
  assert.equal((await call(tools, 'get_item', { id: 'special' })).isError, true)
})

test('tools/call reaches no route that is older than the plugin, or for another host [S3]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  let reached = ''
  app.get('/items/older', async () => {
    reached = 'older'
  })
  await app.register(async (scope) => {
    scope.get('/items/inner', async () => {
      reached = 'inner'
    })
  })
  const options = {
    auth: false as const,
    allowedHosts: ['a.example', 'b.example'],
    mcp: { tools: true as const }
  }
  await app.register(mcpOAuth, options)
  app.get(
    '/items/:id',
    { schema: named('get_item'), constraints: { host: 'a.example' } },
    async () => 'item'
  )
  app.get('/items/:id', { constraints: { host: 'b.example' } }, async () => {
    reached = 'other host'
  })
  const send = async (id: string, host = 'a.example') =>
    (await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: { host },
      payload: toolCall(1, 'get_item', { id })
    })).json<{ result: CallToolResult }>().result
  assert.equal(textOf(await send('1')), 'item')
  for (const [id, host] of [['older'], ['inner'], ['1', 'b.example']] as const) {
    assert.equal((await send(id, host)).isError, true, id)
    assert.equal(reached, '')
  }
})

test('tools/call works for every registration, and a made-up inject token is dropped [S3 field:A2]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  for (const prefix of ['/one', '/two']) {
    await app.register(mcpOAuth, { auth: false, prefix, mcp: { tools: true } })
  }
  app.get('/hello', { schema: named('hello') }, async () => 'hello')
  for (const prefix of ['/one', '/two']) {
    const payload = toolCall(1, 'hello')
    const { result } = (await app.inject({ method: 'POST', url: `${prefix}/mcp`, payload }))
      .json<{ result: CallToolResult }>()
    assert.equal(textOf(result), 'hello', prefix)
  }
  const headers = { [injectTokenHeader]: 'made-up' }
  assert.equal((await app.inject({ url: '/hello', headers })).statusCode, 200)
  assert.equal((await app.inject('/hello')).statusCode, 200)
})

test('requests without an inject token reach routes that are tools [S3]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  collectFrom(app, {}, [])
  app.get('/a', { schema: named('a') as object }, async () => 'a')
  assert.equal((await app.inject('/a')).body, 'a')
})

test('tools/call rejects arguments that the tool does not have', async (t) => {
  const tools = await collect(
    t,
    (app) =>
      mirror(app, 'GET', '/a', {
        operationId: 'a',
        querystring: { type: 'object', properties: { q: {} } }
      })
  )
  for (
    const args of [{ other: 1 }, { constructor: 1 }, JSON.parse('{"__proto__":1}'), {
      q: { deep: 1 }
    }, { q: [[1]] }]
  ) {
    assert.equal((await call(tools, 'a', args)).isError, true, JSON.stringify(args))
  }
})

test('tools/call forwards the listed headers, and none of the connection [Q-25 TP-03]', async (t) => {
  const routes: Routes = (app) => mirror(app, 'POST', '/a', named('a'))
  const headers = {
    authorization: 'Bearer x',
    cookie: 'session=1',
    host: 'app.example',
    'x-team': 'red',
    'content-type': 'text/plain',
    'content-length': '99',
    'transfer-encoding': 'chunked',
    connection: 'x-team',
    'proxy-authorization': 'Basic x'
  }
  const own = {
    'user-agent': 'fastify-mcp-oauth',
    accept: 'application/json, */*;q=0.5',
    host: 'app.example'
  }
  const standard = JSON.parse(textOf(await call(await collect(t, routes), 'a', {}, { headers })))
  assert.deepEqual(standard.headers, { ...own, authorization: 'Bearer x' })
  const listed = await collect(t, routes, {}, [
    'x-team',
    'cookie',
    'content-length',
    'transfer-encoding',
    'connection',
    'content-type',
    'proxy-authorization'
  ])
  assert.deepEqual(JSON.parse(textOf(await call(listed, 'a', {}, { headers }))).headers, {
    ...own,
    'x-team': 'red',
    cookie: 'session=1'
  })
})

test('tools/call runs the hooks and the validation of the route', async (t) => {
  const tools = await collect(t, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers.authorization === undefined) {
        return reply.code(401).send({ error: 'who are you' })
      }
    })
    mirror(app, 'POST', '/a', {
      operationId: 'a',
      body: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } }
    })
    app.get(
      '/gone',
      { schema: named('gone') as object },
      async (_request, reply) => reply.redirect('/elsewhere')
    )
  })
  const anonymous = await call(tools, 'a', { n: 1 })
  assert.deepEqual([anonymous.isError, textOf(anonymous)], [
    true,
    'HTTP 401: who are you'
  ])
  const as = { headers: { authorization: 'Bearer x' } }
  const invalid = await call(tools, 'a', { n: 'x' }, as)
  assert.match(textOf(invalid), /^HTTP 400: n must be integer\n.*FST_ERR_VALIDATION/)
  assert.equal((await call(tools, 'a', { n: 1 }, as)).isError, undefined)
  assert.deepEqual(await call(tools, 'gone', {}, as), {
    isError: true,
    content: [{ type: 'text', text: 'HTTP 302: The route redirects to /elsewhere.' }]
  })
})

test('tools/call returns structured content for a route with one object response', async (t) => {
  const object = { type: 'object', properties: { a: { type: 'integer' } } }
  const tools = await collect(t, (app) => {
    app.get(
      '/item',
      { schema: { operationId: 'item', response: { 200: object } } as object },
      async () => ({ a: 1, b: 2 })
    )
    app.get(
      '/broken',
      { schema: { operationId: 'broken', response: { 200: object } } as object },
      async (_request, reply) => reply.type('text/plain').send('oops')
    )
    app.get('/two', {
      schema: { operationId: 'two', response: { 200: object, 204: { type: 'null' } } } as object
    }, async () => ({ a: 1 }))
    app.get('/list', {
      schema: { operationId: 'list', response: { 200: { type: 'array', items: {} } } } as object
    }, async () => [1])
  })
  assert.deepEqual(await call(tools, 'item'), {
    content: [{ type: 'text', text: '{"a":1}' }],
    structuredContent: { a: 1 }
  })
  assert.deepEqual(await call(tools, 'broken'), {
    content: [{ type: 'text', text: 'oops' }],
    structuredContent: {}
  })
  assert.deepEqual(
    tools.tools.map(({ name, outputSchema }) => [name, outputSchema !== undefined]),
    [['broken', true], ['item', true], ['list', false], ['two', true]]
  )
  assert.deepEqual(await call(tools, 'list'), { content: [{ type: 'text', text: '[1]' }] })
})

test('tools describe responses as the options demand', async (t) => {
  const routes: Routes = (app) =>
    mirror(app, 'GET', '/a', {
      operationId: 'a',
      summary: 'A',
      response: {
        200: { type: 'object', description: 'Fine', properties: {} },
        404: { type: 'object', properties: {} }
      }
    })
  const description = async (options: ToolOptions) =>
    (await collect(t, routes, options)).tools[0]?.description
  assert.equal(await description({}), 'A')
  assert.equal(await description({ describeAllResponses: true }), 'A\n\nResponses:\n200: Fine\n404')
  assert.equal(
    await description({ describeFullResponseSchema: true }),
    'A\n\nResponses:\n200: Fine\n{"type":"object","description":"Fine","properties":{}}'
  )
})

test('an aborted tools/call aborts the request of the route', async (t) => {
  const observed = { aborted: false }
  const tools = await collect(
    t,
    (app) =>
      app.get('/slow', { schema: named('slow') as object }, async (request) => {
        request.raw.once('close', () => {
          observed.aborted = true
        })
        await sleep(60_000, undefined, { signal: request.signal })
      })
  )
  const disconnect = new AbortController()
  const waiting = call(tools, 'slow', {}, {
    cancellation: Cancellation.from(disconnect.signal)
  })
  setImmediate(() => disconnect.abort())
  await assert.rejects(waiting)
  while (!observed.aborted) await sleep(5)
})

/** An app whose tools are served over HTTP. */
async function start (
  t: TestContext,
  { toolScopes, ...deps }: Pick<EndpointOptions, 'toolScopes'> & EndpointDeps = {}
): Promise<string> {
  const app = Fastify()
  const options = { name: 'app', version: '1.2.3', instructions: 'Be kind.' }
  const endpoint = buildEndpoint({ ...options, toolScopes }, {
    tools: collectFrom(app, {}, ['authorization']),
    ...deps
  })
  app.get(
    '/hello/:name',
    {
      schema: {
        operationId: 'hello',
        response: { 200: { type: 'object', properties: { text: { type: 'string' } } } }
      } as object
    },
    async (request) => ({
      text: `${
        (request.params as { name: string }).name
      } ${request.headers.authorization} ${request.ip}`
    })
  )
  app.get('/admin', { schema: named('admin') as object }, async () => 'secret')
  return serve(t, app, endpoint)
}

test('POST /mcp with tools serves the client of the SDK 1.x', async (t) => {
  const url = await start(t)
  const client = new Client({ name: 'client', version: '1.0.0' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: { authorization: 'Bearer ann' } }
    })
  )
  t.after(() => client.close())
  assert.deepEqual(client.getServerVersion(), { name: 'app', version: '1.2.3' })
  assert.equal(client.getInstructions(), 'Be kind.')
  assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ['admin', 'hello'])
  const { structuredContent } = await client.callTool({ name: 'hello', arguments: { name: 'you' } })
  assert.deepEqual(structuredContent, { text: 'you Bearer ann 127.0.0.1' })
  await assert.rejects(client.callTool({ name: 'toString', arguments: {} }), { code: -32602 })
})

test('tools/list has only the tools that the caller may call [RS-22]', async (t) => {
  const url = await start(t, {
    toolScopes: { admin: ['root'] },
    holds: (authInfo, scopes) => scopes.length === 0 || authInfo?.subject === 'root'
  })
  const list = async (token: string) => {
    const response = await post(url, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, {
      authorization: `Bearer ${token}`
    })
    return (await response.json() as { result: { tools: Tool[] } }).result.tools.map(({ name }) =>
      name
    )
  }
  assert.deepEqual(await list('ann'), ['hello'])
  assert.deepEqual(await list('root'), ['admin', 'hello'])
  assert.deepEqual(await list('ann'), ['hello'])
})
