import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { buildApp, loggingApp } from '../support/app.ts'
import { toolServers } from '../support/tool-servers.ts'

const cardType = 'application/mcp-server-card+json; charset=utf-8'
const publicUrl = 'https://mcp.example.com'
const open = { auth: false as const, publicUrl }

const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
const schemaUrl = new URL('../fixtures/server-card.schema.json', import.meta.url)
ajv.addSchema(JSON.parse(readFileSync(schemaUrl, 'utf8')), 'cards')

/** The card of a response, which has to fit the published schema. */
function cardIn ({ statusCode, headers, body }: Response) {
  assert.equal(statusCode, 200, body)
  assert.equal(headers['content-type'], cardType)
  const card = JSON.parse(body)
  assert.ok(ajv.validate('cards#/$defs/ServerCard', card), ajv.errorsText())
  return card
}

type Response = Awaited<ReturnType<FastifyInstance['inject']>>

async function start (t: TestContext, ...registrations: Array<Partial<McpOAuthOptions>>) {
  const app = Fastify()
  t.after(() => app.close())
  for (const options of registrations) {
    await app.register(mcpOAuth, { ...open, ...options } as McpOAuthOptions)
  }
  await app.ready()
  return app
}

test('GET {mcp}/server-card describes routes as tools, and lists none [EX-06]', async (t) => {
  const app = await start(t, {
    mcp: { tools: true, card: true, name: 'Notes', version: '2.1.0' }
  })
  assert.deepEqual(cardIn(await app.inject('/mcp/server-card')), {
    $schema: 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json',
    name: 'com.example.mcp/Notes',
    version: '2.1.0',
    description: 'MCP server at mcp.example.com',
    remotes: [{
      type: 'streamable-http',
      url: 'https://mcp.example.com/mcp',
      supportedProtocolVersions: [
        '2026-07-28',
        '2025-11-25',
        '2025-06-18',
        '2025-03-26',
        '2024-11-05',
        '2024-10-07'
      ]
    }]
  })
})

const described = {
  name: 'com.example/notes',
  title: 'Notes',
  description: 'Reads and writes notes',
  version: '1.2.3',
  websiteUrl: 'https://example.com/notes',
  icons: [
    { src: 'data:image/png;base64,AAAA', mimeType: 'image/png', sizes: ['48x48'] },
    { src: 'https://example.com/dark.svg', theme: 'dark' as const }
  ]
}

test('GET /.well-known/ai-catalog.json, mcp/server-card and mcp lead to the card of one registration', async (t) => {
  const app = await start(t, { mcp: { tools: true, card: described } })
  const card = cardIn(await app.inject('/mcp/server-card'))
  const { $schema: _schema, remotes: _remotes, ...own } = card
  assert.deepEqual(own, described)
  for (const url of ['/.well-known/mcp/server-card', '/.well-known/mcp']) {
    assert.deepEqual(cardIn(await app.inject(url)), card)
  }
  const catalog = await app.inject('/.well-known/ai-catalog.json')
  assert.equal(catalog.headers['content-type'], 'application/ai-catalog+json; charset=utf-8')
  assert.deepEqual(catalog.json(), {
    specVersion: '1.0',
    entries: [{
      identifier: 'urn:air:example.com:mcp:notes',
      type: 'application/mcp-server-card+json',
      url: 'https://mcp.example.com/mcp/server-card'
    }]
  })
})

test('the catalog lists the cards of all registrations, and bare URLs respond 404', async (t) => {
  const crm = { ...described, name: 'com.example/crm' }
  const app = await start(
    t,
    { prefix: '/notes', mcp: { tools: true, card: described } },
    { prefix: '/crm', mcp: { tools: true, card: crm } },
    { prefix: '/none', mcp: { tools: true } }
  )
  assert.equal(cardIn(await app.inject('/notes/mcp/server-card')).name, described.name)
  assert.equal(cardIn(await app.inject('/crm/mcp/server-card')).name, crm.name)
  assert.equal((await app.inject('/none/mcp/server-card')).statusCode, 404)
  for (const url of ['/.well-known/mcp/server-card', '/.well-known/mcp']) {
    assert.equal((await app.inject(url)).statusCode, 404)
  }
  const { entries } = (await app.inject('/.well-known/ai-catalog.json')).json()
  assert.deepEqual(entries.map(({ url }: { url: string }) => url), [
    'https://mcp.example.com/notes/mcp/server-card',
    'https://mcp.example.com/crm/mcp/server-card'
  ])
})

test('two cards with one name stop the start', async (t) => {
  const mcp = { tools: true as const, card: described }
  await assert.rejects(start(t, { prefix: '/a', mcp }, { prefix: '/b', mcp }), {
    code: 'FST_MCP_OAUTH_DUPLICATE_REGISTRATION',
    message: /mcp\.card: two registrations have the name com\.example\/notes/
  })
})

test('GET {base}{mcp}/server-card is served with and without the path of publicUrl', async (t) => {
  const app = await start(t, {
    publicUrl: 'https://example.com/api',
    mcp: { tools: true, card: true }
  })
  for (const url of ['/mcp/server-card', '/api/mcp/server-card']) {
    assert.equal(cardIn(await app.inject(url)).remotes[0].url, 'https://example.com/api/mcp')
  }
})

test('GET {mcp}/server-card is open to pages of any origin, and cacheable [EX-06]', async (t) => {
  const app = await start(t, { mcp: { tools: true, card: true } })
  for (const url of ['/mcp/server-card', '/.well-known/ai-catalog.json']) {
    const { headers } = await app.inject({ url, headers: { origin: 'https://other.example' } })
    assert.equal(headers['access-control-allow-origin'], '*')
    assert.equal(headers['access-control-expose-headers'], 'ETag')
    assert.equal(headers['cache-control'], 'public, max-age=3600')
    const { etag = '' } = headers
    const again = await app.inject({ url, headers: { 'if-none-match': String(etag) } })
    assert.deepEqual([again.statusCode, again.body], [304, ''])
    const preflight = await app.inject({
      method: 'OPTIONS',
      url,
      headers: {
        origin: 'https://other.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'if-none-match'
      }
    })
    assert.equal(preflight.statusCode, 204)
    assert.equal(preflight.headers['access-control-allow-origin'], '*')
    assert.equal(preflight.headers['access-control-allow-headers'], 'if-none-match')
    assert.equal((await app.inject({ method: 'POST', url })).statusCode, 405)
  }
})

test('GET {mcp}/server-card needs no token where the MCP route does', async (t) => {
  const app = await start(t, {
    auth: undefined,
    issuer: 'https://id.example.com',
    mcp: { tools: true, card: true }
  } as Partial<McpOAuthOptions>)
  assert.equal((await app.inject({ method: 'POST', url: '/mcp' })).statusCode, 401)
  cardIn(await app.inject('/mcp/server-card'))
})

for (const [name, create] of Object.entries(toolServers)) {
  test(`${name}: the card agrees with server/discover [EX-06]`, async (t) => {
    const { mcp, routes } = create(() => {})
    const { app } = await buildApp(t, {
      auth: false,
      mcp: {
        ...mcp,
        card: mcp.tools ? true : { name: 'com.example/test', version: '1.0.0' }
      }
    }, { ...(routes && { routes }) })
    const { body } = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: {
        host: 'localhost',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'server/discover'
      },
      payload: {
        jsonrpc: '2.0',
        id: 1,
        method: 'server/discover',
        params: {
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': {}
          }
        }
      }
    })
    const { result } = JSON.parse(/\{[^\n]*\}/.exec(body)?.[0] ?? '')
    const card = cardIn(await app.inject('/mcp/server-card'))
    const info = result._meta['io.modelcontextprotocol/serverInfo']
    assert.equal(card.version, info.version)
    if (mcp.tools) assert.equal(card.name.split('/')[1], info.name)
    const { supportedProtocolVersions: versions } = card.remotes[0]
    if (mcp.handler) assert.equal(versions, undefined, 'unknown')
    else for (const version of result.supportedVersions) assert.ok(versions.includes(version))
  })
}

test('without the option there is no card, no catalog and no route', async (t) => {
  const app = await start(t, { mcp: { tools: true } })
  for (
    const url of [
      '/mcp/server-card',
      '/.well-known/mcp/server-card',
      '/.well-known/mcp',
      '/.well-known/ai-catalog.json'
    ]
  ) {
    assert.equal(app.hasRoute({ method: 'GET', url }), false)
    assert.equal((await app.inject(url)).statusCode, 404)
  }
})

test('a hook of the app that changes the card is named in the log', async (t) => {
  const logs: string[] = []
  const app = loggingApp(logs)
  app.addHook(
    'onSend',
    async (_request, _reply, payload) => typeof payload === 'string' ? `${payload} ` : payload
  )
  await buildApp(t, { auth: false, mcp: { tools: true, card: true } }, { app })
  const deadline = Date.now() + 5000
  const warned = () => logs.find(line => line.includes('Hooks of the app change'))
  while (!warned() && Date.now() < deadline) await new Promise(resolve => setImmediate(resolve))
  assert.match(warned() ?? '', /GET \/mcp\/server-card changed/)
  assert.match(warned() ?? '', /GET \/\.well-known\/ai-catalog\.json changed/)
})
