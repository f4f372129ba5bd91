import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createProviderLogin } from '../../lib/provider/login.ts'
import type { McpOAuthError } from '../../lib/errors.ts'
import { fetchJson } from '../../lib/http/fetch.ts'
import { parseProviderMetadata } from '../../lib/oauth/provider-metadata.ts'
import { github } from '../../lib/providers/index.ts'
import { loginSecrets } from '../support/credentials.ts'

const octocat = {
  id: 583231,
  login: 'octocat',
  name: 'The Octocat',
  email: null,
  avatar_url: 'https://avatars.githubusercontent.com/u/583231',
  site_admin: false
}

/** A server that responds as GitHub does, and the preset with its URLs. */
async function setUp (t: TestContext, responses: { token: object, user?: object }) {
  const received = new Map<
    string,
    { headers: NodeJS.Dict<string | string[]>, body: URLSearchParams }
  >()
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    received.set(request.url ?? '', { headers: request.headers, body: new URLSearchParams(body) })
    // Without `Accept: application/json`, GitHub responds with a form.
    const responseBody = request.url === '/user' ? responses.user ?? octocat : responses.token
    const json = request.headers.accept?.includes('json') === true
    response.writeHead(200, {
      'content-type': json ? 'application/json; charset=utf-8' : 'application/x-www-form-urlencoded'
    })
    response.end(
      json ? JSON.stringify(responseBody) : new URLSearchParams({ ...responseBody }).toString()
    )
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() =>
    new Promise((resolve) => {
      server.close(resolve).closeAllConnections()
    })
  )

  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { provider = {}, clientId = '', clientSecret = '', issuer } = github({
    clientId: 'Iv1.our-id',
    clientSecret: 'our_secret'
  })
  const { metadata, identify } = provider
  assert.ok(metadata && identify)
  const local = {
    ...metadata,
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/access_token`
  }
  const login = createProviderLogin({
    metadata: async () => parseProviderMetadata(local, { issuer: origin }),
    clientId,
    clientSecret,
    scopes: [],
    audience: null,
    traits: {
      ...provider,
      identify: (token) =>
        identify(
          token,
          (url, headers) => fetchJson(url.replace('https://api.github.com', origin), { headers })
        )
    },
    redirectUri: () => 'https://mcp.example.com/oauth/callback',
    needsClaims: true
  })
  return { login, received, issuer }
}

const granted = { access_token: 'gho_canary', token_type: 'bearer', scope: 'read:user,user:email' }

test('redeem() at GitHub requests JSON, sends the secret in the body and uses the numeric id as sub', async (t) => {
  const { login, received } = await setUp(t, { token: granted })
  const secrets = loginSecrets
  const tokens = await login.redeem('code', secrets)
  assert.deepEqual(tokens, {
    accessToken: 'gho_canary',
    refreshToken: null,
    expiresIn: null,
    scope: 'read:user,user:email',
    claims: {
      sub: '583231',
      preferred_username: 'octocat',
      name: 'The Octocat',
      picture: octocat.avatar_url
    }
  })
  const { headers, body } = received.get('/access_token') ?? assert.fail()
  assert.equal(headers['authorization'], undefined)
  assert.deepEqual([body.get('client_id'), body.get('client_secret'), body.get('code_verifier')], [
    'Iv1.our-id',
    'our_secret',
    secrets.verifier
  ])
  assert.equal(received.get('/user')?.headers['authorization'], 'Bearer gho_canary')
  assert.ok(received.get('/user')?.headers['user-agent'], 'GitHub rejects requests without it')
})

test('redeem() at GitHub rejects an error with status 200 [B-11]', async (t) => {
  const { login, received } = await setUp(t, {
    token: { error: 'bad_verification_code', error_description: 'canary' }
  })
  await assert.rejects(
    login.redeem('code', loginSecrets),
    (error: McpOAuthError) => error.kind === 'invalidGrant' && !error.message.includes('canary')
  )
  assert.equal(received.has('/user'), false)
})

for (
  const [name, user] of Object.entries({
    'no id': { login: 'octocat' },
    'a text': { id: '583231' },
    'a fraction': { id: 1.5 },
    'no number': { id: null }
  })
) {
  test(`redeem() at GitHub rejects an account whose id is ${name}`, async (t) => {
    const { login } = await setUp(t, { token: granted, user })
    await assert.rejects(login.redeem('code', loginSecrets), {
      kind: 'providerMisbehaved'
    })
  })
}

test('recheck() at GitHub identifies an account without a refresh token', async (t) => {
  const { login } = await setUp(t, { token: granted })
  assert.ok(login.recheck)
  assert.equal((await login.recheck('gho_canary')).claims?.['sub'], '583231')
})

test('refresh() at GitHub uses the refresh token of a GitHub App', async (t) => {
  const { login, received } = await setUp(t, {
    token: {
      ...granted,
      expires_in: 28_800,
      refresh_token: 'ghr_2',
      refresh_token_expires_in: 15_897_600
    }
  })
  const tokens = await login.refresh('ghr_1')
  assert.deepEqual([tokens.refreshToken, tokens.claims?.['sub']], ['ghr_2', '583231'])
  assert.ok((tokens.expiresIn ?? 0) > 28_700)
  assert.equal(received.get('/access_token')?.body.get('refresh_token'), 'ghr_1')
})

test('refresh() at GitHub rejects an error with status 200 as invalidGrant [T-24]', async (t) => {
  const { login } = await setUp(t, {
    token: { error: 'bad_refresh_token', error_description: 'canary' }
  })
  await assert.rejects(login.refresh('ghr_1'), { kind: 'invalidGrant' })
})

test('isFromProvider() at GitHub accepts only the iss that GitHub sends, or none [B-09]', async () => {
  const { issuer, provider } = github({ clientId: 'a', clientSecret: 'b' })
  const login = createProviderLogin({
    metadata: async () => parseProviderMetadata({ issuer, ...provider?.metadata }, { issuer }),
    clientId: 'a',
    clientSecret: 'b',
    scopes: [],
    audience: null,
    traits: provider ?? {},
    redirectUri: () => 'https://mcp.example.com/oauth/callback',
    needsClaims: true
  })
  assert.equal(await login.isFromProvider(['https://github.com/login/oauth']), true)
  assert.equal(await login.isFromProvider(['https://github.com']), false)
  assert.equal(await login.isFromProvider([]), true)
})
