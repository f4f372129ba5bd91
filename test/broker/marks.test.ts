import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createRevocation } from '../../lib/broker/revocation.ts'
import type { RefreshContent } from '../../lib/broker/tokens.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'
import { claimsOf, isError, providerClient, renew, secret, startFlow } from '../support/flow.ts'

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

  /** Copies the stored value of one token to the key of another token. */
  async function copy (kind: string, from: RefreshContent, to: RefreshContent) {
    const sealed = await marks.recall(kind, from.id)
    assert.ok(sealed, kind)
    await marks.remember(kind, to.id, sealed, 60)
  }

  return { flow, state, copy, victim: await logIn(), attacker: await logIn() }
}

test('POST /oauth/token ignores the kept response of another refresh token [S-02]', async (t) => {
  const { copy, victim, attacker } = await twoGrants(t)
  assert.equal((await victim.refresh()).status, 200)
  await copy('refreshed', victim.content, attacker.content)
  const reply = await attacker.refresh()
  assert.equal(reply.status, 200, reply.text)
  assert.equal(claimsOf(reply.json()['access_token'])['gid'], attacker.content.grant)
})

test('POST /oauth/token ignores the rotated provider token of another refresh token [S-02]', async (t) => {
  const { flow, state, copy, victim, attacker } = await twoGrants(t)
  state.broken = true
  isError(await victim.refresh(), 503, 'temporarily_unavailable')
  state.broken = false
  await copy('rotated', victim.content, attacker.content)
  const reply = await attacker.refresh()
  assert.equal(reply.status, 200, reply.text)
  assert.deepEqual(
    { refresh: flow.provider.requests.at(-1)?.params.get('refresh_token') },
    attacker.content.upstream
  )
})

test('end() does not revoke the provider token that was noted for another grant [S-02]', async () => {
  const revoked: string[] = []
  const ignore = () => {}
  const marks = createOneTimeMarks(memoryStore(), 'a')
  const revocation = createRevocation({
    marks,
    sealer: createSealer(['a test secret that is long enough to be one']),
    provider: {
      revoke: async (token) => {
        revoked.push(token)
      }
    },
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore }
  })
  await revocation.note('victim', 'token of the victim', 0)
  const sealed = await marks.recall('upstream', 'victim') ?? ''
  for (const grant of ['one', 'two']) await marks.remember('upstream', grant, sealed, 60)
  await revocation.end('one', 0)
  await revocation.end('two', 0, 'token of the thief')
  await revocation.end('victim', 0)
  while (revoked.length < 2) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(revoked.sort(), ['token of the thief', 'token of the victim'])
})
