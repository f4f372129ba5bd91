import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { FastifyInstance } from 'fastify'
import { startTools } from './tool-app.ts'

/** The name of the tool and the URL it reaches. */
function where (app: FastifyInstance, method: string, url: string, more: object = {}) {
  app.route({
    method,
    url,
    handler: async request => `${method} ${request.routeOptions.url}`,
    ...more
  })
}

suite('tool names', () => {
  test('tools/list names routes without an operation id by method and path [field:T19]', async (t) => {
    const { names } = await startTools(t, async app => {
      for (
        const url of [
          '/',
          '/orders',
          '/orders/:id',
          '/orders/:id/items/:item',
          '/a.b',
          '/at/:x(^\\d+$).json'
        ]
      ) where(app, 'GET', url)
      where(app, 'POST', '/orders')
      where(app, 'GET', '/files/*', { schema: { summary: 'A file' } })
      where(app, 'GET', '/été')
      await app.register(async scope => where(scope, 'DELETE', '/:id?'), { prefix: '/api/v1' })
    })
    assert.deepEqual(names, [
      'delete_api_v1_by_id',
      'get_a.b',
      'get_at_by_x_.json',
      'get_ete',
      'get_files_by_path',
      'get_orders',
      'get_orders_by_id',
      'get_orders_by_id_items_by_item',
      'get_root',
      'post_orders'
    ])
  })

  test('clients of both eras list and call such a tool, whatever the order of the routes [field:T19]', async (t) => {
    const urls = ['/orders/:id', '/orders', '/orders/by/id']
    const lists = []
    for (const order of [urls, urls.toReversed()]) {
      const { app } = await startTools(t, app => order.forEach(url => where(app, 'GET', url)))
      await app.listen()
      const url = new URL(`http://localhost:${(app.server.address() as AddressInfo).port}/mcp`)
      const legacy = new LegacyClient({ name: 'client', version: '1.0.0' })
      await legacy.connect(new LegacyTransport(url))
      const modern = new Client({ name: 'client', version: '1.0.0' })
      await modern.connect(new StreamableHTTPClientTransport(url))
      for (const client of [legacy, modern]) {
        const { tools } = await client.listTools()
        lists.push(tools.map(({ name }) => name).join())
        const { content } = await client.callTool({
          name: 'get_orders_by_id',
          arguments: { id: '7' }
        })
        assert.deepEqual(content, [{ type: 'text', text: 'GET /orders/:id' }])
        await client.close()
      }
    }
    assert.deepEqual(new Set(lists), new Set(['get_orders,get_orders_by_id,get_orders_by_id_2']))
  })

  test('tools/list shortens a name to 64 characters and keeps it unique [field:T10]', async (t) => {
    const long = 'a'.repeat(80)
    let urls = 0
    const { names } = await startTools(t, app => {
      for (const end of ['b', 'c', 'c']) {
        where(app, 'GET', `/${urls++}`, { schema: { operationId: long + end } })
      }
      where(app, 'GET', '/ok', { schema: { operationId: 'get a note: v1' } })
      where(app, 'GET', '/kept', { schema: { operationId: 'a__b.c-D' } })
    })
    assert.equal(new Set(names).size, 5)
    for (const name of names) assert.match(name, /^[\w.-]{1,64}$/)
    assert.deepEqual(names.filter(name => !name.startsWith('aaa')), ['a__b.c-D', 'get_a_note_v1'])
  })

  test('tools/list makes one tool of a plugin registered with a prefix and without [field:T20]', async (t) => {
    const schema = (operationId: string) => ({ operationId, summary: 'Jobs' })
    const jobs = async (scope: FastifyInstance) => {
      where(scope, 'GET', '/jobs/:id', { schema: schema('job') })
      where(scope, 'GET', '/jobs', { schema: schema('job') })
    }
    const { app, names, lines, line } = await startTools(t, async app => {
      await app.register(jobs, { prefix: '/v1' })
      await app.register(jobs)
    })
    assert.deepEqual(names, ['job', 'job_2'])
    assert.deepEqual(lines.find(({ others }) => others)?.others, { alias: 2 })
    assert.match(line(40, /number/)?.msg ?? '', /: job_2 \(GET \/jobs\/:id\)$/)
    assert.ok(line(20, /GET \/v1\/jobs is no tool: alias of GET \/jobs$/))
    const call = { name: 'job', arguments: {} }
    const payload = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: call }
    assert.match((await app.inject({ method: 'POST', url: '/mcp', payload })).body, /GET \/jobs"/)
  })

  test('routes that differ in handler, hook, scope or schema are several tools [field:T20]', async (t) => {
    const shared = async () => 'shared'
    const guard = async () => {}
    const other = async () => {}
    const routes: Array<[string, object]> = [
      ['/a', { handler: shared }],
      ['/v1/a', { handler: async () => 'other' }],
      ['/v2/a', { handler: shared, onRequest: guard }],
      ['/v3/a', { handler: shared, onRequest: [guard, other] }],
      ['/v4/a', { handler: shared, config: { mcp: { scopes: ['s'] } } }],
      ['/v5/a', {
        handler: shared,
        schema: { operationId: 'a', querystring: { type: 'object', properties: { q: {} } } }
      }],
      // The same handler under one operation id: an alias, whatever the URL.
      ['/b', { handler: shared }]
    ]
    const { names } = await startTools(t, app => {
      for (const [url, options] of routes) {
        where(app, 'GET', url, { schema: { operationId: 'a' }, ...options })
      }
    })
    assert.deepEqual(names, ['a', 'a_2', 'a_3', 'a_4', 'a_5', 'a_6'])
  })

  test('equal text without a schema, and bound handlers, are several tools [field:T20]', async (t) => {
    const handler = (value: string) => async () => value
    const bound = (value: string) =>
      async function (this: string) {
        return this
      }.bind(value)
    const { names } = await startTools(t, app => {
      where(app, 'GET', '/users', { handler: handler('1') })
      where(app, 'GET', '/v2/users', { handler: handler('2') })
      where(app, 'GET', '/x', { handler: bound('1'), schema: { summary: 'x' } })
      where(app, 'GET', '/v2/x', { handler: bound('2'), schema: { summary: 'x' } })
    })
    assert.deepEqual(names, ['get_users', 'get_v2_users', 'get_v2_x', 'get_x'])
  })

  test('mcp.tools.name names tools, and config.mcp.name precedes it [field:T19]', async (t) => {
    const seen: object[] = []
    const { names } = await startTools(t, app => {
      where(app, 'GET', '/a', { schema: { operationId: 'getA' } })
      where(app, 'GET', '/b')
      where(app, 'GET', '/c', { config: { mcp: { name: 'x.getA' } } })
    }, {
      name: (route) => {
        seen.push(route)
        return route.operationId && `x.${route.operationId}`
      }
    })
    assert.deepEqual(names, ['get_b', 'x.getA', 'x.getA_2'])
    assert.deepEqual(seen[0], { method: 'GET', url: '/a', operationId: 'getA' })
  })

  test('a tool is described by config.mcp, else its schema, else method and path [field:T24]', async (t) => {
    const mcp = {
      name: 'search',
      title: 'Search!',
      description: 'Finds notes.',
      annotations: { readOnlyHint: true, openWorldHint: false }
    }
    const { tools } = await startTools(t, app => {
      where(app, 'POST', '/search', {
        config: { mcp },
        schema: { summary: 'Old', description: 'Old' }
      })
      where(app, 'GET', '/a', { schema: { summary: 'Lists notes', description: 'All of them.' } })
      where(app, 'GET', '/b')
    })
    const of = (name: string) => {
      const { title, description, annotations } = tools.find(tool => tool.name === name)
      return { title, description, annotations }
    }
    const { name: _, ...described } = mcp
    assert.deepEqual(of('search'), described)
    assert.deepEqual(of('get_a'), {
      title: 'Lists notes',
      description: 'Lists notes\n\nAll of them.',
      annotations: { readOnlyHint: true }
    })
    assert.deepEqual([of('get_b').title, of('get_b').description], [undefined, 'GET /b'])
  })
})
