import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2,
  UnauthorizedError as Unauthorized2
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { McpServer as McpServer2, createMcpHandler } from '@modelcontextprotocol/server'
import Fastify, { type FastifyInstance } from 'fastify'
import fc from 'fast-check'
import { z } from 'zod'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { authorizeToolMs } from '../../lib/limits.ts'
import { createPolicy } from '../../lib/mcp/access/policy.ts'
import type { McpRequest } from '../../lib/mcp/rpc/messages.ts'
import { Cancellation } from '../../lib/util/cancellation.ts'
import { startBroker } from '../support/broker.ts'
import { startGuarded } from '../support/guarded.ts'
import { headlessOAuth } from '../support/login.ts'
import { sendRequest, type Received } from '../support/requests.ts'
import { messageIn, rpc, type Revision } from '../support/revisions.ts'
import { sweep } from '../support/sweep.ts'
import { buildEndpoint } from './route.ts'

type Mcp = NonNullable<McpOAuthOptions['mcp']>
type Policy = NonNullable<Mcp['authorizeTool']>

/** Two tools, `read` and `clear`, that record their calls. */
const kinds: Record<
  string,
  (ran: string[]) => { mcp: Mcp, routes?: (app: FastifyInstance) => void }
> = {
  'routes as tools': ran => ({
    mcp: { tools: true },
    routes (app) {
      for (const [method, name] of [['GET', 'read'], ['POST', 'clear']] as const) {
        const place = method === 'GET' ? 'querystring' : 'body'
        const schema = {
          operationId: name,
          [place]: { type: 'object', properties: { id: { type: 'string' } } },
          response: { 200: { type: 'object', properties: { done: { type: 'boolean' } } } }
        }
        app.route({
          method,
          url: `/${name}`,
          schema,
          handler: async () => {
            ran.push(name)
            return { done: true }
          }
        })
      }
    }
  }),
  'a server of the SDK 1.x': ran => ({ mcp: { server: sdk1(ran) } }),
  'a server of the SDK 1.x for each request': ran => ({ mcp: { server: () => sdk1(ran) } }),
  'a handler of the SDK 2.x': ran => ({ mcp: { handler: createMcpHandler(() => sdk2(ran)) } })
}

const inputSchema = { id: z.string().optional() }

function sdk1 (ran: string[]): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  for (const name of ['read', 'clear']) {
    server.registerTool(name, { inputSchema }, async () => {
      ran.push(name)
      return { content: [] }
    })
  }
  return server
}

function sdk2 (ran: string[]): McpServer2 {
  const server = new McpServer2({ name: 'test', version: '1.0.0' })
  for (const name of ['read', 'clear']) {
    server.registerTool(name, { inputSchema: z.object(inputSchema) }, async () => {
      ran.push(name)
      return { content: [] }
    })
  }
  return server
}

type Sent = (method: string, params?: object, revision?: Revision) => Promise<Received>

/** Starts a server with a policy, for callers with the scopes `mcp a`. */
async function start (
  t: TestContext,
  kind: string,
  policy: Policy,
  options: McpOAuthOptions = {}
) {
  const ran: string[] = []
  const { mcp, routes } = (kinds[kind] as NonNullable<typeof kinds[string]>)(ran)
  const { mcpUrl, token } = await startGuarded(
    t,
    { requiredScopes: ['mcp'], mcp: { ...mcp, authorizeTool: policy }, ...options },
    routes ? { routes } : {}
  )
  const authorization = `Bearer ${await token({ scope: 'mcp a' })}`
  const send: Sent = async (method, params = {}, revision = '2025-11-25') =>
    await sendRequest(mcpUrl, rpc(revision, method, params, { authorization }))
  const sendBody = async (body: unknown) =>
    await sendRequest(mcpUrl, {
      ...rpc('2025-03-26', 'ping', {}, { authorization }),
      body: JSON.stringify(body)
    })
  return { ran, send, sendBody, mcpUrl, authorization }
}

const call = (name: string, args?: object) => ({ name, ...(args && { arguments: args }) })

async function namesIn (response: Received): Promise<string[]> {
  const { result } = await messageIn(response)
  return result.tools.map(({ name }: { name: string }) => name).sort()
}

for (const kind of Object.keys(kinds)) {
  for (const revision of ['2025-11-25', '2026-07-28'] as const) {
    test(`authorizeTool decides calls and lists: ${kind}, ${revision}`, async (t) => {
      const asked: Array<Parameters<Policy>[0]> = []
      const { ran, send } = await start(t, kind, question => {
        asked.push(question)
        const { tool, arguments: args } = question
        if (tool === 'read') return true
        if (args === undefined) return { scopes: ['a'] }
        const verdicts = {
          refused: false,
          because: { reason: 'It is archived.' },
          held: { scopes: ['a'] },
          missing: { scopes: ['b', 'c'] }
        }
        return verdicts[args['id'] as keyof typeof verdicts]
      })
      const sendCall = (id?: string, name = 'clear') =>
        send('tools/call', call(name, id === undefined ? undefined : { id }), revision)

      for (
        const [id, reason] of [['refused', 'This call is not allowed.'], [
          'because',
          'It is archived.'
        ]]
      ) {
        const response = await sendCall(id)
        assert.equal(response.status, 200)
        const { id: answered, result } = await messageIn(response)
        assert.equal(answered, 5)
        assert.deepEqual(result.content, [{ type: 'text', text: reason }])
        assert.equal(result.isError, true)
        assert.equal(result.resultType, revision === '2026-07-28' ? 'complete' : undefined)
      }
      const challenged = await sendCall('missing')
      assert.equal(challenged.status, 403)
      assert.match(
        challenged.headers.get('www-authenticate') ?? '',
        /insufficient_scope.*scope="mcp b c"/
      )
      assert.deepEqual(ran, [])
      assert.equal((await messageIn(await sendCall('held'))).result.isError, undefined)
      assert.equal((await messageIn(await sendCall(undefined, 'read'))).result.isError, undefined)
      assert.deepEqual(ran, ['clear', 'read'])
      assert.deepEqual(asked.at(-1)?.arguments, {})
      assert.deepEqual(asked.at(-1)?.caller?.scopes, ['mcp', 'a'])
      assert.equal(asked.at(-1)?.request.url, '/mcp')

      const listed = await send('tools/list', {}, revision)
      assert.deepEqual(await namesIn(listed), ['clear', 'read'])
      assert.deepEqual(asked.slice(-2).map(({ arguments: args }) => args), [undefined, undefined])
      const { result } = await messageIn(listed)
      assert.equal(result.cacheScope, revision === '2026-07-28' ? 'private' : undefined)
    })

    test(`POST /mcp is 503 if authorizeTool fails, nothing runs, no list is cut: ${kind}, ${revision}`, async (t) => {
      let fail: () => unknown = () => true
      const { ran, send } = await start(
        t,
        kind,
        (({ tool }) => tool === 'read' || fail()) as Policy
      )
      const failures: Array<() => unknown> = [
        () => {
          throw new Error('the policy engine is unreachable')
        },
        async () => await Promise.reject(Object.assign(new Error('no'), { statusCode: 403 })),
        () => undefined,
        () => 'yes',
        () => ({}),
        () => ({ reason: 1 }),
        () => ({ scopes: 'a' }),
        () => ({ scopes: ['a b'] })
      ]
      for (fail of failures) {
        for (
          const [method, params] of [['tools/call', call('clear')], ['tools/list', {}]] as const
        ) {
          const response = await send(method, params, revision)
          // A list on an event stream is an error in that stream.
          if (method === 'tools/list' && response.status === 200) {
            assert.equal((await messageIn(response)).error.code, -32000)
            continue
          }
          assert.equal(response.status, 503, `${method} ${String(fail)}`)
          assert.equal(response.headers.get('retry-after'), '5')
        }
      }
      assert.deepEqual(ran, [])
      fail = () => false
      assert.deepEqual(await namesIn(await send('tools/list', {}, revision)), ['read'])
    })
  }
}

test('createPolicy names the tool in the cause of its failure, and a list as the place', async () => {
  const decide = createPolicy(() => {
    throw new TypeError('broken')
  })
  const request = { http: {}, authInfo: undefined } as unknown as McpRequest
  for (const [args, place] of [[{}, 'in a call'], [undefined, 'in a list, where']] as const) {
    await assert.rejects(decide({ name: 'clear' }, args, request), ({ cause }: Error) => {
      const { message, cause: thrown } = cause as Error
      assert.ok(message.startsWith(`mcp.authorizeTool failed for the tool "clear" ${place}`))
      return thrown instanceof TypeError
    })
  }
})

test('POST /mcp is 503 if authorizeTool does not decide in time', async (t) => {
  const { ran, send } = await start(t, 'routes as tools', () => new Promise(() => {}))
  t.mock.timers.enable({ apis: ['setTimeout'] })
  for (const [method, params] of [['tools/call', call('clear')], ['tools/list', {}]] as const) {
    const sent = send(method, params)
    const timer = setInterval(() => t.mock.timers.tick(authorizeToolMs), 10)
    assert.equal((await sent).status, 503)
    clearInterval(timer)
  }
  assert.deepEqual(ran, [])
})

test('POST /mcp runs no call of a batch unless all are allowed', async (t) => {
  const { ran, sendBody } = await start(t, 'routes as tools', async ({ tool, arguments: args }) => {
    await sleep(tool === 'read' ? 0 : 20)
    if (args?.['id'] === 'missing') return { scopes: ['b'] }
    if (args?.['id'] === 'broken') throw new Error('unreachable')
    return args?.['id'] === 'because' ? { reason: 'It is archived.' } : true
  })
  const message = (id: number, name: string, args: object) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: call(name, args)
  })
  const [read, because] = [message(1, 'read', {}), message(2, 'clear', { id: 'because' })]
  const ping = { jsonrpc: '2.0', id: 3, method: 'ping' }
  const note = { jsonrpc: '2.0', method: 'notifications/initialized' }
  const response = await sendBody([read, note, because, ping])
  assert.equal(response.status, 200)
  const [first, second, third, ...none] = await response.json() as any[]
  assert.deepEqual([first.id, first.error.code, third.id, third.error.code], [1, -32000, 3, -32000])
  assert.deepEqual([second.id, second.result.content[0].text], [2, 'It is archived.'])
  assert.deepEqual(none, [])
  assert.equal(
    (await sendBody([read, because, message(4, 'clear', { id: 'missing' })])).status,
    403
  )
  assert.equal((await sendBody([read, message(4, 'clear', { id: 'broken' })])).status, 503)
  const { id: _id, ...unanswered } = because
  assert.equal((await sendBody(unanswered)).status, 202)
  assert.deepEqual(ran, [])
  assert.equal(
    (await (await sendBody([read, message(4, 'clear', {})])).json() as object[]).length,
    2
  )
  assert.deepEqual(ran.sort(), ['clear', 'read'])
})

test('authorizeTool receives the annotations of the server, never those of a client', async (t) => {
  const { send } = await start(
    t,
    'routes as tools',
    ({ annotations: { readOnlyHint = false } }) => readOnlyHint,
    {}
  )
  const spoofed = { ...call('clear'), annotations: { readOnlyHint: true } }
  assert.equal((await messageIn(await send('tools/call', spoofed))).result.isError, true)
  assert.deepEqual(await namesIn(await send('tools/list')), ['read'])
  assert.equal(
    (await messageIn(await send('tools/call', call('unlisted')))).error.code,
    -32602
  )
})

test('authorizeTool is not asked about calls whose scopes are missing', async (t) => {
  let asked = 0
  const policy: Policy = () => {
    asked++
    return true
  }
  const { mcpUrl, token } = await startGuarded(t, {
    requiredScopes: ['mcp'],
    mcp: { server: sdk1([]), toolScopes: { clear: ['b'] }, authorizeTool: policy }
  })
  const authorization = `Bearer ${await token({ scope: 'mcp' })}`
  const send = (name: string) =>
    sendRequest(mcpUrl, rpc('2025-11-25', 'tools/call', call(name), { authorization }))
  assert.deepEqual([(await send('clear')).status, asked], [403, 0])
  assert.deepEqual([(await send('read')).status, asked], [200, 1])
})

test('a list on an event stream is filtered by authorizeTool, and is an error if it fails', async (t) => {
  let policy: Policy = ({ tool }) => tool === 'read'
  const tools = [{ name: 'read', inputSchema: {} }, { name: 'clear', inputSchema: {} }]
  const handler = {
    async fetch (_request: Request, { parsedBody }: { parsedBody?: any }) {
      const message = { jsonrpc: '2.0', id: parsedBody.id, result: { tools } }
      return new Response(`data: ${JSON.stringify(message)}\n\n`, {
        headers: { 'content-type': 'text/event-stream' }
      })
    }
  }
  const { mcpUrl, token } = await startGuarded(t, {
    mcp: { handler, authorizeTool: question => policy(question) }
  })
  const authorization = `Bearer ${await token()}`
  const list = async () =>
    await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/list', {}, { authorization }))
  assert.deepEqual(await namesIn(await list()), ['read'])
  policy = async () => await Promise.reject(new Error('unreachable'))
  const { id, error, result } = await messageIn(await list())
  assert.deepEqual([id, error.code, result], [5, -32000, undefined])
})

test('SDK clients of both eras return a refusal as a result', async (t) => {
  const { mcpUrl, authorization } = await start(
    t,
    'routes as tools',
    ({ arguments: args }) => args === undefined || { reason: 'It is archived.' }
  )
  const url = new URL(mcpUrl)
  const requestInit = { headers: { authorization } }
  const legacy = new Client({ name: 'client', version: '1.0.0' })
  await legacy.connect(new StreamableHTTPClientTransport(url, { requestInit }) as Transport)
  const modern = new Client2(
    { name: 'client', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } }
  )
  await modern.connect(new Transport2(url, { requestInit }))
  for (const client of [legacy, modern]) {
    t.after(() => client.close())
    // The output schemas, which a refusal need not satisfy.
    assert.equal((await client.listTools()).tools.length, 2)
    const { isError, content } = await client.callTool({ name: 'clear', arguments: {} })
    assert.deepEqual([isError, content], [true, [{ type: 'text', text: 'It is archived.' }]])
  }
})

test('the SDK 2.x steps up to the scopes that authorizeTool asks for', async (t) => {
  const routes = (app: FastifyInstance): void => {
    app.delete('/notes', { schema: { operationId: 'clearNotes' } }, async () => 'cleared')
    app.put('/notes', { schema: { operationId: 'lockNotes' } }, async () => 'locked')
  }
  const authorizeTool: Policy = ({ tool, arguments: args }) =>
    args?.['id'] === undefined && { scopes: [tool === 'clearNotes' ? 'mcp:write' : 'unlisted'] }
  const { mcpUrl } = await startBroker(t, {
    routes,
    options: { mcp: { tools: true, authorizeTool } }
  })
  const oauth = headlessOAuth()
  const client = new Client2({ name: 'client', version: '1.0.0' })
  t.after(() => client.close())
  const open = () => new Transport2(new URL(mcpUrl), { authProvider: oauth })
  const finish = async (transport: Transport2) =>
    await transport.finishAuth(new URLSearchParams(oauth.login?.url.searchParams))
  const first = open()
  await assert.rejects(client.connect(first), Unauthorized2)
  await finish(first)
  const transport = open()
  await client.connect(transport)
  // A scope that no client may request is out of reach.
  assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ['clearNotes'])
  await assert.rejects(client.callTool({ name: 'clearNotes', arguments: {} }), Unauthorized2)
  await finish(transport)
  const { content } = await client.callTool({ name: 'clearNotes', arguments: {} })
  assert.deepEqual(content, [{ type: 'text', text: 'cleared' }])
})

test('start-up rejects authorizeTool where it decides nothing', async () => {
  const authorizeTool = () => true
  for (
    const [options, problem] of [
      [{ auth: false, mcp: { tools: true, authorizeTool } }, /mcp\.authorizeTool is given/],
      [
        { issuer: 'https://idp.example', mcp: { authorizeTool } },
        /mcp\.authorizeTool: has no effect/
      ]
    ] as Array<[McpOAuthOptions, RegExp]>
  ) {
    await assert.rejects(async () => await Fastify().register(mcpOAuth, options), problem)
  }
})

const verdict = fc.constantFrom<'yes' | 'no' | 'why' | 'a' | 'b' | 'ab' | 'none'>(
  'yes',
  'no',
  'why',
  'a',
  'b',
  'ab',
  'none'
)
type Verdict = typeof verdict extends fc.Arbitrary<infer Value> ? Value : never

test('tools/list has every tool some call of which is allowed, and no other, for any policy', async () => {
  const ids = ['0', '1', '2']
  let rules: Record<string, Verdict[]> = {}
  let caller: string[] = []
  const scopesOf = (value: Verdict) => value === 'none' ? [] : [...value]
  const needsScopes = (value: Verdict) => !['yes', 'no', 'why'].includes(value)
  const allows = (value: Verdict) =>
    value === 'yes' ||
    (needsScopes(value) && scopesOf(value).every(scope => caller.includes(scope)))
  const answer = (value: Verdict) =>
    needsScopes(value)
      ? { scopes: scopesOf(value) }
      : value === 'why'
      ? { reason: 'no' }
      : value === 'yes'
  const tools = ['x', 'y'].map(name => ({ name, inputSchema: {} }))
  const endpoint = buildEndpoint({
    handler: {
      fetch: (_request, { parsedBody: { id } }: any) => Response.json({ id, result: { tools } })
    },
    async authorizeTool ({ tool, arguments: args }) {
      const values = rules[tool] ?? []
      // Without arguments: the most that any call is allowed.
      const value = args === undefined
        ? values.find(allows) ?? values.find(needsScopes) ?? 'no'
        : values[Number(args['id'])] ?? 'no'
      return answer(value)
    }
  }, { holds: (_caller, scopes) => scopes.every(scope => caller.includes(scope)) })
  const requestWith = (method: string, params: object): McpRequest => ({
    http: { method: 'POST' } as McpRequest['http'],
    headers: {},
    body: { jsonrpc: '2.0', id: 1, method, params },
    rawBody: '',
    authInfo: { token: 'x', clientId: 'x', scopes: caller },
    cancellation: new Cancellation()
  })
  /** Whether a call may reach the server. */
  const isAllowed = async (name: string, id: string) => {
    let challenged = false
    const response = await endpoint.authorize(
      requestWith('tools/call', call(name, { id })),
      async scopes => {
        challenged ||= !scopes.every(scope => caller.includes(scope))
      }
    )
    return response === null && !challenged
  }
  const values = fc.array(verdict, { minLength: 3, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(
      fc.record({ x: values, y: values }),
      fc.subarray(['a', 'b']),
      async (generated, scopes) => {
        rules = generated
        caller = scopes
        const allowed = []
        for (const name of ['x', 'y']) {
          const results = await Promise.all(ids.map(id => isAllowed(name, id)))
          if (results.includes(true)) allowed.push(name)
        }
        const { body } = await endpoint.handle(requestWith('tools/list', {}))
        const { result } = JSON.parse(String(body))
        assert.deepEqual(result.tools.map(({ name }: { name: string }) => name), allowed)
      }
    ),
    { numRuns: sweep(10_000, 50) }
  )
})
