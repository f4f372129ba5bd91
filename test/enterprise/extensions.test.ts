import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { withExtensions } from '../../lib/mcp/servers/extensions.ts'
import { startBroker } from '../support/broker.ts'
import { basic, newSecret } from '../support/machines.ts'
import { toolServers } from '../support/tool-servers.ts'

const { secret, hash } = newSecret()
const managed = 'io.modelcontextprotocol/enterprise-managed-authorization'
const credentials = 'io.modelcontextprotocol/oauth-client-credentials'
const trusted = { trustedIssuers: [{ issuer: 'https://idp.example.com' }] }
const machine = {
  clients: [{
    clientId: 'robot',
    secretHashes: [hash],
    grantTypes: ['client_credentials' as const],
    scopes: ['mcp:read']
  }]
}

/** The extensions that a server declares to clients of both eras, and the profiles in metadata. */
async function declared (t: TestContext, options: Partial<McpOAuthOptions>) {
  const { app } = await startBroker(t, {
    options: { ...machine, ...options },
    ...(options.mcp?.tools === undefined && { routes: () => {} })
  })
  const { access_token: token } = (await app.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...basic('robot', secret)
    },
    payload: 'grant_type=client_credentials&scope=mcp%3Aread'
  })).json()
  const ask = async (method: string, params: object, headers: object = {}) => {
    const { body } = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers
      },
      payload: { jsonrpc: '2.0', id: 1, method, params }
    })
    const { result } = JSON.parse(/\{[^\n]*\}/.exec(body)?.[0] ?? '{}')
    assert.ok(result, body)
    return result.capabilities
  }
  const legacy = await ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' }
  })
  const modern = await ask('server/discover', {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {}
    }
  }, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' })
  assert.ok(legacy.tools && modern.tools, 'its own capabilities stay')
  const metadata = (await app.inject('/.well-known/oauth-authorization-server')).json()
  return [legacy.extensions, modern.extensions, metadata.authorization_grant_profiles_supported]
}

const profile = 'urn:ietf:params:oauth:grant-profile:id-jag'

for (const [name, create] of Object.entries(toolServers)) {
  test(`${name}: initialize and server/discover declare exactly the extensions that are on [EX-05]`, async (t) => {
    const { mcp } = create(() => {})
    const both = { [managed]: {}, [credentials]: {} }
    assert.deepEqual(await declared(t, { mcp, ...trusted }), [both, both, [profile]])
    const one = { [credentials]: {} }
    assert.deepEqual(await declared(t, { mcp: create(() => {}).mcp, trustedIssuers: [] }), [
      one,
      one,
      undefined
    ])
  })
}

test('initialize keeps the extensions that a server of the app declares [EX-05]', async (t) => {
  const server = new McpServer({ name: 'own', version: '1' }, {
    capabilities: { extensions: { 'com.example/own': { a: 1 }, [managed]: { mine: true } } }
  })
  server.registerTool('act', {}, async () => ({ content: [] }))
  const [legacy] = await declared(t, { mcp: { server }, ...trusted })
  assert.deepEqual(legacy, {
    'com.example/own': { a: 1 },
    [managed]: { mine: true },
    [credentials]: {}
  })
})

test('an endpoint without extensions stays as it is', () => {
  const endpoint = { methods: [], ready: noop, close: noop, handle: noop as never }
  assert.equal(withExtensions(endpoint, {}), endpoint)
})

async function noop () {}
