import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as oidc from 'openid-client'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp } from '../support/app.ts'
import { freePort, startBroker } from '../support/broker.ts'
import { claimsOf } from '../support/flow.ts'
import { whoami, whoamiCall } from '../support/guarded.ts'
import { headlessLogin } from '../support/login.ts'
import { startProvider } from '../support/provider.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
const insecure = { algorithm: 'oauth2' as const, execute: [oidc.allowInsecureRequests] }

/** Counts the requests of the library and the responses, by status and error. */
function countResponses (config: oidc.Configuration): string[] {
  const responses: string[] = []
  config[oidc.customFetch] = async (url, init) => {
    const response = await fetch(url, init as RequestInit)
    const [, error = ''] = /error"?[=:]"(\w+)/.exec(
      response.headers.get('www-authenticate') ??
        (response.status === 400 ? await response.clone().text() : '')
    ) ?? []
    responses.push(`${init.method} ${new URL(url).pathname} ${response.status} ${error}`.trim())
    return response
  }
  return responses
}

/** Logs in with a code that is bound to the key of the handle. */
async function login (
  config: oidc.Configuration,
  DPoP: oidc.DPoPHandle,
  scope: string,
  resource: string
): Promise<oidc.TokenEndpointResponse> {
  const verifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    resource,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    dpop_jkt: await DPoP.calculateThumbprint()
  })
  const { url: callbackUrl } = await headlessLogin(url, { stopAt: redirectUri })
  return await oidc.authorizationCodeGrant(config, callbackUrl, { pkceCodeVerifier: verifier }, {
    resource
  }, { DPoP })
}

for (const dpop of ['accept', 'require'] as const) {
  for (const alg of ['ES256', 'Ed25519', 'PS256'] as const) {
    const title = `openid-client with ${alg} discovers, logs in, calls and refreshes`
    test(`${title} (dpop ${dpop}) [EX-04]`, async (t) => {
      const { issuer, mcpUrl } = await startBroker(t, { options: { dpop } })
      const config = await oidc.dynamicClientRegistration(
        new URL(issuer),
        {
          redirect_uris: [redirectUri],
          grant_types: ['authorization_code', 'refresh_token'],
          token_endpoint_auth_method: 'none'
        },
        oidc.None(),
        insecure
      )
      assert.ok(config.serverMetadata()['dpop_signing_alg_values_supported']?.includes(alg))
      const responses = countResponses(config)
      const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(alg))
      const tokens = await login(config, DPoP, 'mcp:read offline_access', mcpUrl)
      assert.equal(tokens.token_type, 'dpop')
      assert.deepEqual(claimsOf(tokens.access_token)['cnf'], {
        jkt: await DPoP.calculateThumbprint()
      })
      // One response required a nonce. The library sends a cached nonce to the MCP route, too.
      assert.deepEqual(responses, ['POST /oauth/token 400 use_dpop_nonce', 'POST /oauth/token 200'])

      const headers = new Headers({
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream'
      })
      const call = async (token: string, options: { DPoP?: oidc.DPoPHandle } = { DPoP }) =>
        await oidc.fetchProtectedResource(
          config,
          token,
          new URL(mcpUrl),
          'POST',
          JSON.stringify(whoamiCall),
          headers,
          options
        )
      assert.equal((await call(tokens.access_token)).status, 200)
      await assert.rejects(
        call(tokens.access_token, {}),
        (error: oidc.WWWAuthenticateChallengeError) => error.status === 401
      )

      // A new handle has no nonce yet, and an attacker's handle has another key.
      const otherHandle = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(alg))
      await assert.rejects(
        call(tokens.access_token, { DPoP: otherHandle }),
        (error: oidc.WWWAuthenticateChallengeError) =>
          error.cause.some(({ parameters }) => parameters.error === 'invalid_token')
      )
      await assert.rejects(
        oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', {}, { DPoP: otherHandle }),
        { error: 'invalid_grant' }
      )

      const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', {}, { DPoP })
      assert.equal(renewed.token_type, 'dpop')
      assert.equal((await call(renewed.access_token)).status, 200)
    })
  }
}

test('The SDK client with a DPoP fetch calls a tool made from a guarded route [EX-04]', async (t) => {
  const { issuer, mcpUrl } = await startBroker(t, {
    options: { dpop: 'require' },
    routes: app =>
      app.get(
        '/me',
        { onRequest: app.requireMcpAuth(), schema: { operationId: 'me' } },
        async ({ mcpAuth }) => ({ subject: mcpAuth?.subject })
      )
  })
  const config = await oidc.dynamicClientRegistration(
    new URL(issuer),
    { redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
    oidc.None(),
    insecure
  )
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair())
  const { access_token: token } = await login(config, DPoP, 'mcp:read', mcpUrl)
  const fetchWithProof: typeof fetch = async (url, { method = 'GET', body, headers } = {}) => {
    try {
      return await oidc.fetchProtectedResource(
        config,
        token,
        new URL(String(url)),
        method,
        body as string | null,
        new Headers(headers),
        { DPoP }
      )
    } catch (error) {
      return (error as oidc.WWWAuthenticateChallengeError).response
    }
  }
  const client = new Client({ name: 'client', version: '1.0.0' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(mcpUrl), { fetch: fetchWithProof }) as Transport
  )
  t.after(() => client.close())
  for (let round = 0; round < 3; round++) {
    const { content } = await client.callTool({ name: 'me', arguments: {} })
    assert.match(JSON.stringify(content), /subject/)
    assert.doesNotMatch(JSON.stringify(content), /HTTP 401/)
  }
})

test('A resource server accepts bound JWTs of oidc-provider with a proof of their key [EX-04]', async (t) => {
  const port = await freePort()
  const resource = `http://localhost:${port}/mcp`
  const client = {
    client_id: 'client',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: 'native'
  }
  const provider = await startProvider({
    registration: false,
    clients: [client],
    scopes: ['mcp:read'],
    resources: [resource]
  })
  const options: McpOAuthOptions = {
    issuer: provider.issuer,
    dpop: 'accept',
    requiredScopes: ['mcp:read'],
    mcp: { server: whoami() }
  }
  const { mcpUrl } = await buildApp(t, options, { port, closeLast: provider })
  assert.equal(mcpUrl, resource)

  const config = await oidc.discovery(new URL(provider.issuer), 'client', undefined, oidc.None(), {
    execute: [oidc.allowInsecureRequests]
  })
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair())
  const { access_token: token, token_type: type } = await login(config, DPoP, 'mcp:read', resource)
  assert.equal(type, 'dpop')
  const responses = countResponses(config)
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream'
  })
  const call = async (options: { DPoP?: oidc.DPoPHandle }) =>
    await oidc.fetchProtectedResource(
      config,
      token,
      new URL(mcpUrl),
      'POST',
      JSON.stringify(whoamiCall),
      headers,
      options
    )
  assert.equal((await call({ DPoP })).status, 200)
  assert.equal((await call({ DPoP })).status, 200)
  assert.deepEqual(responses, ['POST /mcp 401 use_dpop_nonce', 'POST /mcp 200', 'POST /mcp 200'])
  await assert.rejects(
    call({}),
    (error: oidc.WWWAuthenticateChallengeError) => error.status === 401
  )
})
