import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { memoryStore } from '../../lib/store/memory.ts'
import type { AuthorizeVerdict, UpstreamUser } from '../../lib/types.ts'
import { idJag, identityClaims, jwtBearer, startAssertionIssuer } from '../support/assertions.ts'
import { createHolder, type Holder } from '../support/dpop.ts'
import {
  clientId,
  hash,
  isRefused,
  secret,
  signer,
  startTrusting,
  tokenOf,
  type Reply,
  type Trusting
} from '../support/id-jag.ts'
import { assertion as clientAssertion, basic, newKey } from '../support/machines.ts'
import { failing, recordWrites } from '../support/stores.ts'

/** Sends an assertion until its issuer, or the store, works again. */
async function sendUntilAvailable ({ send }: Trusting, assertion: string): Promise<Reply> {
  for (let tries = 0;; tries++) {
    const reply = await send(assertion)
    if (reply.statusCode !== 503 || tries === 100) return reply
    await sleep(100)
  }
}

function isUnavailable (reply: Reply) {
  isRefused(reply, 503, 'temporarily_unavailable')
  assert.match(String(reply.headers['retry-after']), /^\d+$/)
}

test('POST /oauth/token answers 503 while an issuer is down, and takes the same assertion later [EM-17]', async (t) => {
  const given = await startTrusting(t)
  const { trusted, sign, send, events } = given
  const assertion = await sign()
  trusted.isDown = true
  isUnavailable(await send(assertion))
  isRefused(await send(assertion, {}, basic('thief', secret)), 503, 'temporarily_unavailable')
  assert.ok(
    !events.some(({ type }) => type === 'token.refused'),
    'the fault is not that of the client'
  )
  trusted.isDown = false
  tokenOf(await sendUntilAvailable(given, assertion))
})

test('POST /oauth/token loads keys of an issuer again for a new one, and seldom [EM-19]', async (t) => {
  const given = await startTrusting(t)
  const { trusted, sign, send } = given
  tokenOf(await send(await sign()))
  assert.equal(trusted.loads, 1)
  isRefused(await send(await sign({}, { ...idJag, kid: 'unknown' })), 400, 'invalid_grant')
  for (let count = 0; count < 20; count++) {
    isUnavailable(await send(await sign({}, { ...idJag, kid: `unknown-${count}` })))
  }
  assert.equal(trusted.loads, 2)
  // An attacker names a key, while the issuer changes its own.
  const next = newKey()
  trusted.keys.push(next)
  const { ours } = given
  const assertion = await trusted.sign(identityClaims(trusted, ours), idJag, next)
  isUnavailable(await send(assertion))
  tokenOf(await sendUntilAvailable(given, assertion))
})

for (
  const [problem, keys] of Object.entries({
    'contains a secret': [{ ...newKey().privateKey.export({ format: 'jwk' }) }],
    'has too many keys': Array.from({ length: 101 }, () => newKey().jwk),
    'is empty': []
  })
) {
  test(`POST /oauth/token answers 503 if the JWK set of an issuer ${problem} [EM-19]`, async (t) => {
    const { trusted, sign, send } = await startTrusting(t)
    const assertion = await sign()
    trusted.keys = keys.map(jwk => ({ ...newKey(), jwk }))
    isUnavailable(await send(assertion))
  })
}

test('POST /oauth/token answers 503 while the store is down, and takes the same assertion later [EM-17]', async (t) => {
  let isDown = false
  for (const methods of [['get'], ['putIfAbsent']] as const) {
    isDown = false
    const store = failing(memoryStore(), () => isDown, 'down', methods)
    const given = await startTrusting(t, { store })
    const assertion = await given.sign()
    tokenOf(await given.send(await given.sign()))
    isDown = true
    isUnavailable(await given.send(assertion))
    isDown = false
    tokenOf(await sendUntilAvailable(given, assertion))
    isRefused(await given.send(assertion), 400, 'invalid_grant')
  }
})

test('POST /oauth/token remembers an assertion until it expires, and nothing of an invalid one [EM-09]', async (t) => {
  const { wrap, writes } = recordWrites()
  const { sign, send } = await startTrusting(t, { store: wrap(memoryStore()) })
  const before = writes.length
  isRefused(await send(await sign({ aud: 'https://evil.example' })), 400, 'invalid_grant')
  assert.equal(writes.length, before)
  const assertion = await sign({ exp: Math.floor(Date.now() / 1000) + 3_000 })
  tokenOf(await send(assertion))
  const marks = writes.filter(({ key }) => key.includes(':id-jag:'))
  assert.equal(marks.length, 1)
  assert.ok(marks.every(({ ttl }) => ttl > 3_000 && ttl < 3_100), String(marks[0]?.ttl))
  assert.ok(!JSON.stringify(writes).includes(String(decodeJwt(assertion).jti)))
})

test('POST /oauth/token takes the assertion of a client that another one has sent before [EM-07]', async (t) => {
  const { sign, send } = await startTrusting(t)
  const assertion = await sign()
  isRefused(await send(assertion, {}, basic('thief', secret)), 400, 'invalid_grant')
  isRefused(await send(assertion, { client_id: 'public' }, {}), 400, 'unauthorized_client')
  tokenOf(await send(assertion))
})

test('POST /oauth/token takes all spellings of the specification [EM-01 EM-05 EM-10 EM-11 EM-25]', async (t) => {
  const { sign, send, issuer, ours } = await startTrusting(t)
  const now = Math.floor(Date.now() / 1000)
  for (
    const claims of [
      { aud: [issuer] },
      { aud: `${issuer}/` },
      { resource: undefined },
      { resource: [ours.resource] },
      { authorization_details: [{ type: 'payment', amount: 5 }] },
      { nbf: now - 1 },
      { nbf: now + 20, iat: now + 20 },
      { iat: now - 320, exp: now - 20 },
      { exp: now + 3_600, iat: now },
      { auth_time: now, acr: 'x', amr: ['mfa'], email: 'alice@example.com', aud_sub: 'a' }
    ]
  ) {
    tokenOf(await send(await sign(claims)))
  }
  tokenOf(await send(await sign({}, { typ: 'application/OAuth-ID-JAG+JWT' })))
  const reply = await send(await sign({ resource: undefined }), { resource: ours.resource })
  assert.equal(reply.json().resource, ours.resource)
})

test('POST /oauth/token obeys algorithms, audience and jwksUri of an issuer [EM-03 EM-05]', async (t) => {
  const given = await startTrusting(t, ({ issuer }) => ({
    trustedIssuers: [{
      issuer,
      jwksUri: `${issuer}/other/keys`,
      audience: ['urn:mcp'],
      algorithms: ['RS512']
    }]
  }))
  const { sign, send, trusted } = given
  isRefused(await send(await sign()), 400, 'invalid_grant')
  trusted.keys.push(newKey('RS512'))
  const claims = identityClaims(trusted, given.ours, { aud: 'urn:mcp' })
  tokenOf(await sendUntilAvailable(given, await trusted.sign(claims, idJag, trusted.keys[1])))
})

test('an issuer is named once in trustedIssuers [EM-04]', async (t) => {
  await assert.rejects(
    startTrusting(t, ({ issuer }) => ({ trustedIssuers: [{ issuer }, { issuer }] })),
    /trustedIssuers: .*must name http:\/\/127[^ ]* once. Merge its entries/s
  )
})

for (
  const [name, url] of Object.entries({
    issuer: 'http://idp.example.com',
    jwksUri: 'http://idp.example.com/keys'
  })
) {
  test(`keys of issuers come over TLS: trustedIssuers.${name} [EM-19]`, async (t) => {
    await assert.rejects(
      startTrusting(t, ({ issuer }) => ({ trustedIssuers: [{ issuer, [name]: url }] })),
      new RegExp(`trustedIssuers.0.${name}: "http://idp.example.com`)
    )
  })
}

test('POST /oauth/token takes assertions of listed clients alone, public ones too [EM-07]', async (t) => {
  const { sign, send, issuer } = await startTrusting(t, ({ issuer }) => ({
    trustedIssuers: [{ issuer, clients: ['public', 'signer'] }]
  }))
  isRefused(await send(await sign()), 400, 'unauthorized_client')
  const own = await sign({ client_id: 'public' })
  tokenOf(await send(own, { client_id: 'public' }, {}))
  const proof = await clientAssertion(signer, 'signer', issuer)
  const signed = await sign({ client_id: 'signer' })
  tokenOf(await send(signed, proof, {}))
  isRefused(await send(await sign({ client_id: 'signer' }), proof, {}), 401, 'invalid_client')
})

test('POST /oauth/token tells users of two issuers, and of two tenants, apart [EM-06]', async (t) => {
  const second = await startAssertionIssuer(t)
  const { sign, send, trusted } = await startTrusting(t, ({ issuer }) => ({
    trustedIssuers: [{ issuer }, { issuer: second.issuer }]
  }))
  const subjectOf = async (claims: object, from = trusted) =>
    decodeJwt(tokenOf(await send(await sign(claims, idJag, from)))).sub
  assert.deepEqual([
    await subjectOf({ sub: 'alice' }),
    await subjectOf({ sub: 'alice' }, second),
    await subjectOf({ sub: 'alice', tenant: 'acme' }),
    await subjectOf({ sub: 'acme|alice' }),
    await subjectOf({ sub: 'lice', tenant: 'acme|a' }),
    await subjectOf({ sub: 'acme%7Calice' })
  ], [
    `${trusted.issuer}|alice`,
    `${second.issuer}|alice`,
    `${trusted.issuer}|acme|alice`,
    `${trusted.issuer}|acme%7Calice`,
    `${trusted.issuer}|acme%7Ca|lice`,
    `${trusted.issuer}|acme%257Calice`
  ])
  isRefused(
    await send(await second.sign({ ...decodeJwt(await sign()), jti: randomUUID() }, idJag)),
    400,
    'invalid_grant'
  )
})

test('POST /oauth/token gives the scopes that all agree on [EM-12]', async (t) => {
  const { sign, send } = await startTrusting(t, ({ issuer }) => ({
    requiredScopes: ['mcp:read'],
    scopes: ['mcp:write', 'mcp:admin', 'mcp:audit'],
    scopeHierarchy: { 'mcp:admin': ['mcp:read', 'mcp:write'] },
    clients: [{
      clientId,
      secretHashes: [hash],
      grantTypes: [jwtBearer],
      scopes: ['mcp:read', 'mcp:write', 'mcp:admin', 'chat']
    }],
    trustedIssuers: [{ issuer, scopes: ['mcp:read', 'mcp:write', 'mcp:audit', 'chat'] }]
  }))
  const cases: Array<[asserted: string | undefined, requested: string | undefined, string | null]> =
    [
      ['mcp:read', undefined, 'mcp:read'],
      ['mcp:read mcp:write', undefined, 'mcp:read mcp:write'],
      ['mcp:read mcp:write', 'mcp:read', 'mcp:read'],
      ['mcp:read', 'mcp:read mcp:write', 'mcp:read'],
      ['mcp:read chat', undefined, 'mcp:read'],
      ['mcp:read', 'mcp:read chat', 'mcp:read'],
      // The issuer may not grant it, and the client may not have it.
      ['mcp:read mcp:admin', undefined, 'mcp:read'],
      ['mcp:read mcp:audit', undefined, 'mcp:read'],
      ['mcp:admin', 'mcp:write', 'mcp:write'],
      ['mcp:admin', undefined, null],
      ['mcp:read', 'mcp:write', null],
      ['', undefined, ''],
      ['', 'mcp:read', null],
      [undefined, undefined, 'mcp:read'],
      [undefined, 'mcp:write', 'mcp:write'],
      // The issuer may grant a scope that this server does not know.
      [undefined, 'mcp:read chat', 'mcp:read']
    ]
  for (const [scope, requested, granted] of cases) {
    const reply = await send(await sign({ scope }), requested ? { scope: requested } : {})
    if (granted === null) isRefused(reply, 400, 'invalid_scope')
    else assert.equal(reply.json().scope, granted, `${scope} ${requested}`)
  }
})

test('POST /oauth/token refuses unknown scopes where unknownScopes says so [EM-12]', async (t) => {
  const { sign, send } = await startTrusting(t, { unknownScopes: 'refuse' })
  isRefused(await send(await sign({ scope: 'mcp:read chat' })), 400, 'invalid_grant')
  isRefused(await send(await sign(), { scope: 'mcp:read chat' }), 400, 'invalid_scope')
  tokenOf(await send(await sign(), { scope: 'mcp:read' }))
})

test('authorizeUser denies, narrows and adds, and consumes no assertion that it denies [EM-20]', async (t) => {
  const seen: UpstreamUser[] = []
  let verdict: () => AuthorizeVerdict = () => true
  const { sign, send, events, trusted } = await startTrusting(t, {
    authorizeUser (user) {
      seen.push(user)
      return verdict()
    }
  })
  const assertion = await sign({ email: 'alice@example.com', scope: 'mcp:read mcp:write' })
  const fail = () => {
    throw new Error('down')
  }
  for (const deny of [() => false, () => ({ deny: 'Ask your manager' })]) {
    verdict = deny
    isRefused(await send(assertion), 400, 'access_denied')
  }
  verdict = fail
  isRefused(await send(assertion), 500, 'server_error')
  verdict = () => ({
    scopes: ['mcp:write', 'mcp:admin'],
    claims: { team: 'a', sub: 'admin', act: 1 }
  })
  const claims = decodeJwt(tokenOf(await send(assertion)))
  assert.deepEqual(
    [claims['scope'], claims['team'], claims.sub, claims['act'], claims['withheld']],
    ['mcp:write', 'a', `${trusted.issuer}|U019488227`, undefined, 'mcp:read']
  )
  const [user] = seen
  assert.deepEqual(
    [user?.isAsserted, user?.claims.email, user?.client, user?.scopes],
    [true, 'alice@example.com', { id: clientId }, ['mcp:read', 'mcp:write']]
  )
  assert.throws(() => user?.tokens, /isAsserted/)
  const of = (type: string) => events.filter(event => event.type === type).length
  assert.deepEqual([of('login.denied'), of('token.refused'), of('token.issued')], [2, 2, 1])
  const { length } = seen
  isRefused(await send(assertion), 400, 'invalid_grant')
  assert.equal(seen.length, length, 'it is not asked about a used assertion')
})

test('mapSubject names users, and refuses, fails or hangs: no assertion is consumed [EM-06]', async (t) => {
  let map: (claims: object) => unknown = () => 'alice'
  const { sign, send } = await startTrusting(t, ({ issuer }) => ({
    trustedIssuers: [{ issuer, mapSubject: claims => map(claims) as string }]
  }))
  const assertion = await sign({ email: 'alice@example.com' })
  const expect = async (mapped: typeof map, status: number, error: string) => {
    map = mapped
    isRefused(await send(assertion), status, error)
  }
  await expect(() => null, 400, 'invalid_grant')
  await expect(() => undefined, 400, 'invalid_grant')
  await expect(async () => null, 400, 'invalid_grant')
  await expect(
    () => {
      throw new Error('down')
    },
    500,
    'server_error'
  )
  await expect(async () => await Promise.reject(new Error('down')), 500, 'server_error')
  await expect(() => '', 500, 'server_error')
  await expect(() => 'a\nb', 500, 'server_error')
  await expect(() => 7, 500, 'server_error')
  await expect(() => 'x'.repeat(2_049), 500, 'server_error')
  await expect(async () => await new Promise(() => {}), 500, 'server_error')
  // The tokens of this user would look like those of the machine.
  await expect(() => 'job', 400, 'access_denied')
  map = claims => (claims as { email: string }).email
  assert.equal(decodeJwt(tokenOf(await send(assertion))).sub, 'alice@example.com')
})

test('mcpOAuth.revoke() refuses assertions that were issued before, and grants() lists tokens [EM-20]', async (t) => {
  const { sign, send, app, call, trusted } = await startTrusting(t, {
    grantIndex: true,
    store: memoryStore()
  })
  const subject = `${trusted.issuer}|alice`
  const now = Math.floor(Date.now() / 1000)
  const token = tokenOf(await send(await sign({ sub: 'alice', iat: now - 60 })))
  const { grants } = await app.mcpOAuth.grants({ subject })
  assert.deepEqual(
    grants.map(({ subject, client, scopes }) => [subject, client.id, scopes]),
    [[subject, clientId, ['mcp:read']]]
  )
  const before = await sign({ sub: 'alice', iat: now - 30 })
  await app.mcpOAuth.revoke({ subject })
  // Beyond its millisecond, which counts as before.
  await sleep(5)
  isRefused(await send(before), 400, 'invalid_grant')
  assert.deepEqual((await app.mcpOAuth.grants({ subject })).grants, [])
  tokenOf(await send(await sign({ sub: 'bob', iat: now - 30 })))
  tokenOf(await send(await sign({ sub: 'alice', iat: now + 2 })))
  for (let tries = 0; (await call(token)).statusCode !== 401; tries++) {
    assert.ok(tries < 100)
    await sleep(50)
  }
})

async function prove (given: Trusting, holder: Holder, nonce?: string) {
  return { dpop: await holder.prove('POST', `${given.issuer}/oauth/token`, { nonce }) }
}

for (const dpop of ['accept', 'require'] as const) {
  test(`POST /oauth/token binds tokens of assertions to a key, with dpop: ${dpop} [EM-16]`, async (t) => {
    const given = await startTrusting(t, { dpop })
    const { sign, send, call, ours } = given
    const [holder, other] = [await createHolder(), await createHolder()]
    const credentials = basic(clientId, secret)
    const bound = await sign({ cnf: { jkt: holder.jkt } })
    const asked = await send(bound, {}, { ...credentials, ...await prove(given, holder) })
    isRefused(asked, 400, 'use_dpop_nonce')
    const nonce = String(asked.headers['dpop-nonce'])
    const withKey = async (assertion: string, key: Holder) =>
      await send(assertion, {}, { ...credentials, ...await prove(given, key, nonce) })
    isRefused(await withKey(bound, other), 400, 'invalid_grant')
    isRefused(await send(bound), 400, 'invalid_grant')
    for (const assertion of [bound, await sign()]) {
      const reply = await withKey(assertion, holder)
      const token = tokenOf(reply)
      assert.equal(reply.json().token_type, 'DPoP')
      assert.deepEqual(decodeJwt(token)['cnf'], { jkt: holder.jkt })
      assert.equal((await call(token)).statusCode, 401)
      const proof = await holder.prove('POST', ours.resource, { token, nonce })
      const used = await call(token, { authorization: `DPoP ${token}`, dpop: proof })
      assert.equal(used.statusCode, 200, used.body)
    }
    const unbound = await send(await sign())
    if (dpop === 'require') isRefused(unbound, 400, 'invalid_grant')
    else assert.equal(unbound.json().token_type, 'Bearer')
  })
}

const profile = 'urn:ietf:params:oauth:grant-profile:id-jag'

const metadataCases: Array<[string, (t: TestContext) => object, boolean, boolean]> = [
  ['trustedIssuers', () => ({}), true, true],
  ['neither', () => ({ trustedIssuers: [], clients: [] }), false, false]
]

for (const [given, options, hasGrant, hasProfile] of metadataCases) {
  test(`the metadata name the grant and its profile exactly when they are on: ${given} [EM-18]`, async (t) => {
    const { app, send, sign } = await startTrusting(t, options(t))
    for (const name of ['oauth-authorization-server', 'openid-configuration']) {
      const { grant_types_supported: grants, authorization_grant_profiles_supported: profiles } =
        (await app.inject(`/.well-known/${name}`)).json()
      assert.equal(grants.includes(jwtBearer), hasGrant)
      assert.deepEqual(profiles, hasProfile ? [profile] : undefined)
    }
    if (!hasGrant) isRefused(await send(await sign()), 400, 'unsupported_grant_type')
  })
}
