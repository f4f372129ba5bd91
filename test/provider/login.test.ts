import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseProviderMetadata } from '../../lib/oauth/provider-metadata.ts'
import { createProviderLogin } from '../../lib/provider/login.ts'
import type { ReceivedTokens } from '../../lib/provider/tokens.ts'
import type { ProviderTraits } from '../../lib/types.ts'
import { loginSecrets, providerClient } from '../support/credentials.ts'
import { createKey } from '../support/issuer.ts'
import { startStubProvider } from '../support/stub-provider.ts'

/** Our client at a stub provider, and the codes of logins there. */
async function setUp (t: TestContext, traits: ProviderTraits = {}, needsClaims = false) {
  const provider = await startStubProvider(providerClient)
  t.after(provider.close)
  const login = createProviderLogin({
    ...providerClient,
    metadata: async () => parseProviderMetadata(provider.metadata, { issuer: provider.issuer }),
    scopes: ['openid', 'email'],
    audience: null,
    traits,
    redirectUri: () => 'https://mcp.example.com/oauth/callback',
    needsClaims
  })
  const secrets = loginSecrets
  async function code () {
    const wishes = { prompt: undefined, offline: false }
    const url = await login.loginUrl('state', secrets, wishes)
    const { headers } = await fetch(url, { redirect: 'manual' })
    return new URL(headers.get('location') ?? '').searchParams.get('code') ?? ''
  }
  const received: ReceivedTokens[] = []
  const receive = (tokens: ReceivedTokens): void => {
    received.push(tokens)
  }
  return { provider, login, secrets, code, received, receive }
}

test('redeem() hands over the response before verification, which can be repeated [field:S5]', async (t) => {
  const { provider, login, secrets, code, received, receive } = await setUp(t)
  const { keys } = provider
  provider.key = await createKey('next')
  const used = await code()
  await assert.rejects(login.redeem(used, secrets, receive), {
    kind: 'providerUnavailable',
    statusCode: 503,
    retryAfter: 5
  })
  const [{ refreshToken, answer } = assert.fail()] = received
  assert.ok(refreshToken !== undefined && provider.refreshTokens.has(refreshToken))

  provider.keys = [...keys, provider.key.jwk]
  const again = () => login.redeem(used, secrets, receive, answer)
  while (await again().then(() => false, ({ kind }) => kind === 'providerUnavailable')) {
    await sleep(500)
  }
  assert.equal((await again()).claims?.['sub'], 'alice')
  await assert.rejects(login.redeem(used, { ...secrets, nonce: 'x' }, receive, answer), {
    kind: 'providerMisbehaved'
  })
  assert.equal(provider.count('/token'), 1)
  assert.equal(received.length, 1)
})

test('redeem() and refresh() hand over nothing for errors of the provider [field:S6]', async (t) => {
  const { provider, login, secrets, code, receive, received } = await setUp(t)
  for (
    const [status, body, kind] of [
      [200, '{"error":"bad_verification_code"}', 'invalidGrant'],
      [400, '{"error":"invalid_grant"}', 'invalidGrant'],
      [403, '{"error":"invalid_grant"}', 'invalidGrant'],
      [403, '{"error":"Forbidden"}', 'providerMisbehaved'],
      [404, '{"error":"not_found"}', 'providerMisbehaved'],
      [401, '{"error":"invalid_client"}', 'providerMisbehaved'],
      [401, '{"error":"access_denied","error_description":"Unauthorized"}', 'providerMisbehaved'],
      [401, '{"error":"invalid_request"}', 'providerMisbehaved'],
      [400, '{"error":"invalid_request"}', 'invalidGrant'],
      [
        400,
        '{"error":"invalid_request","error_description":"client_secret is missing."}',
        'providerMisbehaved'
      ],
      [403, '{"error":"access_denied"}', 'invalidGrant'],
      [429, '{"error":"invalid_grant"}', 'providerUnavailable'],
      [500, '{"error":"invalid_grant"}', 'providerUnavailable'],
      [400, '{"code":400,"error_code":"refresh_token_already_used"}', 'invalidGrant'],
      [400, '{"code":400,"error_code":"refresh_token_not_found"}', 'invalidGrant'],
      [400, '{"code":400,"error_code":"session_expired"}', 'invalidGrant'],
      [400, '{"code":400,"error_code":"user_banned"}', 'invalidGrant'],
      [400, '{"code":400,"error_code":"invalid_credentials"}', 'providerMisbehaved'],
      [400, '{"code":400,"error_code":"no_authorization"}', 'providerMisbehaved'],
      [500, '{"code":500,"error_code":"unexpected_failure"}', 'providerUnavailable'],
      [200, '', 'providerMisbehaved'],
      [204, '', 'providerMisbehaved'],
      [200, `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'providerMisbehaved']
    ] as const
  ) {
    provider.fail.set('/token', { status, body })
    await assert.rejects(login.redeem(await code(), secrets, receive), { kind }, body)
    await assert.rejects(login.refresh('canary', receive), { kind }, body)
  }
  assert.deepEqual(received, [])
})

test('redeem() requests email_verified from userinfo if the metadata list it [field:P3]', async (t) => {
  const { provider, login, secrets, code } = await setUp(t, {}, true)
  provider.userInfo = { email: 'alice@example.com', email_verified: true }
  const isVerified = async () =>
    (await login.redeem(await code(), secrets)).claims?.['email_verified']
  assert.equal(await isVerified(), undefined, 'the provider may not have it')
  assert.equal(provider.count('/userinfo'), 0)
  provider.metadata['claims_supported'] = ['sub', 'email', 'email_verified']
  assert.equal(await isVerified(), true)
  provider.userInfo = { email: 'other@example.com', email_verified: true }
  assert.equal(await isVerified(), undefined, 'another address')
  provider.claims = { email_verified: false }
  assert.equal(await isVerified(), false)
  assert.equal(provider.count('/userinfo'), 2)
})

test("refresh() gives the log the provider's error and its code, without the text", async (t) => {
  const { provider, login } = await setUp(t)
  for (const status of [200, 400]) {
    const body = { error: 'invalid_grant', error_description: 'AADSTS50173: canary-upstream-text' }
    provider.fail.set('/token', { status, body: JSON.stringify(body) })
    await assert.rejects(login.refresh('canary'), ({ cause }: Error) => {
      const { message } = cause as Error
      assert.match(message, /^The identity provider answered: "(400 )?invalid_grant AADSTS50173"$/)
      return true
    })
  }
})

test('redeem() waits for a provider longer than clients do [field:S4]', async (t) => {
  const { provider, login, secrets, code } = await setUp(t)
  const valid = await code()
  provider.delay = 6_000
  assert.equal((await login.redeem(valid, secrets)).claims?.['sub'], 'alice')
})

test('redeem() does not mix up users whose numeric ids JavaScript rounds [field:A13]', async (t) => {
  const users = ['9007199254740993', '9007199254740992']
  const subs: string[] = []
  for (const user of users) {
    const { provider, login, secrets, code } = await setUp(t, {
      identify: async (accessToken, fetchJson) => {
        const { id } = await fetchJson(`${provider.origin}/userinfo`, { accessToken })
        return { sub: id as number }
      }
    })
    const body = `{"text":"\\"12345678901234567","id":${user},"share":0.12345678901234567}`
    provider.fail.set('/userinfo', { status: 200, body })
    subs.push(String((await login.redeem(await code(), secrets)).claims?.['sub']))
  }
  assert.deepEqual(subs, users)
  for (const sub of [2 ** 53, 1.5, NaN, '', {}, true]) {
    const { login, secrets, code } = await setUp(t, { identify: async () => ({ sub }) })
    await assert.rejects(login.redeem(await code(), secrets), { kind: 'providerMisbehaved' })
  }
})

test('loginUrl() asks for consent with offline_access, unless the traits forbid it [field:S12]', async (t) => {
  for (
    const [offlineConsent, prompt] of [[undefined, 'login consent'], [false, 'login']] as const
  ) {
    const traits = offlineConsent === undefined ? {} : { offlineConsent }
    const { provider, login, secrets } = await setUp(t, traits)
    const promptOf = async (offline: boolean) => {
      const url = await login.loginUrl('state', secrets, { prompt: 'login', offline })
      return new URL(url).searchParams.get('prompt')
    }
    assert.equal(await promptOf(true), 'login', 'the provider has no such scope')
    provider.metadata['scopes_supported'] = ['openid', 'offline_access']
    assert.equal(await promptOf(true), prompt)
    assert.equal(await promptOf(false), 'login')
  }
})
