import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  McpServer as McpServer2,
  createMcpHandler,
  requireScopes
} from '@modelcontextprotocol/server'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { startFlow } from '../support/flow.ts'
import { startGuarded, type GuardedApp } from '../support/guarded.ts'

type Mcp = NonNullable<McpOAuthOptions['mcp']>
type Era = 'legacy' | 'modern'

const member = 'fastify-mcp-oauth/scopes'
const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {}
}
const done = async () => ({ content: [{ type: 'text' as const, text: 'done' }] })

/** Two tools. The annotations of one state that it writes. */
function sdk1 (): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool('read_notes', { annotations: { readOnlyHint: true } }, done)
  server.registerTool('clear_notes', {
    annotations: { readOnlyHint: false },
    _meta: { [member]: ['notes:read', 'notes:write'] }
  }, done)
  return server
}

function sdk2 (): McpServer2 {
  const server = new McpServer2({ name: 'test', version: '1.0.0' })
  server.registerTool('read_notes', {
    inputSchema: z.object({}),
    annotations: { readOnlyHint: true }
  }, done)
  server.registerTool('clear_notes', {
    inputSchema: z.object({}),
    annotations: { readOnlyHint: false },
    _meta: { [member]: ['notes:read', 'notes:write'] }
  }, done)
  return server
}

function routes (app: FastifyInstance): void {
  app.get('/notes', { schema: { operationId: 'read_notes' } }, async () => 'done')
  app.delete('/notes', {
    schema: { operationId: 'clear_notes' },
    config: { mcp: { scopes: ['notes:read', 'notes:write'] } }
  }, async () => 'done')
}

const servers: Array<[name: string, eras: Era[], mcp: () => Mcp]> = [
  ['routes as tools', ['legacy', 'modern'], () => ({ tools: true })],
  ['a server of the SDK 1.x', ['legacy', 'modern'], () => ({ server: sdk1() })],
  [
    'a server of the SDK 1.x for each request',
    ['legacy', 'modern'],
    () => ({ server: () => sdk1() })
  ],
  [
    'a handler of the SDK 2.x',
    ['legacy', 'modern'],
    () => ({ handler: createMcpHandler(() => sdk2()) })
  ]
]

async function start (
  t: TestContext,
  mcp: Mcp,
  options: McpOAuthOptions = {}
): Promise<
  GuardedApp & {
    send: (
      era: Era,
      scope: string,
      method: string,
      params?: object,
      headers?: Record<string, string>
    ) => Promise<Response>
  }
> {
  const running = await startGuarded(
    t,
    { requiredScopes: ['mcp'], mcp, ...options },
    mcp.tools ? { routes } : {}
  )
  return {
    ...running,
    async send (era, scope, method, params = {}, headers = {}) {
      const { name } = params as { name?: string }
      const own: Record<string, string> = era === 'legacy'
        ? { 'mcp-protocol-version': '2025-11-25' }
        : {
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': method,
          ...(name !== undefined && { 'mcp-name': name })
        }
      return await fetch(running.mcpUrl, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${await running.token({ scope })}`,
          ...own,
          ...headers
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method,
          params: { ...params, ...(era === 'modern' && { _meta: modernMeta }) }
        })
      })
    }
  }
}

async function resultOf (response: Response): Promise<any> {
  const text = await response.text()
  return JSON.parse(text.startsWith('{') ? text : /^data: (.*)$/m.exec(text)?.[1] ?? '').result
}

const clear = { name: 'clear_notes', arguments: {} }
const read = { name: 'read_notes', arguments: {} }

for (const [name, eras, mcp] of servers) {
  for (const era of eras) {
    const declared = 'callers need the declared scopes, and tools/list is filtered'
    test(`${name}, ${era} era: ${declared} [RS-12 RS-13 RS-14 RS-22 RS-23]`, async (t) => {
      const { send } = await start(t, mcp())
      const rejected = await send(era, 'mcp notes:read', 'tools/call', clear)
      assert.equal(rejected.status, 403)
      assert.match(
        rejected.headers.get('www-authenticate') ?? '',
        /^Bearer error="insufficient_scope", .*resource_metadata="[^"]+", scope="mcp notes:read notes:write"$/
      )
      assert.equal(
        (await resultOf(await send(era, 'mcp notes:read notes:write', 'tools/call', clear)))
          .content[0].text,
        'done'
      )
      assert.equal(
        (await resultOf(await send(era, 'mcp', 'tools/call', read))).content[0].text,
        'done'
      )
      const listed = async (scope: string) => await resultOf(await send(era, scope, 'tools/list'))
      const [few, all] = [await listed('mcp'), await listed('mcp notes:read notes:write')]
      assert.deepEqual(few.tools.map((tool: { name: string }) => tool.name), ['read_notes'])
      assert.deepEqual(all.tools.map((tool: { name: string }) => tool.name).sort(), [
        'clear_notes',
        'read_notes'
      ])
      for (const { cacheScope, ttlMs, resultType } of [few, all]) {
        if (era === 'legacy') assert.deepEqual([cacheScope, resultType], [undefined, undefined])
        else {
          assert.deepEqual([cacheScope, resultType, Number.isInteger(ttlMs) && ttlMs >= 0], [
            'private',
            'complete',
            true
          ])
        }
      }
    })

    test(`${name}, ${era} era: toolScopes reads annotations and overrides declared scopes [RS-20]`, async (t) => {
      const toolScopes = (tool: string, { readOnlyHint }: { readOnlyHint?: boolean | undefined }) =>
        tool === 'unknown' ? undefined : readOnlyHint ? ['r'] : ['w']
      const { send } = await start(t, { ...mcp(), toolScopes })
      for (
        const [scope, params, status] of [
          ['mcp r', read, 200],
          ['mcp r', clear, 403],
          ['mcp w', clear, 200],
          ['mcp w', read, 403],
          ['mcp r', { name: 'neither', arguments: {} }, 403]
        ] as const
      ) {
        const response = await send(era, scope, 'tools/call', params)
        assert.equal(response.status, status, `${scope} ${params.name}`)
        if (status === 403) {
          assert.match(
            response.headers.get('www-authenticate') ?? '',
            params === read ? /scope="mcp r"/ : /scope="mcp w"/
          )
        }
      }
    })

    test(`${name}, ${era} era: a header with the name of another tool does not open a tool [HT-14]`, async (t) => {
      const { send } = await start(t, mcp())
      const misleading = { 'mcp-name': 'read_notes', 'mcp-method': 'tools/call' }
      assert.equal(
        (await send(era, 'mcp', 'tools/call', clear, misleading)).status,
        era === 'modern' ? 400 : 403
      )
      const allowed = await send(era, 'mcp notes:read notes:write', 'tools/call', clear, misleading)
      assert.equal(allowed.status, era === 'modern' ? 400 : 200)
      if (era === 'modern') {
        assert.equal((await allowed.json() as { error: { code: number } }).error.code, -32020)
      }
    })
  }
}

test('POST /mcp passes the scope challenge of the SDK 2.x on unchanged [RS-13]', async (t) => {
  const handler = createMcpHandler(() => {
    const server = new McpServer2({ name: 'test', version: '1.0.0' })
    server.registerTool('clear_notes', {
      inputSchema: z.object({}),
      scopeChallenge: requireScopes('mcp', 'notes:write')
    }, done)
    return server
  })
  const { send, mcpUrl } = await start(t, { handler })
  const rejected = await send('modern', 'mcp', 'tools/call', clear)
  assert.equal(rejected.status, 403)
  const challenge = rejected.headers.get('www-authenticate') ?? ''
  for (
    const part of [
      'error="insufficient_scope"',
      'scope="mcp notes:write"',
      `resource_metadata="${new URL(mcpUrl).origin}/.well-known/oauth-protected-resource/mcp"`
    ]
  ) assert.ok(challenge.includes(part), challenge)
})

test('a tool with an invalid scope list cannot be called', async (t) => {
  const server = sdk1()
  const { send } = await start(t, { server })
  server.registerTool('late', { _meta: { [member]: 'notes:write' } }, done)
  assert.equal(
    (await send('legacy', 'mcp notes:write', 'tools/call', { name: 'late' })).status,
    500
  )
  assert.deepEqual(
    (await resultOf(await send('legacy', 'mcp notes:write', 'tools/list'))).tools.map((
      tool: { name: string }
    ) => tool.name),
    ['read_notes']
  )
  const toolsLater = new McpServer({ name: 'test', version: '1.0.0' })
  toolsLater.registerTool('clear_notes', { _meta: { [member]: ['notes write'] } }, done)
  await assert.rejects(
    start(t, { server: toolsLater }),
    /the tool "clear_notes": fastify-mcp-oauth\/scopes in its _meta must be a list of scopes/
  )
  const mistyped = new McpServer({ name: 'test', version: '1.0.0' })
  mistyped.registerTool(
    'clear_notes',
    { _meta: { 'fastify-mcp-oauth/scope': ['notes:write'] } },
    done
  )
  await assert.rejects(
    start(t, { server: mistyped }),
    /fastify-mcp-oauth\/scope in its _meta is unknown\. Use fastify-mcp-oauth\/scopes/
  )
  for (const scopes of ['', 'notes:write', ['a b'], [1]]) {
    const { send } = await start(t, { server: () => sdk1(), toolScopes: () => scopes as string[] })
    assert.equal(
      (await send('legacy', 'mcp', 'tools/call', clear)).status,
      500,
      'the scopes of mcp.toolScopes are checked, too'
    )
  }
})

test('POST /mcp applies the scopes of tools that change at run time', async (t) => {
  t.mock.method(performance, 'now', () => time)
  let time = 1
  const server = sdk1()
  const { send } = await start(t, { server })
  const late = server.registerTool('late', { _meta: { [member]: ['late'] } }, done)
  assert.equal((await send('legacy', 'mcp', 'tools/call', { name: 'late' })).status, 403)
  late.update({ _meta: { [member]: [] } })
  time += 11_000
  assert.equal((await send('legacy', 'mcp', 'tools/call', { name: 'late' })).status, 200)
})

test('POST /mcp reads all pages of a list of tools, and filters each page', async (t) => {
  const handler = {
    async fetch (_request: Request, { parsedBody }: { parsedBody?: unknown } = {}) {
      const { id, method, params } = parsedBody as {
        id: number
        method: string
        params: { cursor?: string }
      }
      const page = Number(params.cursor ?? 0)
      const tools = [{ name: `open${page}` }, {
        name: `closed${page}`,
        _meta: { [member]: [`s${page}`] }
      }]
      return Response.json({
        jsonrpc: '2.0',
        id,
        result: method === 'tools/list'
          ? { tools, ...(page < 3 && { nextCursor: String(page + 1) }) }
          : { content: [] }
      })
    }
  }
  const { send } = await start(t, { handler })
  assert.match(
    (await send('legacy', 'mcp', 'tools/call', { name: 'closed3' })).headers.get(
      'www-authenticate'
    ) ??
      '',
    /scope="mcp s3"/
  )
  assert.equal((await send('legacy', 'mcp s3', 'tools/call', { name: 'closed3' })).status, 200)
  const page = await resultOf(await send('legacy', 'mcp', 'tools/list', { cursor: '2' }))
  assert.deepEqual([page.tools.map((tool: { name: string }) => tool.name), page.nextCursor], [[
    'open2'
  ], '3'])
})

/** A handler with the given list of tools, which counts the calls. */
function listing (list: (id: unknown, request: Request) => Response | Promise<Response>) {
  const handler = {
    ran: 0,
    listings: 0,
    async fetch (request: Request, { parsedBody }: { parsedBody?: unknown } = {}) {
      const messages = [parsedBody].flat() as Array<{ id: unknown, method: string }>
      if (messages[0]?.method === 'tools/list') {
        handler.listings++
        return await list(messages[0].id, request)
      }
      handler.ran++
      return Response.json({ jsonrpc: '2.0', id: messages[0]?.id, result: { content: [] } })
    }
  }
  return handler
}

const tools = [{ name: 'clear_notes', _meta: { [member]: ['notes:write'] } }]
const page = (id: unknown, result: object = {}) => ({
  jsonrpc: '2.0',
  id,
  result: { tools, ...result }
})

test('POST /mcp calls no tool if the list of tools is unavailable or invalid [F-28 RS-12]', async (t) => {
  const rows: Array<[status: number, list: Parameters<typeof listing>[0]]> = [
    [500, () => Response.json({}, { status: 500 })],
    [
      500,
      (id) => Response.json({ jsonrpc: '2.0', id, error: { code: -32603, message: 'broken' } })
    ],
    [500, () => {
      throw new Error('broken')
    }],
    [500, () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } })],
    [500, () => new Response(null, { status: 202 })],
    [
      500,
      () => new Response(': nothing\n\n', { headers: { 'content-type': 'text/event-stream' } })
    ],
    [500, (id) => Response.json({ jsonrpc: '2.0', id, result: { tools: [...tools, {}] } })],
    [500, (id) => Response.json({ jsonrpc: '2.0', id, result: { tools, nextCursor: 1 } })],
    [429, () => Response.json({ error: 'too many' }, { status: 429 })],
    [
      404,
      (id) =>
        Response.json({ jsonrpc: '2.0', id, error: { code: -32001, message: 'no session' } }, {
          status: 404
        })
    ],
    [403, (id) => Response.json(page(id, { nextCursor: null }))],
    [
      403,
      (id) =>
        new Response(`data: ${JSON.stringify(page(id))}\n\n`, {
          headers: { 'content-type': 'Text/Event-Stream; charset=utf-8' }
        })
    ]
  ]
  for (const [status, list] of rows) {
    await t.test(`${status} for ${String(list)}`, async (t) => {
      const handler = listing(list)
      const { send } = await start(t, { handler })
      const response = await send('legacy', 'mcp', 'tools/call', clear)
      assert.equal(response.status, status)
      if (status === 404) {
        assert.equal(
          (await response.json() as { id: unknown }).id,
          1,
          'the id is the id of the call'
        )
      }
      assert.equal(handler.ran, 0)
    })
  }
})

test('POST /mcp returns any id of the call in the error for an unavailable list of tools [F-28]', async (t) => {
  const handler = listing((id) =>
    Response.json(
      { jsonrpc: '2.0', id, error: { code: -32001, message: 'no session' } },
      { status: 404 }
    )
  )
  const { mcpUrl, token } = await start(t, { handler })
  const authorization = `Bearer ${await token({ scope: 'mcp' })}`
  // The first four are replacement patterns of `String.replace`.
  for (const id of ['$&', '$$', '$`', "$'", '"', 7]) {
    const response = await fetch(mcpUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', authorization },
      body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: clear })
    })
    assert.equal(response.status, 404)
    assert.equal((await response.json() as { id: unknown }).id, id)
  }
  assert.equal(handler.ran, 0)
})

test('POST /mcp responds to tools/list with an error if the list is invalid [RS-22]', async (t) => {
  for (const result of [{ tools: [...tools, {}] }, { tools, nextCursor: 1 }]) {
    const { send } = await start(t, {
      handler: listing((id) => Response.json({ jsonrpc: '2.0', id, result }))
    })
    const response = await (await send('legacy', 'mcp', 'tools/list')).json() as {
      error: { code: number }
    }
    assert.equal(response.error.code, -32603)
  }
})

test('POST /mcp calls no tool after a disconnect during tools/list [F-23 RS-12]', async (t) => {
  const handler = listing((_id, request) =>
    new Promise((_resolve, reject) => {
      request.signal.addEventListener('abort', () => reject(request.signal.reason))
    })
  )
  const { mcpUrl, token } = await start(t, { handler })
  const disconnect = new AbortController()
  const pending = fetch(mcpUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${await token({ scope: 'mcp' })}`
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: clear }),
    signal: disconnect.signal
  })
  while (handler.listings === 0) await sleep(5)
  disconnect.abort()
  await assert.rejects(pending)
  await sleep(300)
  assert.equal(handler.ran, 0)
})

test('POST /mcp responds 500 if the list of tools never ends or never arrives [RS-12]', async (t) => {
  const endless = listing((id) =>
    Response.json({ jsonrpc: '2.0', id, result: { tools: [], nextCursor: 'more' } })
  )
  const silent = listing(() => new Promise(() => {}))
  for (const handler of [endless, silent]) {
    const { send } = await start(t, { handler })
    assert.equal((await send('legacy', 'mcp', 'tools/call', clear)).status, 500)
    assert.equal(handler.ran, 0)
  }
})

test('POST /mcp takes no scopes from results that resemble a list of tools [RS-12]', async (t) => {
  const handler = {
    async fetch (_request: Request, { parsedBody }: { parsedBody?: unknown } = {}) {
      const replies = ([parsedBody].flat() as Array<
        { id: unknown, method: string, params?: { arguments?: object } }
      >).map(({ id, method, params }) => (
        {
          jsonrpc: '2.0',
          id,
          result: method === 'tools/list'
            ? { tools: [...tools, { name: 'echo' }] }
            : { content: [], ...params?.arguments }
        }
      ))
      return Response.json(Array.isArray(parsedBody) ? replies : replies[0])
    }
  }
  const { mcpUrl, token } = await start(t, { handler })
  const post = async (body: object) =>
    await fetch(mcpUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${await token({ scope: 'mcp' })}`
      },
      body: JSON.stringify(body)
    })
  const call = { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'clear_notes' } }
  assert.equal((await post(call)).status, 403)
  for (const id of [1, 2]) {
    const misleading = {
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'echo', arguments: { tools: [{ name: 'clear_notes' }] } }
    }
    assert.equal(
      (await post([{ jsonrpc: '2.0', id: 1, method: 'tools/list' }, misleading])).status,
      200
    )
    assert.equal((await post(misleading)).status, 200)
    assert.equal((await post(call)).status, 403)
  }
})

test('POST /mcp lists tools once for a batch, and never for one that is too large [HT-05 G-08]', async (t) => {
  const handler = listing((id) => Response.json(page(id)))
  const { mcpUrl, token } = await start(t, { handler })
  const batch = async (length: number) =>
    await fetch(mcpUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${await token({ scope: 'mcp' })}`
      },
      body: JSON.stringify(
        Array.from(
          { length },
          (_, id) => ({
            jsonrpc: '2.0',
            id,
            method: 'tools/call',
            params: { name: `unknown${id}` }
          })
        )
      )
    })
  assert.equal((await batch(50)).status, 200)
  assert.equal(handler.listings, 1)
  assert.equal((await batch(20_000)).status, 400)
  assert.equal(handler.listings, 1)
})

test('POST /mcp lists tools once a second for calls of tools that do not exist [G-08]', async (t) => {
  t.mock.method(performance, 'now', () => time)
  let time = 1
  const handler = listing((id) => Response.json(page(id)))
  const { send } = await start(t, { handler })
  const call = async (name: string) => await send('legacy', 'mcp', 'tools/call', { name })
  for (let count = 0; count < 5; count++) await call(`unknown${count}`)
  assert.equal(handler.listings, 1)
  time += 1_100
  await sleep(5)
  await call('unknown')
  assert.equal(handler.listings, 2)
})

test('POST /mcp keeps the scopes of tools apart by caller, if servers are per request [Q-24]', async (t) => {
  const server = (request: { mcpAuth: { subject?: string } | null }) => {
    const server = new McpServer({ name: 'test', version: '1.0.0' })
    server.registerTool('sync', {
      _meta: { [member]: request.mcpAuth?.subject === 'alice' ? [] : ['w'] }
    }, done)
    return server
  }
  const { mcpUrl, token } = await start(t, { server: server as never })
  const call = async (sub: string) =>
    (await fetch(mcpUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${await token({ scope: 'mcp', sub })}`
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'sync' }
      })
    })).status
  assert.deepEqual(
    [await call('alice'), await call('bob'), await call('alice'), await call('bob')],
    [200, 403, 200, 403]
  )
})

test('GET /oauth/authorize grants the scopes of tools once a server listed them [PRM-07]', async (t) => {
  for (const [server, atOnce] of [[sdk1(), true], [() => sdk1(), false]] as const) {
    const flow = await startFlow(t, { options: { mcp: { server } } })
    const supported = async () =>
      (await flow.send('/.well-known/oauth-authorization-server')).json()['scopes_supported']
        .includes('notes:write')
    const id = await flow.register()
    const logIn = async () => await flow.tokens(id, { params: { scope: 'mcp:read notes:write' } })
    assert.equal(await supported(), atOnce)
    const { access_token: token, scope } = await logIn()
    assert.equal(scope, atOnce ? 'mcp:read notes:write' : 'mcp:read')
    const rejected = await flow.send('/mcp', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${token}`
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: clear })
    })
    assert.match(
      rejected.headers.get('www-authenticate') ?? '',
      /scope="mcp:read notes:read notes:write"/
    )
    assert.equal(await supported(), true)
    assert.equal((await logIn())['scope'], 'mcp:read notes:write')
    const prm = await flow.send('/.well-known/oauth-protected-resource/mcp')
    assert.deepEqual(
      prm.json()['scopes_supported'],
      ['mcp:read'],
      'the scopes that every call requires'
    )
  }
})

test('start-up logs a name in mcp.toolScopes that no tool has', async (t) => {
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
  await startGuarded(t, { mcp: { server: sdk1(), toolScopes: { clear_note: ['x'] } } }, { app })
  assert.match(
    lines.join(''),
    /"names":\["clear_note"\].*names tools the server does not have/
  )
})
