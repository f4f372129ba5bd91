import assert from 'node:assert/strict'
import { test } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'

// The second list of a server is made from the text of the first. It must have the same bytes, and
// never those of another caller or of tools that were.

type Era = '2025-11-25' | '2026-07-28'
const eras: Era[] = ['2025-11-25', '2026-07-28']
let clients = 0

/** Lists the tools as a caller with these scopes, by a client that no one has seen before. */
async function list (
  app: FastifyInstance,
  era: Era,
  scopes = '',
  more: { id?: unknown, params?: object, client?: string, user?: string } = {}
) {
  const { id = 1, params, client = `client ${clients++}`, user = 'alice' } = more
  const isModern = era === '2026-07-28'
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': era,
    'io.modelcontextprotocol/clientInfo': { name: client, version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {}
  }
  const response = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: {
      host: 'localhost',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': era,
      'x-scopes': scopes,
      'x-user': user,
      ...(isModern && { 'mcp-method': 'tools/list' })
    },
    payload: {
      jsonrpc: '2.0',
      id,
      method: 'tools/list',
      ...(isModern ? { params: { ...params, _meta } } : params && { params })
    } as object
  })
  const { date, ...headers } = response.headers
  return { status: response.statusCode, headers, text: response.body }
}

const namesIn = ({ text }: { text: string }): string[] =>
  JSON.parse(text).result.tools.map(({ name }: { name: string }) => name)

async function start (mcp: McpOAuthOptions['mcp'], addRoutes = (_app: FastifyInstance) => {}) {
  const app = Fastify()
  await app.register(mcpOAuth, {
    tokens: false,
    dependencies: [async ({ headers }) => ({
      user: headers['x-user'],
      scopes: String(headers['x-scopes']).split(' ').filter(Boolean)
    })],
    mcp
  } as McpOAuthOptions)
  addRoutes(app)
  return app
}

const scoped = (...scopes: string[]) => ({ _meta: { 'fastify-mcp-oauth/scopes': scopes } })

function buildServer () {
  const server = new McpServer({ name: 'tools', version: '1' })
  const empty = async () => ({ content: [] })
  server.registerTool('free', {
    description: 'für "alle"',
    inputSchema: { 2: z.string(), a: z.any() }
  }, empty)
  server.registerTool('read', scoped('read'), empty)
  server.registerTool('both', scoped('read', 'write'), empty)
  server.registerTool('write', scoped('write'), empty)
  return server
}

const addRoutes = (app: FastifyInstance) => {
  for (const [name, scopes] of [['free', []], ['read', ['read']], ['write', ['write']]] as const) {
    app.get(`/${name}`, {
      schema: { operationId: name },
      config: { mcpOAuth: { scopes } }
    } as object, async () => name)
  }
}

for (const era of eras) {
  test(`POST /mcp lists the same bytes of ${era} from memory as from the server [T-13]`, async () => {
    for (const scopes of ['', 'read', 'write', 'read write']) {
      const [kept, made] = [
        await start({ server: buildServer() }),
        await start({ server: buildServer() })
      ]
      for (const before of ['read', '', 'write', 'read write']) await list(kept, era, before)
      for (const more of [{}, { id: 'ü "1"' }, { client: 'client 0' }]) {
        const fresh = await start({ server: buildServer() })
        assert.deepEqual(await list(kept, era, scopes, more), await list(fresh, era, scopes, more))
      }
      assert.deepEqual(await list(kept, era, scopes), await list(made, era, scopes))
    }
  })

  test(`POST /mcp lists routes of ${era} from memory for each set of scopes`, async () => {
    const app = await start({ tools: true }, addRoutes)
    for (const scopes of ['', 'read', 'write', 'read write', 'write', '']) {
      const fresh = await start({ tools: true }, addRoutes)
      assert.deepEqual(await list(app, era, scopes), await list(fresh, era, scopes))
    }
  })

  test(`POST /mcp lists tools of ${era} as they are after a change`, async () => {
    const server = buildServer()
    const app = await start({ server })
    const names = async () => namesIn(await list(app, era, 'read write'))
    assert.deepEqual(await names(), ['free', 'read', 'both', 'write'])
    const added = server.registerTool('added', {}, async () => ({ content: [] }))
    assert.deepEqual(await names(), ['free', 'read', 'both', 'write', 'added'])
    added.disable()
    assert.deepEqual(await names(), ['free', 'read', 'both', 'write'])
    added.enable()
    added.update({ description: 'new' })
    assert.deepEqual(await names(), ['free', 'read', 'both', 'write', 'added'])
    assert.match((await list(app, era)).text, /"description":"new"/)
    added.remove()
    assert.deepEqual(await names(), ['free', 'read', 'both', 'write'])
  })

  test(`POST /mcp never keeps a list of ${era} that depends on its caller [T-13]`, async () => {
    const members: Array<(extra: any) => unknown> = [
      ({ authInfo }) => authInfo.scopes,
      ({ authInfo }) => structuredClone(authInfo).scopes,
      ({ requestInfo }) => requestInfo.headers['x-scopes']
    ]
    for (const callerOf of members) {
      const server = buildServer()
      server.server.setRequestHandler(ListToolsRequestSchema, (_request, extra) => ({
        tools: ['free', 'read', 'both', 'write'].map(name => ({
          name,
          description: String(callerOf(extra)),
          inputSchema: { type: 'object' }
        }))
      }))
      const app = await start({ server })
      for (const scopes of ['a', 'b', 'a']) {
        const { text } = await list(app, era, scopes)
        assert.match(text, new RegExp(`"description":"${scopes}"`))
      }
    }
  })

  test(`POST /mcp asks a server again whose list of ${era} is not that of its tools`, async () => {
    let lists = 0
    const server = buildServer()
    server.server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: [{ name: `list ${lists++}`, inputSchema: { type: 'object' } }]
    }))
    const app = await start({ server })
    const first = namesIn(await list(app, era))
    assert.notDeepEqual(namesIn(await list(app, era)), first)
  })

  test(`POST /mcp keeps what authorizeTool allows in a list of ${era} for its caller only`, async () => {
    let decisions = 0
    const app = await start({
      server: buildServer(),
      authorizeTool: ({ tool, request }) => {
        decisions++
        return request.headers['x-user'] === 'alice' || tool !== 'free'
      }
    })
    const asBob = { user: 'bob' }
    for (const more of [{}, asBob, {}, asBob]) {
      const names = more === asBob ? ['read'] : ['free', 'read']
      assert.deepEqual(namesIn(await list(app, era, 'read', more)), names)
    }
    assert.equal(decisions, 6)
  })

  test(`POST /mcp makes the list of ${era} once for all callers`, async () => {
    const server = buildServer()
    let made = 0
    const tool = server.registerTool('counted', {}, async () => ({ content: [] }))
    Object.defineProperty(tool, 'title', { get: () => `title ${made++}` })
    const app = await start({ server })
    const lists = ['', 'read', 'write', ''].map(scopes => async () => await list(app, era, scopes))
    await lists[0]?.()
    const before = made
    for (const next of lists) assert.match((await next()).text, /"counted"/)
    assert.equal(made, before)
  })

  test(`POST /mcp refuses lists of ${era} from memory as the server does`, async () => {
    const app = await start({ server: buildServer() })
    await list(app, era)
    const fresh = await start({ server: buildServer() })
    for (
      const more of [
        { params: { cursor: 'x' } },
        { params: { cursor: 1 } },
        { params: { task: {} } },
        { id: null },
        { id: 1.5 },
        { client: 5 as never }
      ]
    ) {
      assert.deepEqual(await list(app, era, '', more), await list(fresh, era, '', more))
    }
  })
}

for (const scopes of ['', 'read']) {
  test(`POST /mcp fills the list in a batch for a caller with the scopes "${scopes}"`, async () => {
    const call = {
      jsonrpc: '2.0',
      id: 2,
      method: 'tools/call',
      params: { name: 'free', arguments: { 2: '' } }
    }
    const listed = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    const send = async (app: FastifyInstance, payload: object) => {
      const { statusCode, body } = await app.inject({
        method: 'POST',
        url: '/mcp',
        headers: { host: 'localhost', accept: 'application/json', 'x-scopes': scopes },
        payload
      })
      return { statusCode, body }
    }
    /** Replies of a batch may have any order (JSON-RPC 2.0 §6). */
    const byId = ({ body }: { body: string }) =>
      JSON.parse(body).sort((a: { id: number }, b: { id: number }) => a.id - b.id)
    for (
      const batch of [[listed], [listed, call], [call, listed], [call, {
        ...listed,
        params: { cursor: 'x' }
      }]]
    ) {
      const [kept, fresh] = [
        await start({ server: buildServer() }),
        await start({ server: buildServer() })
      ]
      await list(kept, '2025-11-25', scopes)
      const answer = await send(kept, batch)
      assert.deepEqual(byId(answer), byId(await send(fresh, batch)))
      assert.match(answer.body, /"name":"free"/)
    }
    const app = await start({ server: buildServer() })
    const { statusCode, body } = await send(app, [listed, { ...listed, id: 2 }])
    assert.equal(statusCode, 400)
    assert.match(body, /The batch asks for a list twice/)
  })
}
