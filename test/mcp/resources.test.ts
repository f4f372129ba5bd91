import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import Fastify, { type FastifyInstance } from 'fastify'
import mcpOAuth from '../../lib/index.ts'
import { startGuarded } from '../support/guarded.ts'
import { json, sendRequest } from '../support/requests.ts'
import { messageIn, type Revision, rpc } from '../support/revisions.ts'

const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2])

function routes (app: FastifyInstance): void {
  app.get('/about', {
    config: { mcp: { resource: 'about://server', title: 'About', description: 'This server' } },
    schema: { produces: ['text/plain'] }
  }, async (_request, reply) => reply.type('text/plain; charset=utf-8').send('grüße'))
  app.get('/notes/:id', {
    onRequest: app.requireMcpAuth(),
    config: { mcp: { resource: 'notes://{id}', scopes: ['notes:read'] } },
    schema: {
      summary: 'A note',
      params: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] }
    }
  }, async (request, reply) => {
    const { id } = request.params as { id: number }
    if (id === 0) return reply.code(404).send({ message: 'no note' })
    return { id, user: request.mcpAuth?.subject }
  })
  app.get('/files/*', {
    config: { mcp: { resource: 'file:///{+path}' } },
    schema: { params: { type: 'object', properties: { '*': { type: 'string' } } } }
  }, async (request, reply) => {
    const path = (request.params as Record<string, string>)['*']
    if (path === 'big') return 'x'.repeat(2_000)
    if (path === 'broken') return reply.code(500).send(new Error('disk'))
    return reply.type('image/png').send(png)
  })
  app.get('/plain', { schema: { operationId: 'plain' } }, async () => ({ ok: true }))
}

async function start (t: TestContext) {
  const running = await startGuarded(t, {
    mcp: { tools: { answerLimit: 1_000 } },
    scopes: ['notes:read']
  }, { routes })
  const connect = async (scope: string): Promise<Client> => {
    const client = new Client({ name: 'client', version: '1.0.0' })
    const token = await running.token({ scope })
    await client.connect(
      new StreamableHTTPClientTransport(new URL(running.mcpUrl), {
        requestInit: { headers: { authorization: `Bearer ${token}` } }
      }) as never
    )
    t.after(() => client.close())
    return client
  }
  return { ...running, connect }
}

test('POST /mcp lists routes with a URI as resources and templates, and not as tools', async (t) => {
  const { connect } = await start(t)
  const client = await connect('notes:read')
  assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ['plain'])
  const { resources } = await client.listResources()
  assert.deepEqual(resources, [{
    uri: 'about://server',
    name: 'get_about',
    title: 'About',
    description: 'This server',
    mimeType: 'text/plain'
  }])
  const { resourceTemplates } = await client.listResourceTemplates()
  assert.deepEqual(
    resourceTemplates.map(({ uriTemplate, name }) => [uriTemplate, name]).sort(),
    [['file:///{+path}', 'get_files_by_path'], ['notes://{id}', 'get_notes_by_id']]
  )
})

test('POST /mcp reads a resource through its route, as text in its charset or as bytes', async (t) => {
  const { connect } = await start(t)
  const client = await connect('notes:read')
  const read = async (uri: string) => (await client.readResource({ uri })).contents
  assert.deepEqual(await read('about://server'), [
    { uri: 'about://server', mimeType: 'text/plain', text: 'grüße' }
  ])
  assert.deepEqual(await read('notes://7'), [{
    uri: 'notes://7',
    mimeType: 'application/json',
    text: JSON.stringify({ id: 7, user: 'alice' })
  }])
  assert.deepEqual(await read('file:///a/b.png'), [
    { uri: 'file:///a/b.png', mimeType: 'image/png', blob: png.toString('base64') }
  ])
})

test('POST /mcp tells why a resource cannot be read', async (t) => {
  const { connect } = await start(t)
  const client = await connect('notes:read')
  const read = (uri: string) => client.readResource({ uri })
  for (const uri of ['about://other', 'notes://0', 'notes:///x', 'file:///']) {
    await assert.rejects(read(uri), { code: -32002 }, uri)
  }
  await assert.rejects(read('notes://x'), /HTTP 400.*id must be integer/)
  await assert.rejects(read('file:///big'), /too large/)
  await assert.rejects(read('file:///broken'), /HTTP 500/)
  await assert.rejects(read('file:///a/%2e%2e/b'), /"path"/)
})

test('POST /mcp requires the scopes of a resource, and hides it from other callers', async (t) => {
  const { connect, mcpUrl, token } = await start(t)
  const client = await connect('')
  const { resourceTemplates } = await client.listResourceTemplates()
  assert.deepEqual(resourceTemplates.map(({ name }) => name), ['get_files_by_path'])
  const authorization = `Bearer ${await token({ scope: '' })}`
  const denied = await sendRequest(
    mcpUrl,
    rpc('2025-11-25', 'resources/read', { uri: 'notes://7' }, { authorization })
  )
  assert.equal(denied.status, 403)
  assert.match(denied.headers.get('www-authenticate') ?? '', /scope="notes:read"/)
})

test('resources/read is refused where toolScopes or authorizeTool refuse the tool of the route', async (t) => {
  const asked: unknown[] = []
  const ran: string[] = []
  const { mcpUrl, token } = await startGuarded(t, {
    mcp: {
      tools: true,
      toolScopes: { secret: ['notes:admin'] },
      authorizeTool ({ tool, arguments: args, caller }) {
        asked.push([tool, args, caller?.subject])
        return args?.['id'] !== '7' || { reason: 'This note is private.' }
      }
    }
  }, {
    routes (app) {
      for (const name of ['note', 'secret']) {
        const config = { mcp: { name, resource: `${name}://{id}` } }
        app.get(`/${name}/:id`, { config }, async () => ran.push(name))
      }
      app.get('/plain/:id', { config: { mcp: { resource: 'plain://{id}' } } }, async () => 'plain')
    }
  })
  const authorization = `Bearer ${await token({})}`
  const read = async (uri: string, revision: Revision = '2025-11-25') =>
    await sendRequest(mcpUrl, rpc(revision, 'resources/read', { uri }, { authorization }))
  for (const revision of ['2025-11-25', '2026-07-28'] as const) {
    for (const uri of ['note://7', 'note://%37', 'plain://7']) {
      const { error, result } = await messageIn(await read(uri, revision))
      assert.equal(result, undefined)
      assert.deepEqual(error, { code: -32000, message: 'This note is private.' })
    }
  }
  assert.equal((await read('secret://1')).status, 403)
  assert.deepEqual(ran, [])
  assert.ok((await messageIn(await read('note://8'))).result)
  assert.deepEqual(ran, ['note'])
  assert.deepEqual(asked.at(-1), ['note', { id: '8' }, 'alice'])
  assert.ok(asked.some(call => Array.isArray(call) && call[0] === 'get_plain_by_id'))
  asked.length = 0
  const batch = [
    { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'note://9' } },
    {
      jsonrpc: '2.0',
      id: 2,
      method: 'tools/call',
      params: { name: 'note', arguments: { id: '8' } }
    }
  ]
  const headers = { authorization, 'mcp-protocol-version': '2025-03-26' }
  await sendRequest(mcpUrl, json(batch, headers))
  assert.deepEqual(asked.map(call => (call as unknown[])[1]), [{ id: '9' }, { id: '8' }])
})

test('POST /mcp reads and lists resources in 2026-07-28', async (t) => {
  const { mcpUrl, token } = await start(t)
  const authorization = `Bearer ${await token({ scope: 'notes:read' })}`
  const ask = async (method: string, params = {}) =>
    await messageIn(await sendRequest(mcpUrl, rpc('2026-07-28', method, params, { authorization })))
  const { result: list } = await ask('resources/templates/list')
  assert.equal(list.resourceTemplates.length, 2)
  assert.equal(list.cacheScope, 'private')
  const { result } = await ask('resources/read', { uri: 'notes://7' })
  assert.equal(result.contents[0].text, JSON.stringify({ id: 7, user: 'alice' }))
  assert.equal((await ask('resources/read', { uri: 'about://other' })).error.code, -32602)
})

test('the start fails for a resource whose URI does not fit its route', async (t) => {
  for (
    const [url, resource, problem, method = 'GET'] of [
      ['/notes/:id', 'notes://{key}', /\{key\} is no argument/],
      ['/notes/:id', 'notes://all', /lacks \{id\}/],
      ['/notes/:id', 'notes/{id}', /is no URI/],
      ['/notes/:id', 'notes://{id}', /only a GET route/, 'DELETE']
    ] as const
  ) {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
    app.route({ method, url, config: { mcp: { resource } }, handler: async () => 'x' })
    await assert.rejects(async () => await app.ready(), problem)
  }
})

test('the start fails for two routes with one URI, or templates that match the same URIs', async (t) => {
  const start = async (first: string, second: string, prefix = '') => {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
    for (
      const [url, resource] of [['/a/:id', first], [`${prefix || '/b'}/:key`, second]] as const
    ) {
      app.get(url, { config: { mcp: { resource } } }, async () => 'x')
    }
    await app.ready()
  }
  await assert.rejects(
    start('notes://{id}', 'notes://{key}'),
    /GET \/b\/:key: config\.mcp\.resource: GET \/a\/:id has the same URI\. Give one/
  )
  await start('notes://{id}', 'notes://old/{key}')
})

test('a plugin registered under two prefixes has one resource', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
  for (const prefix of ['', '/v1']) {
    await app.register(async scope => {
      scope.get('/about', { config: { mcp: { resource: 'about://us' } } }, aboutUs)
    }, { prefix })
  }
  await app.ready()
})

const aboutUs = async () => 'us'

test('lists of resources have those that toolScopes and authorizeTool let the caller see', async (t) => {
  const { mcpUrl, token } = await startGuarded(t, {
    mcp: {
      tools: true,
      toolScopes: { secret: ['notes:admin'] },
      authorizeTool: ({ tool }) => tool !== 'hidden'
    }
  }, {
    routes (app) {
      for (const name of ['note', 'secret', 'hidden']) {
        const ofAll = { mcp: { name, resource: `${name}://all` } }
        app.get(`/${name}`, { config: ofAll }, async () => name)
        const config = { mcp: { name: `${name}_by_id`, resource: `${name}://{id}` } }
        app.get(`/${name}/:id`, { config }, async () => name)
      }
    }
  })
  const authorization = `Bearer ${await token({})}`
  const headers = { authorization, accept: 'application/json, text/event-stream' }
  const ask = async (body: unknown) =>
    await messageIn(await sendRequest(mcpUrl, json(body, headers)))
  const message = (id: number, method: string) => ({ jsonrpc: '2.0', id, method, params: {} })
  const { result } = await ask(message(1, 'resources/list'))
  assert.deepEqual(result.resources.map(({ uri }: { uri: string }) => uri), ['note://all'])
  const batch = await ask([message(1, 'tools/list'), message(2, 'resources/templates/list')])
  const [tools, templates] = batch.map((reply: { result: object }) => reply.result)
  const visible = ['note', 'note_by_id', 'secret_by_id', 'hidden_by_id']
  assert.deepEqual(tools.tools.map(({ name }: { name: string }) => name).sort(), visible.sort())
  assert.equal(templates.resourceTemplates.length, 3)
})

test('resources/read reads a fixed URI first, then the first template that matches', async (t) => {
  const { mcpUrl, token } = await startGuarded(t, { mcp: { tools: true } }, {
    routes (app) {
      const add = (url: string, resource: string) =>
        app.get(url, { schema: { summary: url }, config: { mcp: { resource } } }, async () => url)
      add('/longest/fixed', 'a://x/1')
      add('/b/:id', 'a://x/{id}')
      add('/longer/*', 'a://{+path}')
      add('/d/*', 'b://{+path}')
      add('/ee/:id', 'b://x/{id}')
    }
  })
  const read = async (uri: string) => {
    const body = { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri } }
    const headers = {
      authorization: `Bearer ${await token({})}`,
      accept: 'application/json, text/event-stream'
    }
    const { result, error } = await messageIn(await sendRequest(mcpUrl, json(body, headers)))
    return result?.contents[0].text ?? error.code
  }
  const expected = {
    'a://x/1': '/longest/fixed',
    'a://x/2': '/b/:id',
    'a://x/2/3': '/longer/*',
    'b://x/1': '/d/*',
    'a://': -32002,
    'c://x/1': -32002
  }
  for (const [uri, route] of Object.entries(expected)) assert.equal(await read(uri), route, uri)
})
