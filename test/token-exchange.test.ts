import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { jwtVerifier, type McpAuth } from '../lib/index.ts'
import type Provider from 'oidc-provider'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { buildApp } from './support/app.ts'
import { freePort } from './support/broker.ts'
import { connectClient, headlessOAuth } from './support/login.ts'
import { startProvider, type RunningProvider } from './support/provider.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

/**
 * Another service, which accepts the provider's tokens if it is their audience. It records the
 * tokens it received.
 */
async function startCalendar (
  t: TestContext,
  issuer: string
): Promise<{ url: string, received: string[] }> {
  const verify = jwtVerifier({ issuer })
  const received: string[] = []
  const server = createServer((request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    received.push(token)
    verify(token, { resource: url, now: Date.now() / 1000 }).then(
      caller =>
        response.writeHead(caller ? 200 : 401, { 'content-type': 'application/json' }).end(
          JSON.stringify([`an event of ${caller?.subject}`])
        ),
      () => response.writeHead(401).end()
    )
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, received }
}

/** Adds the grant of RFC 8693 to a provider. */
function addExchange (
  provider: Provider,
  subjectOf: (subjectToken: string) => Promise<{ accountId: string, grantId?: string }>
) {
  provider.registerGrantType(exchange, async (context) => {
    const { subject_token: subjectToken, resource } = context.oidc.params
    const { accountId, grantId } = await subjectOf(subjectToken)
    const { client } = context.oidc
    const token = new provider.AccessToken({ accountId, grantId, client, gty: exchange })
    token.resourceServer = new provider.ResourceServer(resource, {
      audience: resource,
      scope: '',
      accessTokenFormat: 'jwt',
      jwt: { sign: { alg: 'RS256' } }
    })
    context.body = {
      access_token: await token.save(),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: token.expiration
    }
  }, ['subject_token', 'subject_token_type', 'resource'])
}

test("a tool calls another service with an exchanged token, not the client's [TP-01 TP-04 Q-25]", async (t) => {
  process.env['CLIENT_SECRET'] ??= randomBytes(32).toString('hex')
  const { app: idle, build } = await import('../docs/examples/token-exchange.ts')
  t.after(() => idle.close())
  const port = await freePort()
  const client = {
    client_id: 'your-client-id',
    client_secret: process.env['CLIENT_SECRET'],
    redirect_uris: [`http://localhost:${port}/oauth/callback`],
    grant_types: ['authorization_code', 'refresh_token', exchange],
    response_types: ['code']
  }
  const provider = await startProvider({
    registration: false,
    clients: [client],
    extend: provider =>
      addExchange(provider, async subjectToken => await provider.AccessToken.find(subjectToken))
  })
  const calendar = await startCalendar(t, provider.issuer)
  const app = await build(provider.issuer, calendar.url)
  t.after(async () => {
    await app.close()
    await provider.close()
  })
  await app.listen({ host: '127.0.0.1', port })

  const oauth = headlessOAuth({ user: 'alice' })
  const mcp = await connectClient(`http://localhost:${port}/mcp`, { oauth })
  t.after(() => mcp.close())
  const { content } = await mcp.callTool({ name: 'listEvents', arguments: {} })
  assert.deepEqual(content, [{ type: 'text', text: '["an event of alice"]' }])
  assert.equal(calendar.received.length, 1)
  const [received = ''] = calendar.received
  assert.notEqual(received, oauth.token?.access_token)
  assert.equal(
    JSON.parse(Buffer.from(received.split('.')[1] ?? '', 'base64url').toString()).aud,
    calendar.url
  )

  const direct = await fetch(`${calendar.url}/events`, {
    headers: { authorization: `Bearer ${oauth.token?.access_token}` }
  })
  assert.equal(direct.status, 401, "the other service rejects the client's token")
})

test('a tool of an McpServer calls another service where clients log in at the provider [TP-01]', async (t) => {
  const port = await freePort()
  const resource = `http://localhost:${port}/mcp`
  const account = { clientId: 'notes', clientSecret: randomBytes(32).toString('hex') }
  const provider: RunningProvider = await startProvider({
    clients: [{
      client_id: account.clientId,
      client_secret: account.clientSecret,
      redirect_uris: [],
      grant_types: [exchange],
      response_types: []
    }],
    scopes: ['notes:read'],
    extend: served =>
      addExchange(served, async subjectToken => {
        const verify = jwtVerifier({ issuer: provider.issuer })
        const caller = await verify(subjectToken, { resource, now: Date.now() / 1000 })
        return { accountId: String(caller?.subject) }
      })
  })
  const calendar = await startCalendar(t, provider.issuer)
  const server = new McpServer({ name: 'notes', version: '1.0.0' })
  server.registerTool('events', {}, async ({ authInfo }) => {
    const token = await (authInfo as McpAuth).tokenFor?.('calendar')
    const answer = await fetch(calendar.url, { headers: { authorization: `Bearer ${token}` } })
    return { content: [{ type: 'text', text: await answer.text() }] }
  })
  await buildApp(t, {
    issuer: provider.issuer,
    ...account,
    publicUrl: new URL(resource).origin,
    requiredScopes: ['notes:read'],
    exchange: { calendar: { resource: calendar.url } },
    mcp: { server }
  }, { port, closeLast: provider })

  const oauth = headlessOAuth({ user: 'bob' })
  const mcp = await connectClient(resource, { oauth })
  t.after(() => mcp.close())
  for (let call = 0; call < 2; call++) {
    const { content } = await mcp.callTool({ name: 'events', arguments: {} })
    assert.deepEqual(content, [{ type: 'text', text: '["an event of bob"]' }])
  }
  const [first = '', second] = calendar.received
  assert.equal(second, first, 'the second call needs no token request')
  assert.notEqual(first, oauth.token?.access_token)
})
