import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startEmulator, type Emulator } from '../../providers/emulators/emulator.ts'
import type { ProviderFacts } from '../../providers/emulators/provider.ts'
import { emulatedClient } from '../../support/emulated.ts'
import type { Internet } from '../../support/internet.ts'
import {
  authorize,
  codeOf,
  isRefused,
  redeem,
  redirectUri,
  refreshAt,
  revokeAt,
  tokensOf
} from './relying-party.ts'

// Does an emulated provider refuse what the real one refuses?

const endOf = {
  token: 'nothing else',
  login: 'the login',
  session: 'the logins of a browser',
  consent: 'the logins of a user',
  ignored: 'nothing'
}

/** Tests one provider, whatever its facts are. */
export function strictTests (internet: Internet, facts: ProviderFacts): void {
  const start = async (t: TestContext) => {
    const emulator = await startEmulator(internet, facts, [{
      ...emulatedClient,
      redirectUris: [redirectUri]
    }])
    t.after(emulator.close)
    return emulator
  }

  test(`${facts.id} refuses authorization requests that it cannot serve`, async (t) => {
    await start(t)
    for (
      const changes of [
        { redirect_uri: 'https://other.example/callback' },
        { redirect_uri: `${redirectUri}x` },
        { redirect_uri: undefined },
        { client_id: 'unknown' }
      ]
    ) {
      const { location, text } = await authorize(facts, changes)
      assert.equal(location, null, JSON.stringify(changes))
      assert.match(text, /<p>/)
    }
    const { authorization: { pkce, rules, scopes, challengeMethods } } = facts
    await isRefusedAtLogin('&state=twice')
    await isRefusedAtLogin({ response_type: 'token' })
    if (pkce === 'required') await isRefusedAtLogin({ code_challenge: undefined })
    if (pkce !== 'ignored' && challengeMethods && !challengeMethods.includes('plain')) {
      await isRefusedAtLogin({ code_challenge_method: 'plain' })
    }
    if (scopes.known !== 'any' && scopes.others !== 'ignored') {
      await isRefusedAtLogin({ scope: `${scopes.known.join(' ')} unheard.of` })
    }
    for (const { parameter, when, values = ['a-value'] } of rules) {
      for (const value of when === 'absent' ? [undefined] : values) {
        await isRefusedAtLogin({ [parameter]: value })
      }
    }
  })

  async function isRefusedAtLogin (changes: Record<string, string | undefined> | string) {
    const { location, status } = await authorize(facts, changes)
    const shown = JSON.stringify(changes)
    if (location === null) assert.ok(status >= 400, shown)
    else {
      assert.ok(location.searchParams.get('error'), shown)
      assert.equal(location.searchParams.get('code'), null, shown)
    }
  }

  test(`${facts.id} refuses token requests with its own errors`, async (t) => {
    const emulator = await start(t)
    isRefused(emulator, await redeem(facts, await codeOf(facts), {}, 'canary-wrong'), 'client')
    isRefused(emulator, await redeem(facts, 'no-code'), 'code')
    isRefused(
      emulator,
      await redeem(facts, await codeOf(facts), { redirect_uri: 'https://other.example' }),
      'redirectUri'
    )
    if (facts.authorization.pkce !== 'ignored') {
      const wrong = { code_verifier: 'wrong'.repeat(9) }
      isRefused(emulator, await redeem(facts, await codeOf(facts), wrong), 'verifier')
    }
    const used = await codeOf(facts)
    assert.equal((await redeem(facts, used)).status, 200)
    isRefused(emulator, await redeem(facts, used), 'code')
    const old = await codeOf(facts)
    emulator.advance(facts.token.codeSeconds === 'unknown' ? 60 : facts.token.codeSeconds)
    isRefused(emulator, await redeem(facts, old), 'code')
    isRefused(emulator, await refreshAt(facts, 'no-token'), 'refreshToken')
  })

  const { issued, rotation, graceSeconds, reuse, seconds, idleSeconds } = facts.refresh
  if (issued === 'never') return

  test(`${facts.id} renews refresh tokens as it is known to`, async (t) => {
    const emulator = await start(t)
    const { refresh_token: first } = await tokensOf(facts)
    const { status, body: { refresh_token: second } } = await refreshAt(facts, first)
    assert.equal(status, 200)
    const expected = {
      kept: second === undefined,
      repeated: second === first,
      added: second !== undefined && second !== first,
      replaced: second !== undefined && second !== first
    }
    assert.ok(expected[rotation], rotation)
    if (rotation !== 'replaced') {
      assert.equal((await refreshAt(facts, first)).status, 200, 'the old one stays')
      return
    }
    if (typeof graceSeconds === 'number' && graceSeconds > 1) {
      emulator.advance(graceSeconds - 1)
      assert.equal((await refreshAt(facts, first)).status, 200, 'within the grace')
      emulator.advance(1)
    }
    isRefused(emulator, await refreshAt(facts, first), 'reusedRefreshToken')
    const newest = await refreshAt(facts, second)
    if (reuse === 'refused') assert.equal(newest.status, 200)
    else isRefused(emulator, newest, 'refreshToken')
  })

  const lifetimes = [seconds, idleSeconds].filter(value => typeof value === 'number')
  if (lifetimes.length > 0) {
    test(`${facts.id} refuses an expired refresh token`, async (t) => {
      const emulator = await start(t)
      const { refresh_token: token } = await tokensOf(facts)
      emulator.advance(Math.min(...lifetimes))
      isRefused(emulator, await refreshAt(facts, token), 'expiredRefreshToken')
    })
  }

  if (facts.revocation) {
    const { refreshToken: extent } = facts.revocation
    test(`${facts.id} ends ${endOf[extent]} with a refresh token that is revoked`, async (t) => {
      const emulator = await start(t)
      const { refresh_token: first } = await tokensOf(facts)
      const { refresh_token: other } = await tokensOf(facts)
      assert.ok((await revokeAt(facts, first)).status < 300)
      const answer = await refreshAt(facts, first)
      if (extent === 'ignored') assert.equal(answer.status, 200)
      else isRefused(emulator, answer, 'refreshToken')
      const { status } = await refreshAt(facts, other)
      assert.equal(status === 200, extent !== 'consent')
      await isUnknown(emulator)
    })
  }

  async function isUnknown ({ facts: { revocation } }: Emulator) {
    const { status, body } = await revokeAt(facts, 'no-token')
    if (typeof revocation?.unknown !== 'object') return
    assert.equal(body['error'], revocation.unknown.error)
    assert.equal(status, revocation.unknown.status ?? status)
  }
}
