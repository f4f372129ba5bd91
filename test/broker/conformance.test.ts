import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import Fastify, { type FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import type { FetchHandler } from '../../lib/schemas/options.ts'
import { freePort, startBroker } from '../support/broker.ts'
import { conformance } from '../support/conformance.ts'
import { connectClient, headlessLogin, headlessOAuth } from '../support/login.ts'

const text = 'This is a simple text response for testing.'

test('the conformance suite: authorization server (PX, RFC 8414, RFC 6749, RFC 9207)', async (t) => {
  const run = await conformance(t)
  if (run === null) return
  for (const prefix of ['', '/v1']) {
    const { issuer, mcpUrl } = await startBroker(t, { options: { prefix } })
    const port = await freePort()
    const redirectUri = `http://127.0.0.1:${port}/callback`
    const body = JSON.stringify({ redirect_uris: [redirectUri] })
    const registered = await fetch(`${issuer}/oauth/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const { client_id: clientId } = await registered.json() as { client_id: string }
    const logins: Array<Promise<unknown>> = []
    const { passed, output } = await run(['authorization', '--url', issuer, '--client-id', clientId, '--resource', mcpUrl, '--port', String(port)], {
      // It prints where the user shall go, and waits for the browser to come back.
      line (line) { if (line.startsWith(`${issuer}/oauth/authorize?`)) logins.push(headlessLogin(line, { stopAt: redirectUri }).then(({ url }) => fetch(url))) }
    })
    await Promise.all(logins)
    assert.ok(passed, output)
    assert.equal(logins.length, 1, output)
  }
})

/** Tools the suite asks for, as routes. */
function routes (app: FastifyInstance): void {
  app.get('/simple-text', { schema: { operationId: 'test_simple_text', summary: 'Says something' } }, async () => text)
  app.get('/error-handling', { schema: { operationId: 'test_error_handling', summary: 'Always fails' } }, async (_request, reply) => await reply.code(500).send({ message: text }))
}

/** The same in an SDK 2.x server, for clients without sessions. */
function handler (): FetchHandler {
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'test', version: '1.0.0' })
    server.registerTool('test_simple_text', { description: 'Says something' }, async () => ({ content: [{ type: 'text', text }] }))
    server.registerTool('test_error_handling', { description: 'Always fails' }, async () => { throw new Error(text) })
    return server
  }) as FetchHandler
}

/** The suite brings no token: a hook of the host adds one that was got in a whole login. */
async function startServer (t: TestContext, mcp: NonNullable<McpOAuthOptions['mcp']>): Promise<string> {
  const app = Fastify()
  const oauth = headlessOAuth()
  app.addHook('onRequest', async ({ headers, url }) => { if (url === '/mcp' && oauth.token) headers.authorization = `Bearer ${oauth.token.access_token}` })
  const { mcpUrl } = await startBroker(t, { app, routes, options: { mcp } })
  await (await connectClient(mcpUrl, { oauth })).close()
  return mcpUrl
}

const servers = [
  { version: '2025-11-25', mcp: () => ({ tools: true as const }), scenarios: ['server-initialize', 'ping', 'logging-set-level', 'tools-list', 'tools-call-simple-text', 'tools-call-error', 'dns-rebinding-protection'] },
  { version: '2026-07-28', mcp: () => ({ handler: handler() }), scenarios: ['server-stateless', 'tools-list', 'tools-call-simple-text', 'tools-call-error', 'dns-rebinding-protection'] }
]

/** It asks for diagnostic tools we do not have. */
const untestable = /^ {4}Error: Not testable: server does not list the diagnostic tool .*$/

for (const { version, mcp, scenarios } of servers) {
  test(`the conformance suite: the MCP route in revision ${version} (HT-01)`, async (t) => {
    const run = await conformance(t)
    if (run === null) return
    const url = await startServer(t, mcp())
    for (const scenario of scenarios) {
      const { passed, output } = await run(['server', '--url', url, '--spec-version', version, '--scenario', scenario])
      const faults = output.match(/^ {4}Error: .*$/gm) ?? []
      assert.ok(passed || (faults.length > 0 && faults.every(fault => untestable.test(fault))), output)
      assert.match(output, /Passed: [1-9]/)
    }
  })
}

const logins = [
  'metadata-default', 'metadata-var1', 'metadata-var2', 'metadata-var3', 'pre-registration', 'token-endpoint-auth-basic', 'token-endpoint-auth-post', 'token-endpoint-auth-none',
  'iss-supported', 'iss-not-advertised', 'iss-supported-missing', 'iss-wrong-issuer', 'iss-unexpected', 'iss-normalized', 'offline-access-scope', 'offline-access-not-supported'
]

test('the conformance suite: the broker as a client of a provider (B-09, RFC 9207, RFC 7636)', async (t) => {
  const run = await conformance(t)
  if (run === null) return
  const command = `"${process.execPath}" --import tsx "${fileURLToPath(new URL('../support/conformance-client.ts', import.meta.url))}"`
  for (const scenario of logins) {
    const { passed, output } = await run(['client', '--command', command, '--scenario', `auth/${scenario}`])
    assert.ok(passed, output)
    assert.match(output, /Passed: [1-9]/)
  }
})
