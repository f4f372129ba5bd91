import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { McpOAuthError, type McpOAuthEvent, type RevocationFilter } from '../../lib/index.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { matrix } from '../support/matrix.ts'
import { claimsOf, isError, openBrowser, redeem, renew, startFlow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { newSecret } from '../support/machines.ts'
import { failing } from '../support/stores.ts'

type Tokens = Record<string, any>

/** The filter of a kind that concerns a token, and whether it concerns others as well. */
const kinds: Record<string, { filter: (tokens: Tokens) => RevocationFilter, others: boolean }> = {
  subject: {
    filter: tokens => ({ subject: claimsOf(tokens['access_token'])['sub'] }),
    others: false
  },
  clientId: {
    filter: tokens => ({ clientId: claimsOf(tokens['access_token'])['client_id'] }),
    others: false
  },
  grant: { filter: tokens => ({ grant: claimsOf(tokens['access_token'])['gid'] }), others: false },
  issuedBefore: { filter: () => ({ issuedBefore: new Date() }), others: true },
  all: { filter: () => ({ all: true }), others: true }
}

for (const [kind, { filter, others }] of Object.entries(kinds)) {
  matrix(
    `mcpOAuth.revoke({ ${kind} }) ends all such tokens within a second on every instance, and no later login [V-09]`,
    async ({ startFlow }) => {
      const flow = await startFlow({ instances: 2 })
      const [id, other] = [await flow.register(), await flow.register()]
      const tokens = await flow.tokens(id)
      const old = { ...tokens, ...(await flow.token(renew(id, tokens['refresh_token']))).json() }
      flow.provider.user = 'bob'
      const bobs = await flow.tokens(other)
      for (const { call } of flow.instances) {
        for (const { access_token: token } of [tokens, old, bobs]) {
          assert.equal((await call(token)).status, 200)
        }
      }
      const [, remote = flow] = flow.instances
      await remote.app.mcpOAuth.revoke(filter(tokens))
      flow.provider.user = 'alice'
      const fresh = await flow.tokens(id)
      await sleep(1_000)
      for (const { call, token } of flow.instances) {
        for (const { access_token: ended } of [tokens, old]) {
          assert.equal((await call(ended)).status, 401)
        }
        for (const { refresh_token: ended } of [old, tokens]) {
          isError(await token(renew(id, ended)), 400, 'invalid_grant')
        }
        assert.equal((await call(bobs['access_token'])).status, others ? 401 : 200)
        assert.equal((await call(fresh['access_token'])).status, 200)
      }
      assert.equal((await remote.token(renew(id, fresh['refresh_token']))).status, 200)
      const renewal = await flow.token(renew(other, bobs['refresh_token']))
      assert.equal(renewal.status, others ? 400 : 200)
    }
  )
}

test('a refused refresh of a revoked user revokes the token of the provider, once', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const { refresh_token: refresh } = await flow.tokens(id)
  await flow.app.mcpOAuth.revoke({ subject: 'alice' })
  for (let turn = 0; turn < 3; turn++) {
    isError(await flow.token(renew(id, refresh)), 400, 'invalid_grant')
  }
  while (flow.provider.count('/revoke') === 0) await sleep(10)
  assert.equal(flow.provider.count('/revoke'), 1)
  assert.equal(flow.provider.refreshTokens.size, 0)
})

for (const [kind, { filter }] of Object.entries(kinds).filter(([kind]) => kind !== 'grant')) {
  test(`mcpOAuth.revoke({ ${kind} }) ends logins and codes in flight [V-10]`, async (t) => {
    const flow = await startFlow(t, { instances: 2, options: { store: memoryStore() } })
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const code = await flow.login(id)
    const browser = openBrowser()
    const back = await flow.approve(browser, flow.params(id))
    const page = await flow.form(browser, flow.params(id))
    const [, remote = flow] = flow.instances
    await remote.app.mcpOAuth.revoke(filter(tokens))
    isError(await flow.token(redeem(id, code)), 400, 'invalid_grant')
    const { location } = await browser.get(flow, `/oauth/callback?${back}`)
    const late = location?.searchParams.get('code') ?? ''
    isError(await flow.token(redeem(id, late)), 400, 'invalid_grant')
    while (flow.provider.count('/revoke') < 2) await sleep(10)
    assert.ok(page, 'a page that nobody answered is no login yet')
  })
}

test('a refresh whose provider responds after a revocation gives no tokens [V-10]', async (t) => {
  const flow = await startFlow(t, { instances: 2, options: { store: memoryStore() } })
  const id = await flow.register()
  const { refresh_token: refresh } = await flow.tokens(id)
  const [, remote = flow] = flow.instances
  flow.provider.delay = 300
  const count = flow.provider.count('/token')
  const renewal = flow.token(renew(id, refresh))
  while (flow.provider.count('/token') === count) await sleep(5)
  await remote.app.mcpOAuth.revoke({ clientId: id })
  isError(await renewal, 400, 'invalid_grant')
  while (flow.provider.count('/revoke') === 0) await sleep(10)
  flow.provider.delay = 0
  isError(await remote.token(renew(id, refresh)), 400, 'invalid_grant')
})

test('a token that a late refresh got is refused: its login was before the revocation [V-10]', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const { refresh_token: refresh } = await flow.tokens(id)
  const before = new Date()
  const late = (await flow.token(renew(id, refresh))).json()
  assert.equal((await flow.call(late['access_token'])).status, 200)
  await flow.app.mcpOAuth.revoke({ issuedBefore: before })
  assert.ok(claimsOf(late['access_token'])['iat'] >= Math.floor(before.getTime() / 1000))
  assert.equal((await flow.call(late['access_token'])).status, 401)
})

test('mcpOAuth.revoke({ clientId }) ends the tokens of a machine, which gets new ones', async (t) => {
  const { secret, hash } = newSecret()
  const clients = [{ clientId: 'job', secretHashes: [hash], grantTypes: ['client_credentials'] }]
  const flow = await startFlow(t, { options: { clients: clients as never } })
  const params = { grant_type: 'client_credentials', client_id: 'job', client_secret: secret }
  const first = (await flow.token(params)).json()['access_token']
  assert.equal((await flow.call(first)).status, 200)
  await flow.app.mcpOAuth.revoke({ clientId: 'job' })
  assert.equal((await flow.call(first)).status, 401)
  const next = (await flow.token(params)).json()['access_token']
  assert.equal((await flow.call(next)).status, 200)
})

test('tokens of another issuer are revoked by their second, and those without a time for a day [V-09]', async (t) => {
  const app = await startGuarded(t)
  const { revoke } = app.app.mcpOAuth
  const second = Math.floor(Date.now() / 1000)
  const issue = (sub: string, iat: number | undefined, more = {}) =>
    app.token({ sub, iat, exp: second + 600, ...more })
  const before = await issue('alice', second)
  const later = await issue('alice', second + 2)
  const timeless = await issue('alice', undefined)
  const others = await issue('bob', second, { client_id: 'desktop' })
  const status = async (token: string) => (await app.call(token)).status
  for (const token of [before, later, timeless, others]) assert.equal(await status(token), 200)
  await revoke({ subject: 'alice' })
  assert.deepEqual(await Promise.all([before, later, timeless, others].map(status)), [
    401,
    200,
    401,
    200
  ])
  await revoke({ clientId: 'desktop' })
  assert.deepEqual(await Promise.all([later, others].map(status)), [200, 401])
  await revoke({ issuedBefore: second - 90_000 })
  assert.equal(await status(later), 200)
  await assert.rejects(revoke({ grant: 'x' }), { kind: 'invalidOptions' })
})

test('tokens of another issuer need no store until something was revoked, and then get 503 [V-09 S-02]', async (t) => {
  let isDown = true
  const app = await startGuarded(t, { store: failing(memoryStore(), () => isDown) })
  const token = await app.token({ sub: 'bob' })
  assert.equal((await app.call(token)).status, 200)
  isDown = false
  while (await app.app.mcpOAuth.revoke({ subject: 'alice' }).then(() => false, () => true)) {
    await sleep(100)
  }
  isDown = true
  while ((await app.call(token)).status === 200) await sleep(100)
  assert.equal((await app.call(token)).status, 503)
})

test('mcpOAuth.revoke() refuses what is not one clear filter, and revokes nothing [V-12]', async (t) => {
  const flow = await startFlow(t)
  const { access_token: token } = await flow.tokens(await flow.register())
  const soon = Date.now() / 1000 + 60
  for (
    const filter of [
      undefined,
      null,
      'all',
      [],
      {},
      { everything: true },
      { constructor: 'x' },
      { all: false },
      { all: 1 },
      { subject: undefined },
      { subject: '' },
      { subject: 1 },
      { clientId: null },
      { grant: {} },
      { subject: 'alice', all: true },
      { subject: 'alice', clientId: undefined },
      { issuedBefore: new Date(NaN) },
      { issuedBefore: Date.now() },
      { issuedBefore: soon },
      { issuedBefore: 'yesterday' },
      { issuedBefore: '2999-01-01' },
      { issuedBefore: true },
      { issuedBefore: 0 }
    ]
  ) {
    await assert.rejects(
      flow.app.mcpOAuth.revoke(filter as never),
      { kind: 'invalidOptions', message: /revoke: .* Give .*\.$/ },
      JSON.stringify(filter)
    )
  }
  assert.equal((await flow.call(token)).status, 200)
  const open = await startGuarded(t, { auth: false, tokens: false })
  await assert.rejects(open.app.mcpOAuth.revoke({ all: true }), { kind: 'invalidOptions' })
})

test('mcpOAuth.revoke() tells of itself, and throws 503 while the store takes no writes', async (t) => {
  const events: McpOAuthEvent[] = []
  let fails = false
  const store = failing(memoryStore(), () => fails, 'READONLY', ['put'])
  const flow = await startFlow(t, {
    options: {
      store,
      onEvent: event => event.type === 'grant.revoked' && events.push(event),
      redact: ['subject']
    }
  })
  const { access_token: token } = await flow.tokens(await flow.register())
  fails = true
  await assert.rejects(
    flow.app.mcpOAuth.revoke({ subject: 'alice' }),
    (error: McpOAuthError) => error.kind === 'storeUnavailable' && error.statusCode === 503
  )
  assert.equal(events.length, 0)
  fails = false
  const { gid: grant } = claimsOf(token)
  await flow.app.mcpOAuth.revoke({ subject: 'alice' })
  await flow.app.mcpOAuth.revoke({ clientId: 'x' })
  await flow.app.mcpOAuth.revoke({ grant })
  await flow.app.mcpOAuth.revoke({ all: true })
  assert.deepEqual(
    events.map(event =>
      event.type === 'grant.revoked' ? [event.by, event.filter, event.grant] : event.type
    ),
    [
      ['operator', {}, undefined],
      ['operator', { clientId: 'x' }, undefined],
      ['operator', undefined, grant],
      ['operator', { all: true }, undefined]
    ]
  )
  assert.ok(!flow.logs.some(line => line.includes('grant.revoked') && line.includes('alice')))
})

test('access and refresh tokens of registered clients end when registration is switched off [V-13]', async (t) => {
  const store = memoryStore()
  const clients = [{ clientId: 'listed', redirectUris: ['http://127.0.0.1:7777/cb'] }]
  const flow = await startFlow(t, { options: { store, clients: clients as never } })
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  const { redirectUris: [uri] } = clients[0] as typeof clients[0]
  const listed = await flow.token({
    ...redeem('listed', await flow.login('listed', { params: { redirect_uri: uri } })),
    redirect_uri: uri
  })
  const kept = listed.json()['access_token']
  const without = await flow.addInstance({ setupFakeDynamicRegistration: false })
  assert.equal((await flow.call(tokens['access_token'])).status, 200)
  assert.equal((await without.call(tokens['access_token'])).status, 401)
  isError(await without.token(renew(id, tokens['refresh_token'])), 401, 'invalid_client')
  assert.equal((await without.call(kept)).status, 200)
})
