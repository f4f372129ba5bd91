import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createKept } from '../../lib/broker/kept.ts'
import { createRevocation } from '../../lib/broker/revocation.ts'
import type { RefreshContent } from '../../lib/broker/tokens.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'
import { claimsOf, isError, providerClient, renew, secret, startFlow } from '../support/flow.ts'
import { recordWarnings } from '../support/log.ts'

// The attack: with write access to the store, sealed values are copied from one key to another.

/** Two grants of one user, and the entries in their store. */
async function twoGrants (t: TestContext) {
  const store = memoryStore()
  const state = { broken: false }
  const flow = await startFlow(t, {
    options: {
      store,
      provider: {
        identify: async () => {
          if (state.broken) throw new McpOAuthError('providerUnavailable')
          return { sub: 'alice' }
        }
      }
    }
  })
  const context = `${flow.provider.issuer} ${providerClient.clientId} ${flow.prefix}`
  const sealer = createSealer([secret], context)
  const marks = createOneTimeMarks(store, context)
  const client = await flow.register()

  async function logIn () {
    const token: string = (await flow.tokens(client))['refresh_token']
    const content = await sealer.open('refresh', token, 0) as RefreshContent | null
    assert.ok(content)
    return { content, refresh: () => flow.token(renew(client, token)) }
  }

  /** Copies the stored tokens of one grant to the key of another grant. */
  async function copy (from: RefreshContent, to: RefreshContent) {
    const sealed = await marks.recall('family', from.grant)
    assert.ok(sealed)
    await marks.remember('family', to.grant, sealed, 60)
  }

  return { flow, state, copy, victim: await logIn(), attacker: await logIn() }
}

test('POST /oauth/token ignores the newest tokens of another grant [S-02]', async (t) => {
  const { copy, victim, attacker } = await twoGrants(t)
  assert.equal((await victim.refresh()).status, 200)
  await copy(victim.content, attacker.content)
  const reply = await attacker.refresh()
  assert.equal(reply.status, 200, reply.text)
  assert.equal(claimsOf(reply.json()['access_token'])['gid'], attacker.content.grant)
})

test('POST /oauth/token ignores the rotated provider token of another grant [S-02]', async (t) => {
  const { flow, state, copy, victim, attacker } = await twoGrants(t)
  state.broken = true
  isError(await victim.refresh(), 503, 'temporarily_unavailable')
  state.broken = false
  await copy(victim.content, attacker.content)
  const reply = await attacker.refresh()
  assert.equal(reply.status, 200, reply.text)
  assert.deepEqual(
    { refresh: flow.provider.requests.at(-1)?.params.get('refresh_token') },
    attacker.content.upstream
  )
})

test('end() does not revoke the provider token that was kept for another grant [S-02]', async () => {
  const revoked: string[] = []
  const { log } = recordWarnings()
  const marks = createOneTimeMarks(memoryStore(), 'a')
  const sealer = createSealer(['a test secret that is long enough to be one'])
  const kept = createKept({ marks, sealer, log })
  const revocation = createRevocation({
    marks,
    kept,
    lifetimes: { access: 60, refreshAbsolute: 60 },
    provider: {
      revoke: async (token) => {
        revoked.push(token)
      }
    },
    log
  })
  const upstream = { refresh: 'token of the victim' }
  await kept.keep('family', { id: 'victim', generation: 0, upstream, uses: [] }, 60, 0)
  const sealed = await marks.recall('family', 'victim') ?? ''
  for (const grant of ['one', 'two']) await marks.remember('family', grant, sealed, 60)
  await revocation.revokeGrant('one', 0)
  await revocation.revokeGrant('two', 0, { refresh: 'token of the thief' })
  await revocation.revokeGrant('victim', 0)
  while (revoked.length < 2) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(revoked.sort(), ['token of the thief', 'token of the victim'])
})
