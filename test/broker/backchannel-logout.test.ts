import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import type { McpOAuthEvent } from '../../lib/index.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { isError, providerClient, redeem, renew, startFlow, type Flow } from '../support/flow.ts'
import { createKey } from '../support/issuer.ts'
import { form, sendRequest } from '../support/requests.ts'
import { failing } from '../support/stores.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'

const start = (t: TestContext, more: object = {}) =>
  startFlow(t, { options: { backchannelLogout: true, ...more } })

/** A valid logout token, with these members in place of its own. */
async function logoutToken (
  { provider }: Flow,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  { privateKey } = provider.key
) {
  const now = Math.floor(Date.now() / 1000)
  const { kid, alg } = provider.key
  return await new SignJWT({
    iss: provider.issuer,
    aud: providerClient.clientId,
    iat: now,
    exp: now + 120,
    jti: randomUUID(),
    sub: 'alice',
    events: { [event]: {} },
    ...claims
  }).setProtectedHeader({ alg, kid, typ: 'logout+jwt', ...header }).sign(privateKey)
}

const post = (flow: Flow, token: string) =>
  flow.send('/oauth/backchannel-logout', form({ logout_token: token }))

test('POST /oauth/backchannel-logout ends all tokens of a user [BL-01 BL-02]', async (t) => {
  const events: McpOAuthEvent[] = []
  const flow = await start(t, { onEvent: (event: McpOAuthEvent) => events.push(event) })
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  flow.provider.user = 'bob'
  const others = await flow.tokens(id)
  const reply = await post(flow, await logoutToken(flow))
  assert.deepEqual([reply.status, reply.text, reply.headers.get('cache-control')], [
    200,
    '',
    'no-store'
  ])
  assert.equal(reply.headers.get('access-control-allow-origin'), null)
  assert.equal((await flow.call(tokens['access_token'])).status, 401)
  isError(await flow.token(renew(id, tokens['refresh_token'])), 400, 'invalid_grant')
  assert.equal((await flow.call(others['access_token'])).status, 200)
  flow.provider.user = 'alice'
  assert.equal((await flow.call((await flow.tokens(id))['access_token'])).status, 200)
  const [revoked] = events.filter(({ type }) => type === 'grant.revoked')
  assert.deepEqual(
    revoked?.type === 'grant.revoked' && [revoked.by, revoked.subject, revoked.filter],
    ['provider', 'alice', { subject: 'alice' }]
  )
})

test('POST /oauth/backchannel-logout ends the logins of one session, and unknown ones [BL-03]', async (t) => {
  const store = memoryStore()
  const flow = await start(t, { store })
  const id = await flow.register()
  const loginWith = async (sid: string | undefined) => {
    flow.provider.claims = { sid }
    return await flow.tokens(id)
  }
  const [phone, laptop, unknown] = [
    await loginWith('phone'),
    await loginWith('laptop'),
    await loginWith(undefined)
  ]
  flow.provider.claims = {}
  const before = await (await flow.addInstance({ backchannelLogout: false })).call(
    phone['access_token']
  )
  assert.equal(before.status, 200)
  const statuses = async () => {
    const tokens = [phone, laptop, unknown]
    return await Promise.all(
      tokens.map(async token => (await flow.call(token['access_token'])).status)
    )
  }
  const refreshed = (await flow.token(renew(id, phone['refresh_token']))).json()
  assert.equal(
    (await post(flow, await logoutToken(flow, { sub: undefined, sid: 'phone' }))).status,
    200
  )
  assert.deepEqual(await statuses(), [401, 200, 200])
  assert.equal((await flow.call(refreshed['access_token'])).status, 401)
  isError(await flow.token(renew(id, refreshed['refresh_token'])), 400, 'invalid_grant')
  assert.equal((await post(flow, await logoutToken(flow, { sid: 'desktop' }))).status, 200)
  assert.deepEqual(await statuses(), [401, 200, 401])
  assert.equal((await post(flow, await logoutToken(flow))).status, 200)
  assert.deepEqual(await statuses(), [401, 401, 401])
})

test('POST /oauth/backchannel-logout ends logins and codes in flight [BL-03]', async (t) => {
  const flow = await start(t)
  flow.provider.claims = { sid: 'phone' }
  const id = await flow.register()
  const code = await flow.login(id)
  assert.equal((await post(flow, await logoutToken(flow, { sid: 'phone' }))).status, 200)
  isError(await flow.token(redeem(id, code)), 400, 'invalid_grant')
})

test('POST /oauth/backchannel-logout accepts each logout token once, and other spellings of it [BL-04]', async (t) => {
  const flow = await start(t)
  const token = await logoutToken(flow)
  assert.equal((await post(flow, token)).status, 200)
  isError(await post(flow, token), 400, 'invalid_request')
  for (const typ of [undefined, 'JWT', 'jwt', 'application/logout+jwt', 'Logout+JWT']) {
    assert.equal((await post(flow, await logoutToken(flow, {}, { typ }))).status, 200, typ)
  }
  const aud = [providerClient.clientId, 'another']
  assert.equal((await post(flow, await logoutToken(flow, { aud }))).status, 200)
})

test('POST /oauth/backchannel-logout refuses every invalid logout token, and ends nothing [BL-05]', async (t) => {
  const flow = await start(t)
  const { access_token: access } = await flow.tokens(await flow.register())
  const now = Math.floor(Date.now() / 1000)
  const foreign = await createKey('upstream')
  const claims: Record<string, Record<string, unknown>> = {
    'another issuer': { iss: 'https://id.example' },
    'no issuer': { iss: undefined },
    'another audience': { aud: 'another' },
    'no audience': { aud: undefined },
    'no iat': { iat: undefined },
    'an old iat': { iat: now - 3_600 },
    'an iat in the future': { iat: now + 3_600 },
    'no exp': { exp: undefined },
    expired: { exp: now - 60 },
    'no jti': { jti: undefined },
    'an empty jti': { jti: '' },
    'a jti that is a number': { jti: 1 },
    'no events': { events: undefined },
    'events without the event': { events: { 'http://example.com': {} } },
    'an event that is no object': { events: { [event]: true } },
    'an event that is a list': { events: { [event]: [] } },
    'events that are a list': { events: [event] },
    'a nonce': { nonce: 'x' },
    'an empty nonce': { nonce: null },
    'neither a user nor a session': { sub: undefined },
    'an empty user': { sub: '' },
    'a user that is a number': { sub: 1 },
    'an empty session': { sub: undefined, sid: '' },
    'a user, and a session that is an object': { sid: {} }
  }
  const tokens: Record<string, string> = {
    // The keys are loaded once more for it.
    'an access token of ours': access,
    'another key': await logoutToken(flow, {}, {}, foreign),
    'the type of an access token': await logoutToken(flow, {}, { typ: 'at+jwt' }),
    'the type of a proof': await logoutToken(flow, {}, { typ: 'dpop+jwt' }),
    'a text': 'x',
    'five parts': 'a.b.c.d.e'
  }
  for (const [name, changed] of Object.entries(claims)) {
    tokens[name] = await logoutToken(flow, changed)
  }
  const [, payload = ''] = (await logoutToken(flow)).split('.')
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  tokens['no signature'] = `${encode({ alg: 'none', typ: 'logout+jwt' })}.${payload}.`
  const symmetric = new SignJWT(JSON.parse(Buffer.from(payload, 'base64url').toString()))
    .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
  tokens['a shared secret'] = await symmetric.sign(Buffer.from(providerClient.clientSecret))
  for (const [name, token] of Object.entries(tokens)) {
    const reply = await post(flow, token)
    assert.equal(reply.status, 400, name)
    assert.equal(reply.headers.get('cache-control'), 'no-store')
    assert.equal(reply.json()['error'], 'invalid_request', name)
  }
  // It may be a new one of the provider, which then sends the token again.
  const unknown = await post(flow, await logoutToken(flow, {}, { kid: 'x' }))
  assert.equal(unknown.status, 503)
  assert.ok(unknown.headers.get('retry-after'))
  for (const params of [{}, { logout_token: '' }, 'logout_token=a&logout_token=b']) {
    isError(await flow.send('/oauth/backchannel-logout', form(params)), 400, 'invalid_request')
  }
  isError(await flow.send('/oauth/backchannel-logout'), 405, 'invalid_request')
  assert.equal((await flow.call(access)).status, 200)
})

test('POST /oauth/backchannel-logout responds with 503 while keys or the store are unavailable [BL-06]', async (t) => {
  let fails = false
  const store = failing(memoryStore(), () => fails, 'READONLY', ['put'])
  const flow = await start(t, { store })
  const { access_token: access } = await flow.tokens(await flow.register())
  const token = await logoutToken(flow)
  await flow.provider.stop()
  assert.equal((await post(flow, token)).status, 503)
  await flow.provider.start()
  // After a failure, keys are loaded again in a second.
  while ((await post(flow, 'x')).status !== 400) await sleep(100)
  fails = true
  assert.equal((await post(flow, token)).status, 503)
  assert.equal((await flow.call(access)).status, 200)
  fails = false
  assert.equal((await post(flow, token)).status, 200, 'the same token can be sent again')
  assert.equal((await flow.call(access)).status, 401)
})

test('without backchannelLogout there is no endpoint, and tokens name no session [BL-07]', async (t) => {
  const flow = await startFlow(t)
  flow.provider.claims = { sid: 'phone' }
  const { access_token: token } = await flow.tokens(await flow.register())
  const url = `${flow.origin}/oauth/backchannel-logout`
  const reply = await sendRequest(url, form({ logout_token: await logoutToken(flow) }))
  assert.equal(reply.status, 404)
  assert.ok(!('ups' in JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())))
})

test('mcpOAuth.grants() omits the logins of a session that ended at the provider [BL-02]', async (t) => {
  const flow = await start(t, { grantIndex: true })
  const { grants } = flow.app.mcpOAuth
  for (const sid of ['phone', 'desktop']) {
    flow.provider.claims = { sid }
    await flow.tokens(await flow.register())
  }
  assert.equal((await grants()).grants.length, 2)
  assert.equal(
    (await post(flow, await logoutToken(flow, { sub: undefined, sid: 'phone' }))).status,
    200
  )
  assert.equal((await grants()).grants.length, 1)
  assert.doesNotMatch(JSON.stringify(await grants()), /session/)
})
