import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entra, github } from '../../providers/emulators/index.ts'
import type { ProviderFacts, Refusal } from '../../providers/emulators/provider.ts'
import { emulatedClient, startEmulated } from '../../support/emulated.ts'
import type { Internet } from '../../support/internet.ts'
import { headlessOAuth, refresh } from '../../support/login.ts'

// What do clients and the log learn of a provider's errors?

/** A refresh that ends the session of the client. */
const ended = { name: 'InvalidGrantError' }

/** A refresh that fails, and leaves the client its session. */
const failed = (error: Error) =>
  error.name === 'ServerError' || error.name === 'TemporarilyUnavailableError'

export function errorTests (internet: Internet, facts: ProviderFacts): void {
  const { seconds, idleSeconds } = facts.refresh

  test(`a client learns that its user declined at ${facts.id}`, async (t) => {
    const { emulator, logIn } = await startEmulated(t, internet, facts)
    emulator.declines = true
    const oauth = headlessOAuth()
    const { at } = facts.authorization.denied
    await assert.rejects(
      logIn(oauth),
      at === 'page' ? /The login stopped at/ : /answered access_denied/
    )
    emulator.declines = false
    await logIn(headlessOAuth())
  })

  test(`a session ends when ${facts.id} ends it, and not when our secret is wrong there`, async (t) => {
    const { emulator, issuer, logIn, logs, redirectUris } = await startEmulated(t, internet, facts)
    const { oauth } = await logIn()
    if (facts.refresh.issued !== 'never') {
      emulator.register({
        clientId: emulatedClient.clientId,
        clientSecret: 'canary-new-secret',
        redirectUris
      })
      await assert.rejects(refresh(issuer, oauth), failed)
      const { error = 'invalid_client' } = facts.token.faults.client ?? {}
      assert.ok(
        logs.some(line => line.includes('clientId and clientSecret') && line.includes(error)),
        `the log names ${error}`
      )
      emulator.register({ ...emulatedClient, redirectUris })
      await refresh(issuer, oauth)
    }
    emulator.endLogins('alice')
    await assert.rejects(refresh(issuer, oauth), ended)
    const { oauth: again } = await logIn()
    await refresh(issuer, again)
  })

  const lifetimes = [seconds, idleSeconds].filter(value => typeof value === 'number')
  if (facts.refresh.issued !== 'never' && lifetimes.length > 0) {
    test(`a session ends when the refresh token of ${facts.id} has expired`, async (t) => {
      const { emulator, issuer, logIn } = await startEmulated(t, internet, facts)
      const { oauth } = await logIn()
      emulator.advance(Math.min(...lifetimes))
      await assert.rejects(refresh(issuer, oauth), ended)
    })
  }
}

export function errorTestsOfOne (internet: Internet): void {
  const { others = {} } = entra.token
  const outcomes: Record<string, 'ends' | 'fails'> = {
    expiredSecret: 'fails',
    strongAuthentication: 'ends',
    conditionalAccess: 'ends',
    outage: 'fails'
  }

  for (const [name, outcome] of Object.entries(outcomes)) {
    const { description = '' } = others[name] as Refusal
    const [code = ''] = /AADSTS\d+/.exec(description) ?? []
    const verb = outcome === 'ends' ? 'ends' : 'keeps'
    test(`a refresh ${verb} the session at ${code} of Entra, and the log says why`, async (t) => {
      const { emulator, issuer, logIn, logs } = await startEmulated(t, internet, entra)
      const { oauth } = await logIn()
      emulator.faults.token = others[name] as Refusal
      await assert.rejects(
        refresh(issuer, oauth),
        outcome === 'ends' ? ended : failed
      )
      // The body of a response with status 503 is not read.
      const reason = name === 'outage' ? 'PROVIDER_UNAVAILABLE' : code
      assert.ok(logs.some(line => line.includes(reason)), reason)
      delete emulator.faults.token
      const next = refresh(issuer, oauth)
      if (outcome === 'fails') await next
      else await assert.rejects(next, ended)
    })
  }

  test("a client's prompt=consent does not reach Entra, whose users may not consent [field:S12]", async (t) => {
    const { logIn, emulator } = await startEmulated(t, internet, entra)
    const oauth = headlessOAuth()
    const redirect = oauth.redirectToAuthorization.bind(oauth)
    oauth.redirectToAuthorization = async url => {
      url.searchParams.set('prompt', 'login consent')
      await redirect(url)
    }
    await logIn(oauth)
    const { parameters } = emulator.requests.find(({ endpoint }) => endpoint === 'authorization') ??
      assert.fail()
    assert.equal(parameters['prompt'], 'login')
  })

  test('an error of GitHub with status 200 reaches the client as invalid_grant', async (t) => {
    const { emulator, logIn, logs } = await startEmulated(t, internet, github)
    emulator.faults.token = github.token.faults.code as Refusal
    await assert.rejects(logIn(), ended)
    assert.ok(logs.some(line => line.includes('bad_verification_code')))
  })
}
