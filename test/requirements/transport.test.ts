import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  McpServer as McpServer2,
  acceptedContent,
  createMcpHandler,
  createRequestStateCodec,
  inputRequired
} from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import { z } from 'zod'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { sessionHandler } from '../support/conformance/sessions.ts'
import { raw, startGuarded } from '../support/guarded.ts'
import { modes } from '../support/modes.ts'
import { messageIn, modernMeta, revisions, rpc } from '../support/revisions.ts'
import { sendRequest } from '../support/requests.ts'

const echo = {
  region: z.string().meta({ 'x-mcp-header': 'Region' }),
  count: z.int().optional().meta({ 'x-mcp-header': 'Count' })
}
const headersOfSdk = async (args: object) => ({
  content: [{ type: 'text' as const, text: JSON.stringify(args) }]
})

function sdk1 (): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool('echo', { inputSchema: echo }, headersOfSdk)
  server.registerTool('hidden', {}, async () => headersOfSdk({}))
  server.registerResource(
    'note',
    'note://é',
    {},
    async ({ href }) => ({ contents: [{ uri: href, text: 'one' }] })
  )
  return server
}

function sdk2 (): McpServer2 {
  const server = new McpServer2({ name: 'test', version: '1.0.0' })
  server.registerTool('echo', { inputSchema: z.object(echo) }, headersOfSdk)
  server.registerTool('hidden', { inputSchema: z.object({}) }, async () => headersOfSdk({}))
  return server
}

/** Every kind of server for the MCP route that serves both eras. */
const servers: Record<string, () => NonNullable<McpOAuthOptions['mcp']>> = {
  'routes as tools': () => ({ tools: true }),
  'a server of the SDK 1.x': () => ({ server: sdk1() }),
  'a server of the SDK 1.x for each request': () => ({ server: () => sdk1() }),
  'a handler of the SDK 2.x': () => ({ handler: createMcpHandler(sdk2) })
}

async function start (t: TestContext, mcp: NonNullable<McpOAuthOptions['mcp']>) {
  const properties = {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    count: { type: 'integer', 'x-mcp-header': 'Count' }
  }
  const running = await startGuarded(
    t,
    { mcp },
    mcp.tools
      ? {
        // Ajv rejects unknown keywords unless they are declared.
        app: Fastify({ ajv: { customOptions: { keywords: ['x-mcp-header'] } } }),
        routes: (app) => {
          app.get('/echo', {
            schema: {
              operationId: 'echo',
              querystring: { type: 'object', required: ['region'], properties }
            }
          }, async ({ query }) => query)
          app.get('/hidden', { schema: { operationId: 'hidden' } }, async () => ({}))
        }
      }
      : {}
  )
  const authorization = `Bearer ${await running.token()}`
  return {
    ...running,
    authorization,
    send: (init: RequestInit) =>
      sendRequest(running.mcpUrl, { ...init, headers: { authorization, ...init.headers } })
  }
}

for (const [name, open] of Object.entries(modes)) {
  test(`${name}: /mcp rejects foreign Origins and Hosts with 403 [HT-01 HT-02 HT-03 HT-23]`, async (t) => {
    const { origin, path, token, calls } = await open(t)
    const authorization = `Bearer ${await token()}`
    for (const method of ['POST', 'GET', 'HEAD', 'DELETE', 'PUT', 'OPTIONS']) {
      for (const foreign of ['https://evil.example', 'null', `${origin}.evil.example`]) {
        for (const headers of [{ origin: foreign }, { origin: foreign, authorization }]) {
          const rejected = await sendRequest(origin + path, { method, headers })
          assert.deepEqual(
            [
              rejected.status,
              rejected.headers.get('access-control-allow-origin'),
              rejected.headers.get('www-authenticate')
            ],
            [403, null, null],
            `${method} ${foreign}`
          )
          if (method !== 'HEAD') {
            assert.equal((await rejected.json() as { error: string }).error, 'access_denied')
          }
        }
      }
      const foreignHost = await raw(origin, [
        `${method} ${path} HTTP/1.1`,
        'Host: evil.example',
        `Authorization: ${authorization}`,
        'Connection: close'
      ])
      assert.match(foreignHost, /^HTTP\/1\.1 403 /, method)
    }
    assert.deepEqual(calls, [])
    for (const own of [undefined, 'http://localhost:6274', 'http://127.0.0.1']) {
      const called = await sendRequest(
        origin + path,
        rpc('2025-11-25', 'tools/call', { name: 'read', arguments: {} }, {
          authorization,
          origin: own
        })
      )
      assert.deepEqual([called.status, called.headers.get('access-control-allow-origin')], [
        200,
        own ?? null
      ])
      if (own === undefined) continue
      const challenged = await sendRequest(
        origin + path,
        rpc('2025-11-25', 'tools/list', {}, { origin: own })
      )
      assert.deepEqual([challenged.status, challenged.headers.get('access-control-allow-origin')], [
        401,
        own
      ])
      assert.match(
        String(challenged.headers.get('access-control-expose-headers')),
        /WWW-Authenticate.*Mcp-Session-Id/
      )
      const headers =
        'authorization, content-type, mcp-protocol-version, mcp-method, mcp-name, mcp-param-region'
      const preflight = await sendRequest(origin + path, {
        method: 'OPTIONS',
        headers: {
          origin: own,
          'access-control-request-method': 'POST',
          'access-control-request-headers': headers
        }
      })
      assert.deepEqual([
        preflight.status,
        preflight.headers.get('access-control-allow-origin'),
        preflight.headers.get('access-control-allow-headers')
      ], [204, own, headers])
    }
  })
}

for (const [name, serve] of Object.entries(servers)) {
  test(`${name}: POST /mcp accepts batches in revision 2025-03-26 only [HT-05]`, async (t) => {
    const { send } = await start(t, serve())
    const batch = (headers: object, _meta?: object) =>
      send({
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers
        },
        body: JSON.stringify([{ jsonrpc: '2.0', id: 5, method: 'tools/list', params: { _meta } }])
      })
    for (const version of [undefined, '2025-03-26']) {
      assert.equal(
        (await batch(version === undefined ? {} : { 'mcp-protocol-version': version })).status,
        200,
        version
      )
    }
    for (const version of ['2025-06-18', '2025-11-25', '2026-07-28']) {
      const rejected = await batch(
        { 'mcp-protocol-version': version },
        version === '2026-07-28' ? modernMeta : undefined
      )
      assert.deepEqual(
        [rejected.status, (await messageIn(rejected)).error.code],
        [400, -32600],
        version
      )
    }
  })

  test(`${name}: /mcp rejects methods it does not serve with 405 and Allow [HT-06]`, async (t) => {
    const { send } = await start(t, serve())
    for (const revision of revisions) {
      for (const method of ['GET', 'HEAD', 'DELETE', 'PUT', 'PATCH']) {
        const rejected = await send({
          method,
          headers: {
            accept: 'text/event-stream',
            ...revision !== '2025-03-26' && { 'mcp-protocol-version': revision }
          }
        })
        assert.equal(rejected.status, 405, `${method} ${revision}`)
        assert.match(String(rejected.headers.get('allow')), /^POST\b/)
      }
    }
  })

  test(`${name}: POST /mcp accepts notifications with 202, and names no session [HT-07 SE-01 SE-05]`, async (t) => {
    const { send } = await start(t, serve())
    for (const revision of revisions) {
      // A handler with sessions treats an unknown session id as not owned by the caller.
      const ignored = revision === '2026-07-28' || serve().handler === undefined
      for (
        const session of [{}, ...ignored ? [{ 'mcp-session-id': 'x', 'last-event-id': '1' }] : []]
      ) {
        const { body, ...init } = rpc(
          revision,
          'notifications/cancelled',
          { requestId: 1 },
          session
        )
        const { id: _, ...notification } = JSON.parse(String(body))
        const accepted = await send({ ...init, body: JSON.stringify(notification) })
        assert.deepEqual(
          [accepted.status, await accepted.text(), accepted.headers.get('mcp-session-id')],
          [202, '', null],
          revision
        )
        for (
          const method of [
            'tools/list',
            revision === '2026-07-28' ? 'server/discover' : 'initialize'
          ]
        ) {
          const response = await send(rpc(revision, method, {}, session))
          assert.deepEqual(
            [response.status, response.headers.get('mcp-session-id')],
            [200, null],
            `${revision} ${method}`
          )
        }
      }
    }
  })

  test(`${name}: POST /mcp rejects invalid protocol versions as their era does [HT-08 HT-09 HT-10]`, async (t) => {
    const { send } = await start(t, serve())
    const claim = 'io.modelcontextprotocol/protocolVersion'
    for (const version of ['v999', '1900-01-01', '']) {
      assert.equal(
        (await send(rpc('2025-11-25', 'tools/list', {}, { 'mcp-protocol-version': version })))
          .status,
        400,
        version
      )
    }
    for (const version of ['2099-01-01', 'v999']) {
      const rejected = await send(
        rpc('2026-07-28', 'tools/list', { _meta: { [claim]: version } }, {
          'mcp-protocol-version': version
        })
      )
      const { id, error } = await messageIn(rejected)
      assert.deepEqual([rejected.status, id, error.code, error.data.requested], [
        400,
        5,
        -32022,
        version
      ])
      assert.ok(error.data.supported.includes('2026-07-28'))
    }
    for (const version of [undefined, '2025-11-25', '2099-01-01']) {
      const rejected = await send(
        rpc('2026-07-28', 'tools/list', {}, { 'mcp-protocol-version': version })
      )
      const { id, error } = await messageIn(rejected)
      assert.deepEqual([rejected.status, id, error.code], [400, 5, -32020], version)
    }
    const first = await send(rpc('2025-03-26', 'initialize'))
    assert.deepEqual([first.status, (await messageIn(first)).result.protocolVersion], [
      200,
      '2025-03-26'
    ], 'no header, no claim')
  })

  test(`${name}: POST /mcp rejects modern headers that differ from the body [HT-11 HT-12 HT-14]`, async (t) => {
    const { send } = await start(t, serve())
    const call = { name: 'hidden', arguments: {} }
    const encoded = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`
    const mismatches: Array<
      [method: string, params: object, headers: Record<string, string | undefined>]
    > = [
      ['tools/list', {}, { 'mcp-method': undefined }],
      ['tools/list', {}, { 'mcp-method': 'TOOLS/LIST' }],
      ['tools/list', {}, { 'mcp-method': 'tools/call' }],
      ['tools/list', {}, { 'mcp-method': '' }],
      ['tools/call', call, { 'mcp-name': undefined }],
      ['tools/call', call, { 'mcp-name': 'echo' }],
      ['tools/call', call, { 'mcp-name': 'HIDDEN' }],
      ['tools/call', call, { 'mcp-name': encoded('echo') }],
      ['tools/call', call, { 'mcp-name': '=?base64?####?=' }],
      ['tools/call', call, { 'mcp-name': '=?base64?aGlkZGVu=?=' }],
      ['tools/call', call, { 'mcp-method': undefined, 'mcp-name': undefined }]
    ]
    for (const [method, params, headers] of mismatches) {
      const rejected = await send(rpc('2026-07-28', method, params, headers))
      const { id, error } = await messageIn(rejected)
      assert.deepEqual([rejected.status, id, error.code], [400, 5, -32020], JSON.stringify(headers))
    }
    for (
      const headers of [{}, { 'mcp-name': ' hidden ' }, { 'mcp-name': encoded('hidden') }, {
        'MCP-METHOD': 'tools/call',
        'mcp-method': undefined
      }] as Array<Record<string, string | undefined>>
    ) {
      assert.equal(
        (await send(rpc('2026-07-28', 'tools/call', call, headers))).status,
        200,
        JSON.stringify(headers)
      )
    }
    for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25'] as const) {
      const response = await send(
        rpc(revision, 'tools/call', { name: 'echo', arguments: { region: 'eu' } }, {
          'mcp-method': 'tools/list',
          'mcp-name': 'hidden'
        })
      )
      assert.match(JSON.stringify((await messageIn(response)).result.content), /eu/, revision)
    }
  })

  test(`${name}: POST /mcp rejects parameter headers that differ from the arguments [HT-13]`, async (t) => {
    const { send, mcpUrl, authorization } = await start(t, serve())
    const call = (args: object, headers: Record<string, string>) =>
      send(rpc('2026-07-28', 'tools/call', { name: 'echo', arguments: args }, headers))
    const valid: Array<[args: object, headers: Record<string, string>]> = [
      [{ region: 'eu' }, { 'mcp-param-region': 'eu' }],
      [{ region: 'eu' }, { 'Mcp-Param-Region': ' eu ', 'mcp-param-count': '7' }],
      [{ region: 'Zürich' }, { 'mcp-param-region': '=?base64?WsO8cmljaA==?=' }],
      [{ region: 'eu', count: 42 }, { 'mcp-param-region': 'eu', 'mcp-param-count': '42.0' }]
    ]
    for (const [args, headers] of valid) {
      const response = await call(args, headers)
      assert.deepEqual(
        [
          response.status,
          /region/.test(JSON.stringify((await messageIn(response)).result?.content))
        ],
        [200, true],
        JSON.stringify(headers)
      )
    }
    const invalid: Array<[args: object, headers: Record<string, string>]> = [
      [{ region: 'eu' }, {}],
      [{ region: 'eu' }, { 'mcp-param-region': 'us' }],
      [{ region: 'eu' }, { 'mcp-param-region': 'EU' }],
      [{ region: 'eu' }, { 'mcp-param-region': '' }],
      [{ region: 'Zürich' }, { 'mcp-param-region': '=?base64?WsO8cmljaA?=' }],
      [{ region: 'eu', count: 42 }, { 'mcp-param-region': 'eu' }],
      [{ region: 'eu', count: 42 }, { 'mcp-param-region': 'eu', 'mcp-param-count': '0x2a' }]
    ]
    for (const [args, headers] of invalid) {
      const rejected = await call(args, headers)
      const { id, error } = await messageIn(rejected)
      assert.deepEqual(
        [rejected.status, id, error.code],
        [400, 5, -32020],
        JSON.stringify([args, headers])
      )
    }
    const earlier = await send(
      rpc('2025-11-25', 'tools/call', { name: 'echo', arguments: { region: 'eu' } }, {
        'mcp-param-region': 'us'
      })
    )
    assert.match(JSON.stringify((await messageIn(earlier)).result.content), /eu/)

    const client = new Client2({ name: 'client', version: '1.0.0' }, {
      versionNegotiation: { mode: { pin: '2026-07-28' } }
    })
    t.after(() => client.close())
    await client.connect(
      new Transport2(new URL(mcpUrl), { requestInit: { headers: { authorization } } })
    )
    await client.listTools()
    assert.match(
      JSON.stringify(
        (await client.callTool({ name: 'echo', arguments: { region: 'Zürich', count: 3 } })).content
      ),
      /Zürich/,
      'the client of the SDK sends them'
    )
  })

  test(`${name}: POST /mcp requires modern _meta, and describes the server [HT-15 HT-16 HT-18 HT-22]`, async (t) => {
    const { send, mcpUrl } = await start(t, serve())
    const incomplete = [
      undefined,
      {},
      { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
      { 'io.modelcontextprotocol/clientCapabilities': {} }
    ]
    for (const _meta of incomplete) {
      const { body, ...init } = rpc('2026-07-28', 'tools/list')
      const rejected = await send({
        ...init,
        body: JSON.stringify({ ...JSON.parse(String(body)), params: { _meta } })
      })
      const { id, error } = await messageIn(rejected)
      assert.deepEqual([rejected.status, id, error.code], [400, 5, -32602], JSON.stringify(_meta))
    }
    for (
      const method of [
        'initialize',
        'ping',
        'logging/setLevel',
        'resources/subscribe',
        'resources/unsubscribe',
        'tasks/list',
        'nothing'
      ]
    ) {
      const unknown = await send(rpc('2026-07-28', method))
      const { id, error } = await messageIn(unknown)
      assert.deepEqual([unknown.status, id, error.code], [404, 5, -32601], method)
    }
    const legacy = await send(rpc('2025-11-25', 'nothing'))
    assert.deepEqual([legacy.status, (await messageIn(legacy)).error.code], [200, -32601])

    assert.equal((await sendRequest(mcpUrl, rpc('2026-07-28', 'server/discover'))).status, 401)
    const discovered = await send(rpc('2026-07-28', 'server/discover'))
    const { result } = await messageIn(discovered)
    assert.equal(discovered.status, 200)
    assert.ok(result.supportedVersions.includes('2026-07-28'))
    assert.deepEqual([result.resultType, result.cacheScope, typeof result.capabilities.tools], [
      'complete',
      'private',
      'object'
    ])
    for (
      const message of [
        await messageIn(await send(rpc('2026-07-28', 'tools/list'))),
        await messageIn(
          await send(rpc('2026-07-28', 'tools/call', { name: 'hidden', arguments: {} }))
        )
      ]
    ) assert.equal(message.result.resultType, 'complete')
  })

  test(`${name}: POST /mcp serves clients of both eras on one URL [HT-24]`, async (t) => {
    const { mcpUrl, authorization } = await start(t, serve())
    const requestInit = { headers: { authorization } }
    const legacyClient = new Client({ name: 'client', version: '1.0.0' })
    t.after(() => legacyClient.close())
    await legacyClient.connect(
      new StreamableHTTPClientTransport(new URL(mcpUrl), { requestInit }) as never
    )
    for (const mode of ['auto', { pin: '2026-07-28' }] as const) {
      const modern = new Client2({ name: 'client', version: '1.0.0' }, {
        versionNegotiation: { mode }
      })
      t.after(() => modern.close())
      await modern.connect(new Transport2(new URL(mcpUrl), { requestInit }))
      for (const client of [legacyClient, modern]) {
        assert.deepEqual((await client.listTools()).tools.map(({ name }) => name).sort(), [
          'echo',
          'hidden'
        ])
        assert.match(
          JSON.stringify(
            (await client.callTool({ name: 'echo', arguments: { region: 'eu' } })).content
          ),
          /eu/
        )
      }
    }
  })
}

test('POST /mcp decodes an Mcp-Name header beyond ASCII [HT-12]', async (t) => {
  const { send } = await start(t, { server: sdk1() })
  const read = (name: string) =>
    send(rpc('2026-07-28', 'resources/read', { uri: 'note://é' }, { 'mcp-name': name }))
  assert.equal((await read(`=?base64?${Buffer.from('note://é').toString('base64')}?=`)).status, 200)
  assert.equal((await read('note://e')).status, 400)
})

test('POST /mcp of a modern-only server lists its versions for legacy clients [HT-19]', async (t) => {
  const { send } = await start(t, { handler: createMcpHandler(sdk2, { legacy: 'reject' }) })
  for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25'] as const) {
    const rejected = await send(rpc(revision, 'initialize'))
    const { error } = await messageIn(rejected)
    assert.deepEqual([rejected.status, error.code, error.data.supported], [400, -32022, [
      '2026-07-28'
    ]], revision)
  }
})

test('/mcp rejects an ended or unknown session with 404, a missing one with 400 [SE-04 HT-06]', async (t) => {
  const { send } = await start(t, { handler: sessionHandler() })
  for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25'] as const) {
    const id = (await send(rpc(revision, 'initialize'))).headers.get('mcp-session-id')
    assert.match(String(id), /^[\x21-\x7e]+$/)
    const session = { 'mcp-session-id': String(id) }
    const listed = await send(rpc(revision, 'tools/list', {}, session))
    assert.equal(listed.status, 200)
    await listed.text()
    assert.equal((await send(rpc(revision, 'tools/list'))).status, 400, 'missing')
    assert.equal(
      (await send(rpc(revision, 'tools/list', {}, { 'mcp-session-id': `${id}x` }))).status,
      404,
      'unknown'
    )
    const end = {
      method: 'DELETE',
      headers: { ...session, ...revision !== '2025-03-26' && { 'mcp-protocol-version': revision } }
    }
    assert.equal((await send(end)).status, 200)
    for (
      const init of [rpc(revision, 'tools/list', {}, session), end, {
        method: 'GET',
        headers: { ...session, accept: 'text/event-stream' }
      }]
    ) assert.equal((await send(init)).status, 404, 'ended')
  }
})

/**
 * A server that requires input before it responds, and needs its state again then. The request
 * state is sealed for one caller.
 */
function inputServer () {
  const states = createRequestStateCodec({
    key: randomBytes(32),
    ttlSeconds: 60,
    bind: ({ http }) => String((http?.authInfo as { subject?: string } | undefined)?.subject)
  })
  const confirmation = z.object({ ok: z.boolean() })
  return createMcpHandler(() => {
    const server = new McpServer2({ name: 'test', version: '1.0.0' }, {
      requestState: { verify: states.verify }
    })
    server.registerTool('ask', {}, async (ctx) => {
      const { mcpReq: { inputResponses, requestState } } = ctx
      if (
        acceptedContent(inputResponses, 'confirm', confirmation) !== undefined
      ) { return await headersOfSdk({ remembered: requestState() }) }
      return inputRequired({
        inputRequests: {
          confirm: inputRequired.elicit({ message: 'Sure?', requestedSchema: confirmation })
        },
        requestState: await states.mint('plans', ctx)
      })
    })
    return server
  })
}

test('POST /mcp names the client capabilities that a tool needs [HT-17]', async (t) => {
  const { send } = await start(t, { handler: inputServer() })
  const rejected = await send(rpc('2026-07-28', 'tools/call', { name: 'ask', arguments: {} }))
  const { id, error } = await messageIn(rejected)
  assert.deepEqual(
    [rejected.status, id, error.code, Object.keys(error.data.requiredCapabilities)],
    [
      400,
      5,
      -32021,
      ['elicitation']
    ]
  )
})

test("POST /mcp rejects a request state that was changed or is another caller's [SE-07 SE-08]", async (t) => {
  const { mcpUrl, token } = await start(t, { handler: inputServer() })
  const call = async (subject: string, more: object = {}) => {
    const _meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
    return await messageIn(
      await sendRequest(
        mcpUrl,
        rpc('2026-07-28', 'tools/call', { name: 'ask', arguments: {}, _meta, ...more }, {
          authorization: `Bearer ${await token({ sub: subject })}`
        })
      )
    )
  }
  const { result: { requestState } } = await call('alice')
  const inputs = { inputResponses: { confirm: { action: 'accept', content: { ok: true } } } }
  assert.match(JSON.stringify((await call('alice', { ...inputs, requestState })).result), /plans/)
  for (
    const [subject, state] of [['bob', requestState], ['alice', `${requestState}x`], [
      'alice',
      requestState.replace(/^./, (first: string) => first === 'A' ? 'B' : 'A')
    ], ['alice', 'x']]
  ) {
    const { result, error } = await call(subject, { ...inputs, requestState: state })
    assert.ok(
      error !== undefined || result.isError === true,
      `${subject} ${JSON.stringify(result)}`
    )
    assert.doesNotMatch(JSON.stringify(result ?? null), /plans/)
  }
})
