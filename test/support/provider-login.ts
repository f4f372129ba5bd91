import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { refreshAuthorization } from '@modelcontextprotocol/sdk/client/auth.js'
import type { OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp } from './app.ts'
import { freePort, secret } from './broker.ts'
import type { ForeignProvider, Registration } from './glewlwyd.ts'
import { connectClient, headlessOAuth, metadataOf, revoke } from './login.ts'
import type { Harness } from './matrix.ts'

// How does a client log in through the broker at a real provider?

/** A real provider, and the options that a login there needs. */
export type Provider = ForeignProvider & { options?: Partial<McpOAuthOptions> }

/** Starts a provider with the broker as its client. Null if it is not installed. */
export type Start<P extends Provider = Provider> = (
  t: TestContext,
  registration: Registration
) => Promise<P | null>

/** These providers do not decode the parts of a Basic header (RFC 6749 §2.3.1). */
const clientSecret = `canary-client-secret-${randomBytes(12).toString('hex')}`

/**
 * The result of a login: the provider, our tokens, the userinfo for the provider's own token, and
 * functions that refresh and revoke.
 */
export interface Login<P extends Provider = Provider> {
  provider: P
  token: OAuthTokens
  userinfo: Record<string, unknown>
  refresh(token: OAuthTokens): Promise<OAuthTokens>
  revoke(token: OAuthTokens): Promise<void>
}

/**
 * The broker in front of a provider, and a login through both with the SDK's client. Null if the
 * provider is not installed.
 */
export async function logIn<P extends Provider> (
  t: TestContext,
  { options }: Harness,
  start: Start<P>
): Promise<Login<P> | null> {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  const providerOptions = await options()
  const issuer = publicUrl + providerOptions.prefix
  const provider = await start(t, {
    clientId: 'broker',
    clientSecret,
    redirectUri: `${issuer}/oauth/callback`
  })
  if (provider === null) return null
  const { mcpUrl } = await buildApp(t, {
    issuer: provider.issuer,
    clientId: 'broker',
    clientSecret,
    secret,
    setupProxies: true,
    publicUrl,
    requiredScopes: ['mcp:read'],
    upstreamToken: true,
    mcp: { tools: true },
    ...providerOptions,
    ...provider.options
  }, {
    routes: (app) => {
      addUserinfo(app, provider.issuer)
    },
    port
  })

  const oauth = headlessOAuth({ fetch: provider.fetch })
  const client = await connectClient(mcpUrl, { oauth })
  t.after(() => client.close())
  const { content } = await client.callTool({ name: 'userinfo', arguments: {} }) as {
    content: Array<{ text: string }>
  }
  const { token, client: clientInformation } = oauth
  assert.ok(token && clientInformation)
  assert.equal(oauth.login?.iss, issuer)
  assert.equal(claimsOf(token)['iss'], issuer)
  const metadata = await metadataOf(issuer)
  const userinfo = JSON.parse(content[0]?.text ?? '')
  assert.equal(claimsOf(token)['sub'], userinfo.sub)
  return {
    provider,
    token,
    userinfo,
    revoke: async token => await revoke(issuer, { ...oauth, token }),
    refresh: async ({ refresh_token: refreshToken = '' }) =>
      await refreshAuthorization(issuer, { metadata, clientInformation, refreshToken })
  }
}

/** A tool that requests the caller's userinfo with the provider's own token. */
function addUserinfo (app: FastifyInstance, provider: string): void {
  app.get('/userinfo', {
    onRequest: app.requireMcpAuth(),
    schema: { operationId: 'userinfo', summary: 'Returns the userinfo of the caller' }
  }, async ({ mcpAuth }) => {
    const metadata =
      await (await fetch(`${provider.replace(/\/$/, '')}/.well-known/openid-configuration`))
        .json() as { userinfo_endpoint: string }
    const response = await fetch(metadata.userinfo_endpoint, {
      headers: { authorization: `Bearer ${mcpAuth?.upstream?.accessToken}` }
    })
    return { sub: null, ...await response.json() as object }
  })
}

function claimsOf ({ access_token: token }: OAuthTokens): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/**
 * Refreshes twice: the second refresh proves that the first one stored a valid token.
 *
 * @returns the last tokens
 */
export async function refreshTwice ({ token, refresh }: Login): Promise<OAuthTokens> {
  const second = await refresh(token)
  assert.notEqual(second.refresh_token, token.refresh_token)
  const third = await refresh(second)
  assert.equal(claimsOf(third)['sub'], claimsOf(token)['sub'])
  return third
}
