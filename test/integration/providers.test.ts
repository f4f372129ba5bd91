import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidGrantError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { startBetterAuth } from '../support/better-auth.ts'
import { startGlewlwyd } from '../support/glewlwyd.ts'
import { startLemonldap } from '../support/lemonldap.ts'
import { matrix } from '../support/matrix.ts'
import { startProvider, type ProviderOptions } from '../support/provider.ts'
import { logIn, refreshTwice, type Start } from '../support/provider-login.ts'

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

matrix(
  'Better Auth: a login with a consent outlives the session there, and POST /oauth/revoke ends it [T-26 M-05]',
  async (harness, t) => {
    const login = await logIn(t, harness, startBetterAuth)
    if (login === null) return
    const { provider } = login
    assert.equal(login.userinfo['email'], 'alice@example.org')
    await provider.post('/sign-out')
    const last = await refreshTwice(login)
    assert.equal(provider.liveRefreshTokens(), 1)
    await login.revoke(last)
    await assert.rejects(login.refresh(last), InvalidGrantError)
    // The broker revokes at the provider in the background.
    for (let n = 0; n < 1000 && provider.liveRefreshTokens() > 0; n++) await sleep(10)
    assert.equal(provider.liveRefreshTokens(), 0)
  }
)

matrix(
  'Better Auth: POST /oauth/token ends the grant of a user who was deleted there [T-26]',
  async (harness, t) => {
    const login = await logIn(t, harness, startBetterAuth)
    if (login === null) return
    await login.provider.post('/delete-user')
    await assert.rejects(login.refresh(login.token), InvalidGrantError)
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
      /400 .*did not return the expected response/
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
