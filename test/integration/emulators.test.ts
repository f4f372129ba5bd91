import assert from 'node:assert/strict'
import { test } from 'node:test'
import { providers } from '../providers/emulators/index.ts'
import { startEmulated } from '../support/emulated.ts'
import { inside, runInside, skip, startInternet } from '../support/internet.ts'
import { refresh, revoke } from '../support/login.ts'
import { claimsOf } from '../support/requests.ts'

if (inside) await tests()
else {
  test(
    'every preset logs users in at its provider, and the emulated providers are strict [T-26 M-08]',
    { skip },
    t => runInside(t, import.meta.filename)
  )
}

async function tests (): Promise<void> {
  const internet = await startInternet()

  for (const facts of providers) {
    test(`at ${facts.id} a client logs in, calls, refreshes twice, signs out and logs in again`, async (t) => {
      const { emulator, issuer, logIn } = await startEmulated(t, internet, facts)
      const { client, oauth } = await logIn()
      const result = await client.callTool({ name: 'whoami', arguments: {} })
      assert.notEqual(result.isError, true)
      const { sub } = claimsOf(oauth.token?.access_token ?? '')
      for (let round = 0; round < 2; round++) {
        await refresh(issuer, oauth)
        assert.equal(claimsOf(oauth.token?.access_token ?? '')['sub'], sub)
        await client.callTool({ name: 'whoami', arguments: {} })
      }
      await revoke(issuer, oauth)
      await assert.rejects(refresh(issuer, oauth), { name: 'InvalidGrantError' })
      const { oauth: again } = await logIn()
      assert.equal(claimsOf(again.token?.access_token ?? '')['sub'], sub)
      await refresh(issuer, again)
      assert.deepEqual(emulator.requests.filter(({ error }) => error !== null), [])
    })
  }

  for (const facts of providers) {
    test(`at ${facts.id} authorizeUser receives the user, and a login that ended there ends here`, async (t) => {
      const seen: Array<Readonly<Record<string, unknown>>> = []
      const { emulator, issuer, logIn } = await startEmulated(t, internet, facts, {
        authorizeUser: ({ claims }) => {
          seen.push(claims)
          return true
        }
      })
      const { oauth } = await logIn()
      // GitHub's users need not publish an address.
      const email = facts.id === 'github' ? undefined : 'alice@example.com'
      assert.equal(seen[0]?.['email'], email)
      emulator.endLogins()
      await assert.rejects(refresh(issuer, oauth), { name: 'InvalidGrantError' })
      const { oauth: again } = await logIn()
      await refresh(issuer, again)
    })
  }
}
