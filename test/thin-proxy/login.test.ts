import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { buildApp } from '../support/app.ts'
import { connectClient, headlessOAuth } from '../support/login.ts'
import { startProvider, type RunningProvider } from '../support/provider.ts'

const redirectUrl = 'http://127.0.0.1:4711/callback'
const clientId = 'upstream-client'
const clientSecret = 'upstream-secret-canary'

/** A provider without registration, where the redirect URI of our clients is configured. */
async function startConfiguredProvider (method: string): Promise<RunningProvider> {
  return await startProvider({
    registration: false,
    scopes: ['read'],
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: method
    }]
  })
}

for (
  const [method, prefix] of [['client_secret_post', ''], ['client_secret_basic', '/api']] as const
) {
  test(
    `the SDK client registers, logs in, calls and refreshes through the thin proxies (${method}, prefix '${prefix}')`,
    async (t) => {
      const provider = await startConfiguredProvider(method)
      const logs: string[] = []
      const app = Fastify({
        logger: {
          level: 'trace',
          stream: {
            write: (line: string) => {
              logs.push(line)
            }
          }
        }
      })
      const { mcpUrl, origin } = await buildApp(t, {
        issuer: provider.issuer,
        clientId,
        clientSecret,
        setupProxies: true,
        version: '2025-03-26',
        prefix,
        requiredScopes: ['read'],
        defaultScope: 'openid read',
        mcp: { tools: true }
      }, {
        app,
        closeLast: provider,
        routes: (app) =>
          app.get(
            '/me',
            { schema: { operationId: 'whoAmI' } },
            async ({ headers }) => ({ authorized: headers.authorization?.startsWith('Bearer ') })
          )
      })

      const requests: string[] = []
      const recordingFetch: typeof fetch = async (input, init) => {
        const response = await fetch(input, init)
        requests.push(
          JSON.stringify([...response.headers]),
          response.headers.get('content-type')?.startsWith('text/event-stream')
            ? ''
            : await response.clone().text()
        )
        return response
      }
      const oauth = headlessOAuth({
        user: 'bob',
        redirectUrl,
        metadata: { token_endpoint_auth_method: 'client_secret_post' },
        fetch: recordingFetch
      })
      const client = await connectClient(mcpUrl, { oauth, fetch: recordingFetch })
      t.after(() => client.close())
      const result = await client.callTool({ name: 'whoAmI', arguments: {} })
      assert.ok(!result.isError, JSON.stringify(result))

      assert.equal(oauth.client?.client_secret, undefined, 'R-01')
      assert.notEqual(oauth.client?.client_id, clientId, 'REG-08')
      assert.equal(oauth.token?.id_token, undefined)
      const claims = JSON.parse(
        Buffer.from(String(oauth.token?.access_token.split('.')[1]), 'base64url').toString()
      )
      assert.deepEqual([claims.iss, claims.aud, claims.sub, claims.client_id], [
        provider.issuer,
        mcpUrl,
        'bob',
        clientId
      ])

      const refreshed = await recordingFetch(`${origin}${prefix}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          client_id: String(oauth.client?.client_id),
          refresh_token: String(oauth.token?.refresh_token)
        })
      })
      assert.equal(refreshed.status, 200)
      const { access_token: token } = await refreshed.json() as { access_token: string }
      const toolResponse = await fetch(mcpUrl, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json'
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
      })
      assert.equal(toolResponse.status, 200)
      assert.match(await toolResponse.text(), /whoAmI/)
      for (const text of [...requests, ...logs]) assert.ok(!text.includes(clientSecret), 'D17')
    }
  )
}

test("GET /oauth/authorize: a user who denies returns to the client with the provider's error", async (t) => {
  const provider = await startConfiguredProvider('client_secret_post')
  const { mcpUrl } = await buildApp(t, {
    issuer: provider.issuer,
    clientId,
    clientSecret,
    setupProxies: true,
    version: '2025-03-26',
    mcp: { tools: true }
  }, { closeLast: provider })
  const oauth = headlessOAuth({ redirectUrl, decision: 'deny' })
  await assert.rejects(connectClient(mcpUrl, { oauth }), /access_denied/)
  assert.equal(oauth.token, undefined)
})
