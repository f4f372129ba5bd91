import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { UserClaims } from '../../../lib/types.ts'
import type { Grant, ProviderFacts } from '../../providers/emulators/provider.ts'
import { userOf } from '../../providers/emulators/state.ts'
import { startEmulated } from '../../support/emulated.ts'
import type { Internet } from '../../support/internet.ts'
import { headlessOAuth, refresh, revoke } from '../../support/login.ts'
import { claimsOf } from '../../support/requests.ts'

// Does a client log in at a provider through our broker, with the preset unchanged?

export function loginTests (internet: Internet, facts: ProviderFacts): void {
  test(`at ${facts.id} a client logs in, calls, refreshes twice, signs out and logs in again`, async (t) => {
    const { emulator, issuer, logIn, logs } = await startEmulated(t, internet, facts)
    const { client, oauth } = await logIn()
    const call = async () => {
      const { isError } = await client.callTool({ name: 'whoami', arguments: {} })
      assert.notEqual(isError, true)
    }
    const subject = () => claimsOf(oauth.token?.access_token ?? '')['sub']
    await call()
    const sub = subject()
    for (let round = 0; round < 2; round++) {
      await refresh(issuer, oauth)
      assert.equal(subject(), sub)
      await call()
    }
    await revoke(issuer, oauth)
    await assert.rejects(refresh(issuer, oauth), { name: 'InvalidGrantError' })
    const { oauth: again } = await logIn()
    assert.equal(claimsOf(again.token?.access_token ?? '')['sub'], sub)
    await refresh(issuer, again)
    assert.deepEqual(emulator.requests.filter(({ error }) => error !== null), [])
    const text = logs.join('\n')
    assert.ok([...emulator.canaries].every(secret => !text.includes(secret)), 'a secret was logged')
  })

  test(`authorizeUser learns the verified e-mail of a user of ${facts.id} if the provider has it`, async (t) => {
    const seen: UserClaims[] = []
    const { logIn } = await startEmulated(t, internet, facts, {
      authorizeUser: ({ claims }) => {
        seen.push(claims)
        return true
      }
    })
    await logIn()
    const { email, email_verified: isVerified } = claimsKnownTo(facts)
    assert.equal(seen[0]?.email, email ?? undefined)
    if (isVerified === true) assert.equal(seen[0]?.email_verified, true)
  })

  const { revocation } = facts
  if (revocation === null) return

  for (const revokeAtProvider of [true, false]) {
    const title = revokeAtProvider ? 'only as far as the provider does' : 'never, if told so'
    test(`a sign-out at ${facts.id} ends other clients of the user ${title}`, async (t) => {
      const { emulator, issuer, logIn } = await startEmulated(t, internet, facts, {
        revokeAtProvider
      })
      const { oauth } = await logIn()
      const { oauth: other } = await logIn(
        headlessOAuth({ redirectUrl: 'http://127.0.0.1:4712/callback' })
      )
      await revoke(issuer, oauth)
      // The broker of an earlier test may still be sending revocations.
      const isRevoked = () =>
        emulator.requests.some(({ endpoint, parameters }) =>
          endpoint === 'revocation' && emulator.canaries.has(parameters['token'] ?? '')
        )
      // The client does not wait for the revocation at the provider.
      if (revokeAtProvider) {
        for (let turn = 0; !isRevoked() && turn < 2000; turn++) await sleep(5)
        assert.ok(isRevoked())
      }
      const renewed = refresh(issuer, other)
      if (revokeAtProvider && revocation.refreshToken === 'consent') {
        await assert.rejects(renewed, { name: 'InvalidGrantError' })
      } else {
        await renewed
        assert.equal(isRevoked(), revokeAtProvider)
      }
    })
  }
}

/** Claims that the provider has about `alice`, in the ID token or at its userinfo endpoint. */
function claimsKnownTo ({ issuer, idToken, userinfo }: ProviderFacts): Record<string, unknown> {
  const grant: Grant = {
    user: userOf('alice'),
    clientId: 'our-client-id',
    scope: ['openid', 'profile', 'email'],
    parameters: {},
    session: '',
    id: '',
    issuer,
    isRefresh: false
  }
  return { ...userinfo?.claims(grant), ...idToken?.claims(grant) }
}
