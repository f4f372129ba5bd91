import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { McpOAuthError, introspectionVerifier, type McpOAuthOptions } from '../../lib/index.ts'
import { startFlow } from '../support/flow.ts'
import { buildApp } from '../support/app.ts'
import { startIntrospection } from '../support/introspection.ts'
import { stores } from '../support/stores.ts'

const open = new TextEncoder().encode(': open\n\n')
const endless = () =>
  new Response(
    new ReadableStream({
      start (controller) {
        controller.enqueue(open)
      }
    }),
    { headers: { 'content-type': 'text/event-stream' } }
  )
const mcp: McpOAuthOptions['mcp'] = { handler: { fetch: async () => endless() } }

/** Opens a stream. Resolves to the number of seconds until it ended. */
async function listen (
  t: TestContext,
  url: string,
  token: string
): Promise<{ ended: Promise<number> }> {
  const disconnect = new AbortController()
  t.after(() => disconnect.abort())
  const { status, body } = await fetch(url, {
    headers: { authorization: `Bearer ${token}` },
    signal: disconnect.signal
  })
  assert.equal(status, 200)
  const reader = body?.getReader()
  await reader?.read()
  return {
    ended: Promise.resolve(reader?.read()).then(() => 0, () => 0).then(() =>
      performance.now() / 1000
    )
  }
}

for (const { where, skip, open: openStore } of stores) {
  test(
    `GET /mcp ends a stream within 5 s of the revocation of its token (${where}) [Q-26 RS-24 V-05 V-09]`,
    { skip },
    async (t) => {
      const flow = await startFlow(t, { instances: 2, options: { store: await openStore(t), mcp } })
      const id = await flow.register()
      const [tokens, otherTokens] = [await flow.tokens(id), await flow.tokens(id)]
      const streams = await Promise.all(
        flow.instances.map(({ origin }) => listen(t, `${origin}/mcp`, tokens.access_token))
      )
      const other = await listen(t, `${flow.origin}/mcp`, otherTokens.access_token)
      let revokedAt = performance.now() / 1000
      assert.equal((await flow.revoke({ client_id: id, token: tokens.refresh_token })).status, 200)
      for (const { ended } of streams) assert.ok(await ended - revokedAt < 5)
      assert.equal(await Promise.race([other.ended, Promise.resolve('open')]), 'open')
      revokedAt = performance.now() / 1000
      await flow.instances[1]?.app.mcpOAuth.revoke({ all: true })
      assert.ok(await other.ended - revokedAt < 5, 'by the operator, at another instance')
    }
  )
}

test('GET /mcp ends a stream of an inactive token, but not while introspection fails [Q-26 Q-15]', async (t) => {
  const server = await startIntrospection(t)
  const { mcpUrl } = await buildApp(t, {
    tokens: introspectionVerifier({
      issuer: server.issuer,
      clientId: 'server',
      clientSecret: 'secret'
    }),
    mcp
  })
  server.response = { active: true, aud: mcpUrl }
  const { ended } = await listen(t, mcpUrl, 'opaque')
  server.fail = 'error'
  const requestCount = server.requests.length
  while (server.requests.length < requestCount + 2) {
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.equal(await Promise.race([ended, Promise.resolve('open')]), 'open')
  server.fail = null
  server.response = { active: false }
  const revokedAt = performance.now() / 1000
  assert.ok(await ended - revokedAt < 5)
})

test('GET /mcp ends a stream whose token lost a scope or is rejected [Q-26 RS-12]', async (t) => {
  const caller = {
    token: 'x',
    clientId: 'c',
    scopes: ['mcp'],
    subject: 'alice',
    expiresAt: Math.floor(Date.now() / 1000) - 10
  }
  let isActive = true
  const { mcpUrl } = await buildApp(t, {
    tokens: async () => {
      if (!isActive) throw new McpOAuthError('invalidToken')
      return caller
    },
    requiredScopes: ['mcp'],
    mcp
  })
  const one = await listen(t, mcpUrl, 'x')
  await new Promise(resolve => setTimeout(resolve, 3_000))
  assert.equal(
    await Promise.race([one.ended, Promise.resolve('open')]),
    'open',
    'accepted within the tolerance for clocks'
  )
  caller.scopes = []
  const removedAt = performance.now() / 1000
  assert.ok(await one.ended - removedAt < 5)

  caller.scopes = ['mcp']
  const two = await listen(t, mcpUrl, 'x')
  isActive = false
  const rejectedAt = performance.now() / 1000
  assert.ok(await two.ended - rejectedAt < 5)
})
