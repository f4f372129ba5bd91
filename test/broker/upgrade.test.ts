import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import type { JWK } from 'jose'
import { createLoginStates } from '../../lib/broker/logins.ts'
import { createClients } from '../../lib/clients/clients.ts'
import { createSealer, type purposes as sealedPurposes } from '../../lib/crypto/sealer.ts'
import { createSigningKeys } from '../../lib/crypto/signing-keys.ts'
import { createNonces } from '../../lib/dpop/verifier.ts'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { loginSeconds } from '../../lib/limits.ts'
import { hash } from '../../lib/util/hash.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import {
  claimsOf,
  isError,
  openBrowser,
  redeem,
  renew,
  signIn,
  startFlow,
  type Flow,
  type Instance,
  type Reply
} from '../support/flow.ts'
import { startThin } from '../support/thin.ts'

// Values that version 0.1.0 issued, with their content. Clients and browsers keep them across an
// upgrade, so every later version has to accept them.

interface Sealed {
  value: string
  content: Record<string, any>
}

type Name =
  | 'client'
  | 'clientWithoutRefresh'
  | 'request'
  | 'transaction'
  | 'code'
  | 'codeWithoutRefresh'
  | 'refresh'
  | 'refreshOfAccess'
  | 'thinRefresh'

interface Fixture extends Record<Name, Sealed> {
  secret: string
  issuer: string
  clientId: string
  prefix: string
  publicUrl: string
  /** Seconds since 1970. */
  time: number
  codeVerifier: string
  /** Value of the CSRF cookie of the consent page. */
  csrf: string
  /** Name of the cookie with the login. */
  loginCookie: string
  access: Sealed
  accessWithUpstream: Sealed & { upstream: { accessToken: string, scope: string | null } }
  jwks: { keys: JWK[] }
  nonces: string[]
  store: {
    entries: Record<string, string>
    used: Sealed & { response: object }
    revoked: Sealed & { access: string }
    rotated: Sealed & { next: string }
  }
}

const path = new URL('../fixtures/sealed-0.1.0.json', import.meta.url)
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture
const { secret, issuer, clientId, prefix, publicUrl, time, store: stored } = fixture
const context = `${issuer} ${clientId} ${prefix}`
const redirectUri = String(fixture.client.content['r'])

type Purpose = typeof sealedPurposes[number]

const purposes: Record<Name, Purpose> = {
  client: 'client',
  clientWithoutRefresh: 'client',
  request: 'request',
  transaction: 'transaction',
  code: 'code',
  codeWithoutRefresh: 'code',
  refresh: 'refresh',
  refreshOfAccess: 'refresh',
  thinRefresh: 'refresh'
}

for (const [name, purpose] of Object.entries(purposes) as Array<[Name, Purpose]>) {
  test(`open() returns the content of the value ${name} that version 0.1.0 sealed`, async () => {
    const { value, content } = fixture[name]
    assert.deepEqual(await createSealer([secret], context).open(purpose, value, time), content)
  })
}

test('open() returns the token of the provider in an access token of version 0.1.0', async () => {
  const { content, upstream } = fixture.accessWithUpstream
  const sealer = createSealer([secret], context)
  assert.deepEqual(await sealer.open('access', content['upt'], time), upstream)
})

test('createSigningKeys() derives the keys of version 0.1.0 and reads its tokens', async () => {
  const signing = await createSigningKeys([secret], context)
  assert.deepEqual(signing.jwks, fixture.jwks)
  for (const { value, content } of [fixture.access, fixture.accessWithUpstream]) {
    assert.deepEqual(await signing.read(value, time), content)
  }
})

test('find() returns the clients that registered at version 0.1.0', async () => {
  const clients = createClients(createSealer([secret], context))
  const [client, withoutRefresh] = [fixture.client.value, fixture.clientWithoutRefresh.value]
  assert.deepEqual(await clients.find(client, time), {
    id: client,
    redirectUris: [redirectUri],
    name: 'Test client'
  })
  assert.deepEqual(await clients.find(withoutRefresh, time), {
    id: withoutRefresh,
    redirectUris: [redirectUri],
    name: null,
    grantTypes: ['authorization_code']
  })
})

test('verify() accepts a state of version 0.1.0', () => {
  const { upstreamState } = fixture.transaction.content
  assert.equal(createLoginStates([secret], context, loginSeconds).verify(upstreamState, time), true)
})

test('createNonces() returns the nonces of version 0.1.0', () => {
  assert.deepEqual(createNonces([secret])(time), fixture.nonces)
})

/** The current broker with the options of version 0.1.0, at the time of the fixture. */
async function upgraded (
  t: TestContext,
  options: Partial<McpOAuthOptions> = {}
): Promise<Flow & { instance: Instance }> {
  t.mock.timers.enable({ apis: ['Date'], now: time * 1000 })
  // The stub listens on a free port, but the keys depend on the issuer.
  const flow = await startFlow(t, { instances: 0 })
  flow.provider.metadata['issuer'] = issuer
  flow.provider.claims = { iss: issuer }
  const instance = await flow.addInstance({
    issuer,
    clientId,
    secret,
    prefix,
    publicUrl,
    oauthMetadataUrl: `${flow.provider.origin}/.well-known/openid-configuration`,
    ...options
  })
  return { ...flow, instance }
}

/** A store with the entries that version 0.1.0 wrote. */
async function storeOfOldVersion () {
  const store = memoryStore()
  for (const [key, value] of Object.entries(stored.entries)) await store.put(key, value, 3600)
  return store
}

const redeemed = (client: Sealed, code: string) =>
  redeem(client.value, code, {
    code_verifier: fixture.codeVerifier,
    redirect_uri: redirectUri
  })

/** Completes a login: from the callback to an access token that the MCP route accepts. */
async function finishLogin (
  instance: Instance,
  browser: ReturnType<typeof openBrowser>,
  location: URL
): Promise<Reply> {
  const callback = await browser.get(instance, `/oauth/callback?${await signIn(location)}`)
  assert.equal(callback.status, 302, callback.text)
  const code = callback.location?.searchParams.get('code') ?? ''
  const reply = await instance.token(redeemed(fixture.client, code))
  assert.equal(reply.status, 200, reply.text)
  assert.equal((await instance.call(reply.json()['access_token'])).status, 200)
  return reply
}

for (const name of ['client', 'clientWithoutRefresh'] as const) {
  test(`GET /oauth/authorize accepts the id of the ${name} of version 0.1.0`, async (t) => {
    const { instance, params } = await upgraded(t)
    const reply = await instance.authorize(
      params(fixture[name].value, { redirect_uri: redirectUri })
    )
    assert.equal(reply.status, 200, reply.text)
  })
}

test('POST /oauth/consent accepts the consent page of version 0.1.0', async (t) => {
  const { instance } = await upgraded(t)
  const browser = openBrowser()
  browser.jar.set('__Host-mcp-csrf', fixture.csrf)
  const reply = await browser.post(instance, '/oauth/consent', {
    request: fixture.request.value,
    action: 'approve'
  })
  assert.equal(reply.status, 303, reply.text)
  assert.equal(reply.location?.searchParams.get('prompt'), 'login')
  const tokens = await finishLogin(instance, browser, reply.location as URL)
  assert.equal(tokens.json()['scope'], 'mcp:read mcp:write')
})

test('GET /oauth/callback accepts the login cookie of version 0.1.0', async (t) => {
  const { instance, provider, base } = await upgraded(t)
  const { upstreamState, secrets } = fixture.transaction.content
  const browser = openBrowser()
  browser.jar.set(fixture.loginCookie, fixture.transaction.value)
  const location = new URL(`${provider.origin}/authorize`)
  location.search = String(
    new URLSearchParams({
      redirect_uri: `${base}/oauth/callback`,
      state: upstreamState,
      code_challenge: hash(secrets.verifier),
      nonce: secrets.nonce
    })
  )
  await finishLogin(instance, browser, location)
})

for (
  const [name, client, hasRefresh] of [
    ['code', 'client', true],
    ['codeWithoutRefresh', 'clientWithoutRefresh', false]
  ] as const
) {
  test(`POST /oauth/token redeems the ${name} of version 0.1.0`, async (t) => {
    const { instance, provider } = await upgraded(t, {
      provider: { identify: async () => ({ sub: 'alice' }) }
    })
    const tokens = { access_token: 'one', token_type: 'Bearer', refresh_token: 'two' }
    provider.fail.set('/token', { status: 200, body: JSON.stringify(tokens) })
    const { value, content } = fixture[name]
    const reply = await instance.token(redeemed(fixture[client], value))
    assert.equal(reply.status, 200, reply.text)
    assert.equal('refresh_token' in reply.json(), hasRefresh)
    assert.equal(claimsOf(reply.json()['access_token'])['gid'], content['grant'])
    const sent = provider.requests.find(request => request.path === '/token')?.params
    assert.equal(sent?.get('code'), content['upstreamCode'])
    assert.equal(sent?.get('code_verifier'), content['secrets'].verifier)
  })
}

test('POST /oauth/token refreshes with a refresh token of version 0.1.0', async (t) => {
  const { instance, provider } = await upgraded(t)
  const { value, content } = fixture.refresh
  provider.refreshTokens.set(content['upstream'].refresh, 'alice')
  const reply = await instance.token(renew(fixture.client.value, value))
  assert.equal(reply.status, 200, reply.text)
  const { access_token: access } = reply.json()
  assert.deepEqual(claimsOf(access), {
    ...fixture.access.content,
    jti: claimsOf(access)['jti']
  })
  assert.equal((await instance.call(access)).status, 200)
})

test('POST /oauth/token refreshes where version 0.1.0 stored only an access token', async (t) => {
  const checked: string[] = []
  const { instance } = await upgraded(t, {
    provider: {
      recheck: true,
      identify: async (accessToken) => {
        checked.push(accessToken)
        return { sub: 'alice' }
      }
    }
  })
  const { value, content } = fixture.refreshOfAccess
  const reply = await instance.token(renew(fixture.client.value, value))
  assert.equal(reply.status, 200, reply.text)
  assert.deepEqual(checked, [content['upstream'].access])
})

test('POST /mcp accepts an access token of version 0.1.0', async (t) => {
  const { instance } = await upgraded(t)
  const reply = await instance.call(fixture.access.value)
  assert.equal(reply.status, 200, reply.text)
  assert.equal(reply.text.includes('alice'), true)
})

test('POST /mcp opens the token of the provider in an access token of version 0.1.0', async (t) => {
  const { instance } = await upgraded(t, { upstreamToken: true })
  const { value, upstream } = fixture.accessWithUpstream
  const reply = await instance.call(value)
  assert.equal(reply.status, 200, reply.text)
  assert.equal(reply.text.includes(upstream.accessToken), true)
})

test('POST /oauth/token rejects a refresh token that was used at version 0.1.0', async (t) => {
  const { instance, provider } = await upgraded(t, { store: await storeOfOldVersion() })
  const { value, content } = stored.used
  provider.refreshTokens.set(content['upstream'].refresh, 'alice')
  t.mock.timers.tick(31_000)
  isError(await instance.token(renew(fixture.client.value, value)), 400, 'invalid_grant')
  assert.equal(provider.count('/token'), 0)
})

test('POST /oauth/token repeats the response of version 0.1.0 for 30 seconds', async (t) => {
  const { instance, provider } = await upgraded(t, { store: await storeOfOldVersion() })
  const reply = await instance.token(renew(fixture.client.value, stored.used.value))
  assert.deepEqual(reply.json(), stored.used.response)
  assert.equal(provider.count('/token'), 0)
})

test('POST /oauth/token and POST /mcp reject a grant that version 0.1.0 revoked', async (t) => {
  const { instance, provider } = await upgraded(t, { store: await storeOfOldVersion() })
  const { value, content, access } = stored.revoked
  provider.refreshTokens.set(content['upstream'].refresh, 'alice')
  isError(await instance.token(renew(fixture.client.value, value)), 400, 'invalid_grant')
  assert.equal((await instance.call(access)).status, 401)
})

test('POST /oauth/token of the thin proxy refreshes with a token of version 0.1.0', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: time * 1000 })
  const options: Partial<McpOAuthOptions> = { issuer, clientId, secret, prefix, publicUrl }
  const thin = await startThin(t, {
    options,
    prepare: ({ origin, metadata, metadataPath }) => {
      metadata['issuer'] = issuer
      options.oauthMetadataUrl = origin + metadataPath
    }
  })
  const reply = await thin.token(renew(fixture.client.value, fixture.thinRefresh.value))
  assert.equal(reply.status, 200, reply.text)
  assert.equal(thin.endpoint.requests[0]?.form.get('refresh_token'), 'provider-refresh')
})
