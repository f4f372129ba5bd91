import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { refreshAuthorization } from '@modelcontextprotocol/sdk/client/auth.js'
import type { OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp } from '../support/app.ts'
import { freePort, secret } from '../support/broker.ts'
import { matrix, type Harness } from '../support/matrix.ts'
import { type ForeignProvider, type Registration, startGlewlwyd } from '../support/glewlwyd.ts'
import { startLemonldap } from '../support/lemonldap.ts'
import { connectClient, headlessOAuth, metadataOf } from '../support/login.ts'
import { startProvider, type ProviderOptions } from '../support/provider.ts'

type Start = (
  t: TestContext,
  registration: Registration
) => Promise<ForeignProvider & { options?: Partial<McpOAuthOptions> } | null>

/** These providers do not decode the parts of a Basic header (RFC 6749 §2.3.1). */
const clientSecret = `canary-client-secret-${randomBytes(12).toString('hex')}`

/**
 * The result of a login: our tokens, the provider's userinfo for its own token, and a function that
 * refreshes.
 */
interface Login {
  token: OAuthTokens
  userinfo: Record<string, unknown>
  refresh(token: OAuthTokens): Promise<OAuthTokens>
}

/**
 * The broker in front of a provider, and a login through both with the SDK's client. Null if the
 * provider is not installed.
 */
async function logIn (t: TestContext, { options }: Harness, start: Start): Promise<Login | null> {
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
    token,
    userinfo,
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

/** Refreshes twice: the second refresh proves that the first one stored a valid token. */
async function refreshTwice ({ token, refresh }: Login): Promise<void> {
  const second = await refresh(token)
  assert.notEqual(second.refresh_token, token.refresh_token)
  const third = await refresh(second)
  assert.equal(claimsOf(third)['sub'], claimsOf(token)['sub'])
}

matrix(
  'Glewlwyd: a login succeeds with an issuer that has a path, and refreshes with one refresh token [T-26 M-05]',
  async (harness, t) => {
    const login = await logIn(t, harness, async (t, registration) => {
      const provider = await startGlewlwyd(t, registration)
      return provider && { ...provider, options: { defaultScope: 'openid' } }
    })
    if (login !== null) await refreshTwice(login)
  }
)

matrix(
  'LemonLDAP::NG: a login succeeds with a trailing slash, without iss and revocation [T-26 M-05]',
  async (harness, t) => {
    const login = await logIn(t, harness, startLemonldap)
    if (login === null) return
    assert.equal(login.userinfo['sub'], 'dwho')
    await refreshTwice(login)
  }
)

interface Deviation {
  /** Metadata of the registration. */
  client?: object
  provider?: ProviderOptions
  /** Changes the provider's metadata. */
  metadata?: object
  fetch?: typeof fetch
}

/** oidc-provider with deviations. */
function deviating (
  { client, provider: options, metadata, fetch: browser = fetch }: Deviation
): Start {
  return async (t, { clientId, clientSecret, redirectUri }) => {
    const provider = await startProvider({
      registration: false,
      clients: [{
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        ...client
      }],
      ...options
    })
    t.after(() => provider.close())
    return {
      issuer: provider.issuer,
      fetch: browser,
      ...metadata && { options: { oauthMetadataUrl: await publish(t, provider.issuer, metadata) } }
    }
  }
}

/** Publishes the provider's metadata with changes. */
async function publish (t: TestContext, issuer: string, changes: object): Promise<string> {
  const document = await (await fetch(`${issuer}/.well-known/openid-configuration`))
    .json() as object
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ ...document, ...changes }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/**
 * A browser that drops `iss` from the authorization response, as if the provider had not sent it.
 */
const withoutIss: typeof fetch = async (input, init) => {
  const response = await fetch(input, init)
  const location = response.headers.get('location')
  if (location === null || !URL.canParse(location)) return response
  const url = new URL(location)
  if (!url.pathname.endsWith('/oauth/callback')) return response
  url.searchParams.delete('iss')
  const headers = new Headers(response.headers)
  headers.set('location', url.href)
  return new Response(response.body, { status: response.status, headers })
}

matrix(
  'GET /oauth/callback accepts a response without iss if the provider does not announce it [CD-11]',
  async (harness, t) => {
    const login = await logIn(
      t,
      harness,
      deviating({
        metadata: { authorization_response_iss_parameter_supported: undefined },
        fetch: withoutIss
      })
    )
    assert.equal(login?.userinfo['sub'], 'alice')
  }
)

matrix(
  'GET /oauth/callback rejects a response without iss if the provider announces it [CD-11]',
  async (harness, t) => {
    await assert.rejects(
      logIn(t, harness, deviating({ fetch: withoutIss })),
      /400 .*not come from the expected provider/
    )
  }
)

matrix(
  'POST /oauth/token returns no refresh token if the provider issues none [T-26]',
  async (harness, t) => {
    const login = await logIn(
      t,
      harness,
      deviating({ client: { grant_types: ['authorization_code'] } })
    )
    assert.equal(login?.userinfo['sub'], 'alice')
    assert.equal(login.token.refresh_token, undefined)
  }
)

for (const format of ['opaque', 'jwt'] as const) {
  matrix(
    `POST /mcp gives tools the provider's ${format} access token, clients get ours [T-18]`,
    async (harness, t) => {
      const login = await logIn(t, harness, deviating({ provider: { accessToken: { format } } }))
      assert.equal(login?.userinfo['sub'], 'alice')
      await refreshTwice(login)
    }
  )
}

matrix(
  'a login succeeds with a provider that reads the client secret from the body only',
  async (harness, t) => {
    const login = await logIn(
      t,
      harness,
      deviating({
        client: { token_endpoint_auth_method: 'client_secret_post' },
        metadata: { token_endpoint_auth_methods_supported: ['client_secret_post'] }
      })
    )
    assert.equal(login?.userinfo['sub'], 'alice')
    await refreshTwice(login)
  }
)

matrix(
  'POST /oauth/token issues tokens that live no longer than those of the provider [T-18]',
  async (harness, t) => {
    const login = await logIn(t, harness, deviating({ provider: { accessToken: { ttl: 90 } } }))
    assert.ok(login?.token.expires_in !== undefined && login.token.expires_in <= 90)
  }
)
