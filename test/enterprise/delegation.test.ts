import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '../../lib/store/memory.ts'
import { idJag } from '../support/assertions.ts'
import { callerIn } from '../support/guarded.ts'
import {
  accessToken,
  claimsIn,
  hash,
  isRefused,
  jwt,
  secret,
  signer,
  startDelegating,
  tokenExchange,
  tokenOf
} from '../support/delegation.ts'
import { createHolder } from '../support/dpop.ts'
import { claimsOf, renew } from '../support/flow.ts'
import { assertion, basic } from '../support/machines.ts'
import { failing, racing } from '../support/stores.ts'

const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`

const caller = async (reply: { status: number, text: string, json: () => any }) => {
  assert.equal(reply.status, 200, reply.text)
  return await callerIn({ ...reply, json: async () => reply.json() } as never)
}

test('POST /oauth/token exchanges the token of a user for one of an agent [DG-01 DG-02 DG-06]', async (t) => {
  const { user, exchange, call, events, resource, base } = await startDelegating(t)
  const { access_token: subject } = await user()
  const reply = await exchange(subject)
  const token = tokenOf(reply)
  const { expires_in: seconds, ...members } = reply.json()
  assert.deepEqual({ ...members, access_token: null }, {
    access_token: null,
    issued_token_type: accessToken,
    token_type: 'Bearer',
    scope: 'mcp:read mcp:write'
  })
  const [given, issued] = [claimsOf(subject), claimsOf(token)]
  assert.ok(seconds > 3500 && issued['exp'] <= given['exp'])
  assert.deepEqual(
    [issued['iss'], issued['sub'], issued['aud'], issued['client_id'], issued['act']],
    [base, given['sub'], resource, 'agent', { sub: 'agent' }]
  )
  assert.deepEqual([issued['gid'], issued['gat']], [given['gid'], given['gat']])
  const { subject: sub, clientId, actor } = await caller(await call(token))
  assert.deepEqual([sub, clientId, actor], [given['sub'], 'agent', { subject: 'agent' }])
  assert.ok(!('actor' in await caller(await call(subject))))
  const { type, ...told }: Record<string, unknown> = Object(
    events.findLast(({ type }) => type === 'token.issued')
  )
  assert.deepEqual(
    [type, told['subject'], told['client'], told['grant'], told['scopes'], told['actor']],
    [
      'token.issued',
      given['sub'],
      { id: 'agent', name: null },
      given['gid'],
      ['mcp:read', 'mcp:write'],
      'agent'
    ]
  )
  tokenOf(await exchange(subject))
})

test('GET /.well-known/oauth-authorization-server offers the exchange to listed clients alone [DG-01]', async (t) => {
  const offered = async (options: object) => {
    const { send, exchange } = await startDelegating(t, options)
    const path = '/.well-known/oauth-authorization-server'
    const { grant_types_supported: types } = (await send(path)).json()
    return [types.includes(tokenExchange), (await exchange('x')).json()['error']]
  }
  assert.deepEqual(await offered({}), [true, 'invalid_request'])
  const clients = [{ clientId: 'agent', secretHashes: [], grantTypes: ['client_credentials'] }]
  assert.deepEqual(
    await offered({
      clients: clients.map(client => ({ ...client, secretHashes: [`sha256:${'A'.repeat(43)}`] }))
    }),
    [false, 'unsupported_grant_type']
  )
})

test('POST /oauth/token nests the actors of the subject token, and ends the chain at five [DG-03 DG-04]', async (t) => {
  const { user, exchange, machine } = await startDelegating(t)
  let { access_token: token } = await user()
  const clients = ['agent', 'helper', 'agent', 'helper', 'agent']
  let act: object | undefined
  for (const sub of clients) {
    token = tokenOf(await exchange(token, {}, basic(sub, secret)))
    act = act ? { sub, act } : { sub }
    assert.deepEqual(claimsOf(token)['act'], act)
  }
  isRefused(await exchange(token, {}, basic('helper', secret)), 400, 'invalid_request')
  const actor = await machine('job')
  isRefused(await exchange(token, { actor_token: actor }), 400, 'invalid_request')
})

test('POST /oauth/token names the subject of the actor token as the actor [DG-02 DG-03]', async (t) => {
  const { user, exchange, machine, foreign, trusted } = await startDelegating(t)
  const { access_token: subject } = await user()
  const job = await machine('job')
  assert.deepEqual(claimsIn(await exchange(subject, { actor_token: job }))['act'], { sub: 'job' })
  const bot = await foreign({ sub: 'bot', act: { sub: 'ignored' } })
  const token = tokenOf(await exchange(subject, { actor_token: bot, actor_token_type: jwt }))
  const act = { sub: 'bot', iss: trusted.issuer }
  assert.deepEqual(claimsOf(token)['act'], act)
  const next = claimsIn(await exchange(token, {}, basic('helper', secret)))
  assert.deepEqual(next['act'], { sub: 'helper', act })
})

test('POST /oauth/token exchanges the token of a trusted issuer once, for a grant [DG-05 DG-09]', async (t) => {
  const { exchange, foreign, trusted, call, app } = await startDelegating(t)
  const given = await foreign({ act: { sub: 'bot', exp: 1, email: 'a@example.com' } })
  const reply = await exchange(given, { subject_token_type: jwt, requested_token_type: jwt })
  const token = tokenOf(reply)
  const { sub, act, gid, exp } = claimsOf(token)
  assert.equal(reply.json()['issued_token_type'], jwt)
  assert.deepEqual(
    [sub, act],
    [`${trusted.issuer}|alice`, { sub: 'agent', act: { sub: 'bot', iss: trusted.issuer } }]
  )
  assert.match(gid, /^machine\./)
  assert.ok(exp <= claimsOf(given)['exp'])
  assert.deepEqual((await caller(await call(token)))['actor'], {
    subject: 'agent',
    actor: { subject: 'bot', issuer: trusted.issuer }
  })
  isRefused(await exchange(given), 400, 'invalid_request')
  await app.mcpOAuth.revoke({ grant: gid })
  assert.equal((await call(token)).status, 401)
})

test('POST /oauth/token takes an identity assertion of its client once, with either grant [DG-05]', async (t) => {
  const { exchange, foreign, token } = await startDelegating(t, ({ issuer }) => ({
    trustedIssuers: [{ issuer }],
    clients: [{
      clientId: 'agent',
      secretHashes: [hash],
      grantTypes: [tokenExchange, 'urn:ietf:params:oauth:grant-type:jwt-bearer']
    }]
  }))
  const claims = { client_id: 'agent', scope: 'mcp:read' }
  const asAssertion = { subject_token_type: type('id-jag') }
  isRefused(
    await exchange(await foreign({ ...claims, client_id: 'other' }, idJag), asAssertion),
    400,
    'invalid_request'
  )
  const given = await foreign(claims, idJag)
  tokenOf(await exchange(given, asAssertion))
  const again = await token({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: given
  }, basic('agent', secret))
  isRefused(again, 400, 'invalid_grant')
})

test('POST /oauth/token takes identity assertions by their type or as JWTs, and no others by it [DG-14]', async (t) => {
  const { exchange, foreign, user } = await startDelegating(t)
  const { access_token: own } = await user()
  const assertion = () => foreign({ client_id: 'agent' }, idJag)
  for (
    const [given, name, isTaken] of [
      [assertion, 'id-jag', true],
      [assertion, 'jwt', true],
      [assertion, 'access_token', false],
      [() => foreign(), 'id-jag', false],
      [() => own, 'id-jag', false],
      [() => own, 'jwt', true]
    ] as Array<[() => string | Promise<string>, string, boolean]>
  ) {
    for (
      const reply of [
        await exchange(await given(), { subject_token_type: type(name) }),
        await exchange(own, { actor_token: await given(), actor_token_type: type(name) })
      ]
    ) {
      if (isTaken) tokenOf(reply)
      else isRefused(reply, 400, 'invalid_request')
    }
  }
})

test('POST /oauth/token grants what subject, actor, client and request allow [DG-07]', async (t) => {
  const { user, exchange, machine, foreign } = await startDelegating(t)
  const { access_token: both } = await user()
  const { access_token: read } = await user('mcp:read')
  const scope = async (...given: Parameters<typeof exchange>) => {
    const reply = await exchange(...given)
    return reply.status === 200 ? reply.json()['scope'] : reply.json()['error']
  }
  assert.equal(await scope(both), 'mcp:read mcp:write')
  assert.equal(await scope(read), 'mcp:read')
  assert.equal(await scope(both, { scope: 'mcp:write admin' }), 'mcp:write')
  assert.equal(await scope(both, {}, basic('reader', secret)), 'mcp:read')
  assert.equal(await scope(both, { actor_token: await machine('job') }), 'mcp:read')
  assert.equal(await scope(both, { scope: 'mcp:write' }, basic('reader', secret)), 'invalid_scope')
  assert.equal(await scope(read, { scope: 'mcp:write' }), 'invalid_scope')
  assert.equal(await scope(both, { scope: 'admin' }), 'invalid_scope')
  assert.equal(await scope(await foreign({ scope: 'mcp:write admin' })), 'mcp:write')
  assert.equal(await scope(await foreign({ scope: undefined })), 'mcp:read')
  const other = await foreign({ scope: 'other' })
  assert.equal(await scope(both, { actor_token: other }), 'invalid_request')
})

test('POST /oauth/token limits the lifetime to that of subject and actor [DG-08]', async (t) => {
  const { exchange, foreign } = await startDelegating(t)
  const exp = Math.floor(Date.now() / 1000) + 100
  const subject = await foreign({ exp })
  const actor = await foreign({ exp: exp - 50 })
  const reply = await exchange(subject, { actor_token: actor })
  assert.equal(claimsIn(reply)['exp'], exp - 50)
  assert.ok(reply.json()['expires_in'] <= 50)
  const longer = await exchange(await foreign({ exp: exp + 7200 }))
  assert.equal(longer.json()['expires_in'], 3600)
  // An assertion may be half a minute late, but a token must not live longer than it.
  isRefused(await exchange(await foreign({ exp: exp - 101 })), 400, 'invalid_request')
})

test('POST /oauth/token exchanges for the actor in may_act alone, and for whom it acts [DG-10]', async (t) => {
  const { exchange, foreign, machine, trusted, base } = await startDelegating(t)
  const isIssued = async (may: unknown, params = {}, client = 'agent') => {
    const given = await foreign({ may_act: may })
    const reply = await exchange(given, params, basic(client, secret))
    if (reply.status !== 200) isRefused(reply, 400, 'invalid_request')
    return reply.status === 200
  }
  assert.ok(await isIssued({ sub: 'agent' }))
  assert.ok(await isIssued({ sub: 'agent', iss: base }))
  assert.ok(await isIssued({ client_id: 'agent' }))
  const job = await machine('job')
  assert.ok(await isIssued({ sub: 'job' }, { actor_token: job }))
  assert.ok(await isIssued({ sub: 'bot' }, { actor_token: await foreign({ sub: 'bot' }) }))
  const refused: Array<[unknown, object?]> = [
    [{ sub: 'helper' }],
    [{ sub: 'agent', iss: trusted.issuer }],
    [{ sub: 'agent', client_id: 'helper' }],
    [{ sub: 'agent', email: 'agent@example.com' }],
    [{ sub: 'agent' }, { actor_token: job }],
    [{ sub: 'bot', iss: base }, { actor_token: await foreign({ sub: 'bot' }) }],
    [{}],
    [{ iss: base }],
    [null],
    ['agent'],
    [['agent']]
  ]
  for (const [may, params] of refused) {
    assert.ok(!await isIssued(may, params), JSON.stringify(may))
  }
  // A token of ours keeps the limit: the actor cannot let another one act.
  const token = tokenOf(await exchange(await foreign({ may_act: { sub: 'agent' } })))
  isRefused(await exchange(token, {}, basic('helper', secret)), 400, 'invalid_request')
  tokenOf(await exchange(token))
})

test('revoking the grant of a user ends the tokens of agents, and an agent ends its own alone [DG-09]', async (t) => {
  const { user, exchange, call, revoke, events, token } = await startDelegating(t)
  const { access_token: subject, client, refresh_token: refresh } = await user()
  const first = tokenOf(await exchange(subject))
  const second = tokenOf(await exchange(first, {}, basic('helper', secret)))
  const other = tokenOf(await exchange(subject))
  await revoke({ token: first }, basic('helper', secret))
  assert.equal((await call(first)).status, 200, 'it is that of another client')
  await revoke({ token: first }, basic('agent', secret))
  const told = events.findLast(({ type }) => type === 'grant.revoked') as never as object
  assert.deepEqual([Object(told).by, Object(told).grant], ['client', undefined])
  for (const [name, status] of [[first, 401], [other, 200], [subject, 200]] as const) {
    assert.equal((await call(name)).status, status)
  }
  isRefused(await exchange(first), 400, 'invalid_request')
  const renewed = (await token(renew(client, refresh))).json()
  await revoke({ token: renewed['refresh_token'], client_id: client })
  for (const name of [second, other, subject]) assert.equal((await call(name)).status, 401)
  isRefused(await exchange(subject), 400, 'invalid_request')
  isRefused(await exchange(other, {}, basic('helper', secret)), 400, 'invalid_request')
})

test('revoking a user, a client or all ends the tokens of agents, and their exchange [DG-09]', async (t) => {
  const { user, exchange, call, app, foreign, trusted } = await startDelegating(t)
  const { access_token: subject } = await user()
  const delegated = tokenOf(await exchange(subject))
  const early = await foreign()
  const other = tokenOf(await exchange(await foreign()))
  await app.mcpOAuth.revoke({ subject: `${trusted.issuer}|alice` })
  assert.equal((await call(other)).status, 401)
  isRefused(await exchange(early), 400, 'invalid_request')
  assert.equal((await call(delegated)).status, 200)
  await app.mcpOAuth.revoke({ subject: claimsOf(subject)['sub'] })
  assert.equal((await call(delegated)).status, 401)
  isRefused(await exchange(subject), 400, 'invalid_request')
})

test('revoking the client of a user ends the tokens it lent to agents [DG-09]', async (t) => {
  const { user, exchange, call, app } = await startDelegating(t)
  const { access_token: subject, client } = await user()
  const lent = tokenOf(await exchange(subject))
  const again = tokenOf(await exchange(lent, {}, basic('helper', secret)))
  assert.equal((await call(again)).status, 200)
  await app.mcpOAuth.revoke({ clientId: client })
  for (const token of [subject, lent, again]) assert.equal((await call(token)).status, 401)
})

test('revoking an agent ends the tokens that it and its borrowers have, and no later ones [DG-09]', async (t) => {
  const { user, exchange, foreign, call, app } = await startDelegating(t)
  const { access_token: subject } = await user()
  const { iat } = claimsOf(subject)
  const sources: Record<string, () => Promise<string>> = {
    ours: async () => subject,
    'of a trusted issuer': () => foreign({ iat: iat - 10 })
  }
  const chain = async (source: () => Promise<string>) => {
    const lent = tokenOf(await exchange(await source()))
    return [lent, tokenOf(await exchange(lent, {}, basic('helper', secret)))] as const
  }
  for (const [name, source] of Object.entries(sources)) {
    const isCalled = async (token: string) => (await call(token)).status === 200
    const earlier = await chain(source)
    await app.mcpOAuth.revoke({ clientId: 'agent' })
    // What is issued in the same millisecond is revoked, too.
    await sleep(5)
    // The grant of a token of ours is that of another client.
    assert.deepEqual(await Promise.all(earlier.map(isCalled)), [false, name === 'ours'], name)
    isRefused(await exchange(earlier[0], {}, basic('helper', secret)), 400, 'invalid_request')
    const later = await chain(source)
    assert.deepEqual(await Promise.all(later.map(isCalled)), [true, true], name)
    const { claims } = await caller(await call(later[1]))
    assert.deepEqual(['gcl', 'lat', 'xat'].filter(claim => claim in Object(claims)), [])
  }
})

test('POST /oauth/token exchanges the token of a machine, which stays one [DG-06]', async (t) => {
  const { exchange, machine, call } = await startDelegating(t)
  const claims = claimsIn(await exchange(await machine('job')))
  assert.deepEqual(
    [claims['sub'], claims['gty'], claims['act'], claims['scope']],
    ['job', 'client_credentials', { sub: 'agent' }, 'mcp:read']
  )
  assert.equal((await call(await machine('job'))).status, 200)
})

test('POST /oauth/token passes on claims and withheld scopes of a user, not the provider token [DG-06]', async (t) => {
  const { user, exchange } = await startDelegating(t, {
    upstreamToken: true,
    authorizeUser: () => ({ scopes: ['mcp:read'], claims: { tenant: 'acme' } })
  })
  const { access_token: subject } = await user()
  assert.ok(claimsOf(subject)['upt'])
  const claims = claimsIn(await exchange(subject))
  assert.deepEqual(
    [claims['tenant'], claims['withheld'], claims['scope'], claims['upt']],
    ['acme', 'mcp:write', 'mcp:read', undefined]
  )
})

test('POST /oauth/token asks authorizeUser about users of other issuers, and no one else [DG-05 DG-12]', async (t) => {
  const asked: string[] = []
  const { exchange, foreign, user } = await startDelegating(t, ({ issuer }) => ({
    trustedIssuers: [{ issuer, scopes: ['mcp:read'], mapSubject: ({ sub }) => `mapped ${sub}` }],
    authorizeUser: ({ claims, isAsserted, client }) => {
      asked.push([claims.sub, isAsserted, client.id].join())
      return claims.sub !== 'mallory'
    }
  }))
  assert.equal(claimsIn(await exchange(await foreign()))['sub'], 'mapped alice')
  const denied = await foreign({ sub: 'mallory' })
  for (let tries = 0; tries < 2; tries++) {
    isRefused(await exchange(denied), 400, 'access_denied')
  }
  const { access_token: subject } = await user()
  const bot = await foreign({ sub: 'mallory' })
  assert.equal(claimsIn(await exchange(subject, { actor_token: bot }))['scope'], 'mcp:read')
  const ofMallory = 'mallory,true,agent'
  assert.deepEqual(asked.slice(0, 3), ['alice,true,agent', ofMallory, ofMallory])
  assert.equal(asked.length, 4)
})

test('POST /oauth/token exchanges a bound token with a proof of its key alone [DG-11]', async (t) => {
  const { exchange, machine, foreign, send } = await startDelegating(t, { dpop: 'accept' })
  const [holder, thief] = [await createHolder(), await createHolder()]
  const url = 'https://mcp.example.com/oauth/token'
  const first = await send('/oauth/token', {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      dpop: await holder.prove('POST', url)
    },
    body: ''
  })
  let nonce = first.headers.get('dpop-nonce') ?? undefined
  if (nonce === undefined) {
    const { status, headers } = await exchange('x', {}, {
      ...basic('agent', secret),
      dpop: await holder.prove('POST', url)
    })
    assert.equal(status, 400)
    nonce = headers.get('dpop-nonce') ?? undefined
  }
  const proof = async (by = holder) => ({ dpop: await by.prove('POST', url, { nonce }) })
  const bound = await machine('job', {}, await proof())
  const agent = basic('agent', secret)
  assert.equal(claimsOf(bound)['cnf'].jkt, holder.jkt)
  isRefused(await exchange(bound), 400, 'invalid_request')
  isRefused(await exchange(bound, {}, { ...agent, ...await proof(thief) }), 400, 'invalid_request')
  const reply = await exchange(bound, {}, { ...agent, ...await proof() })
  assert.equal(reply.json()['token_type'], 'DPoP')
  assert.equal(claimsIn(reply)['cnf'].jkt, holder.jkt)
  const plain = await machine('agent')
  isRefused(await exchange(plain, { actor_token: bound }), 400, 'invalid_request')
  const cnf = { jkt: holder.jkt }
  const given = await foreign({ cnf })
  isRefused(await exchange(given), 400, 'invalid_request')
  isRefused(await exchange(await foreign({ cnf: { 'x5t#S256': 'x' } })), 400, 'invalid_request')
  tokenOf(await exchange(given, {}, { ...agent, ...await proof() }))
})

test('POST /oauth/token authenticates clients with keys, and refuses all that are not listed [DG-01]', async (t) => {
  const { exchange, user, base, register } = await startDelegating(t)
  const { access_token: subject } = await user()
  const proof = await assertion(signer, 'signer', base)
  assert.deepEqual(claimsIn(await exchange(subject, proof, {}))['act'], { sub: 'signer' })
  isRefused(await exchange(subject, {}, basic('job', secret)), 400, 'unauthorized_client')
  isRefused(await exchange(subject, {}, basic('agent', 'wrong')), 401, 'invalid_client')
  isRefused(await exchange(subject, { client_id: 'agent' }, {}), 401, 'invalid_client')
  const client = await register()
  isRefused(await exchange(subject, { client_id: client }, {}), 400, 'unauthorized_client')
})

test('POST /oauth/token issues one token for a token of an issuer sent 40 times to 2 instances [DG-05]', async (t) => {
  const { exchange, foreign, user, instances } = await startDelegating(t, {
    store: racing(memoryStore())
  }, 2)
  const given = await foreign()
  const { access_token: subject } = await user()
  const send = (params: object, at: number, token = given) =>
    exchange(token, params as never, undefined, instances[at % 2])
  const replies = await Promise.all(Array.from({ length: 40 }, (_, at) => send({}, at)))
  const count = (status: number, all = replies) =>
    all.filter(reply => reply.status === status).length
  assert.deepEqual([count(200), count(400)], [1, 39])
  const bot = await foreign()
  const others = await Promise.all(
    Array.from({ length: 40 }, (_, at) => send({ actor_token: bot }, at, subject))
  )
  assert.deepEqual([count(200, others), count(400, others)], [1, 39])
})

test('POST /oauth/token answers 503 while keys or the store fail, and uses nothing up [DG-12]', async (t) => {
  let isDown = false
  const store = failing(memoryStore(), () => isDown)
  const { exchange, foreign, user, trusted, events } = await startDelegating(t, { store })
  const { access_token: subject } = await user()
  const given = await foreign()
  trusted.isDown = true
  const reply = await exchange(given)
  isRefused(reply, 503, 'temporarily_unavailable')
  assert.ok(reply.headers.get('retry-after'))
  isRefused(await exchange(subject, { actor_token: given }), 503, 'temporarily_unavailable')
  trusted.isDown = false
  isDown = true
  isRefused(await exchange(subject), 503, 'temporarily_unavailable')
  assert.ok(!events.some(({ type }) => type === 'token.refused'))
  isDown = false
  await eventually(async () => (await exchange(subject)).status === 200)
  await eventually(async () => (await exchange(given)).status === 200)
})

async function eventually (isTrue: () => Promise<boolean>) {
  for (const end = Date.now() + 30_000; !await isTrue();) {
    assert.ok(Date.now() < end)
    await sleep(200)
  }
}

const other = 'https://other.example.com'

/** Parameters in place of valid ones, and the error. Lists are repeated. */
const badParameters: Array<[what: string, params: Record<string, unknown>, error?: string]> = [
  ['no subject_token', { subject_token: undefined }],
  ['an empty subject_token', { subject_token: '' }],
  ['two subject tokens', { subject_token: ['a.b.c', 'a.b.c'] }],
  ['a subject_token that is no JWT', { subject_token: 'opaque' }],
  ['a subject_token with a control character', { subject_token: 'a.b.c\n' }],
  ['a subject_token with letters of other alphabets', { subject_token: 'a.b.ç' }],
  ['a subject_token that is too long', { subject_token: `a.${'b'.repeat(16_384)}.c` }],
  ['no subject_token_type', { subject_token_type: undefined }],
  ['two subject_token_types', { subject_token_type: [accessToken, accessToken] }],
  ['an ID token as the subject', { subject_token_type: type('id_token') }],
  ['a refresh token as the subject', { subject_token_type: type('refresh_token') }],
  ['a SAML assertion as the subject', { subject_token_type: type('saml2') }],
  ['an unknown type of the subject', { subject_token_type: 'jwt' }],
  ['no actor_token_type', { actor_token_type: undefined }],
  ['an actor_token_type without actor_token', { actor_token: undefined }],
  ['an ID token as the actor', { actor_token_type: type('id_token') }],
  ['two actor tokens', { actor_token: ['a.b.c', 'a.b.c'] }],
  ['an actor_token that is no JWT', { actor_token: 'opaque' }],
  ['a request for a refresh token', { requested_token_type: type('refresh_token') }],
  ['a request for an ID token', { requested_token_type: type('id_token') }],
  ['a request for an identity assertion', { requested_token_type: type('id-jag') }],
  ['two requested types', { requested_token_type: [jwt, jwt] }],
  ['another resource', { resource: other }, 'invalid_target'],
  ['two resources', { resource: ['https://mcp.example.com/mcp', other] }, 'invalid_target'],
  ['another audience', { audience: other }, 'invalid_target'],
  ['a logical name as the audience', { audience: 'calendar' }, 'invalid_target'],
  ['two audiences', { audience: ['https://mcp.example.com/mcp', other] }, 'invalid_target'],
  ['a malformed scope', { scope: 'a"b' }, 'invalid_scope'],
  ['an unknown scope', { scope: 'admin' }, 'invalid_scope'],
  ['two scopes', { scope: ['mcp:read', 'mcp:read'] }],
  ['another grant', { grant_type: type('jwt') }, 'unsupported_grant_type'],
  ['another client', { client_id: 'helper' }, 'invalid_client']
]

const now = () => Math.floor(Date.now() / 1000)
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const withPart = (token: string, at: number, change: (text: string) => string) =>
  token.split('.').map((text, index) => index === at ? change(text) : text).join('.')

interface BadToken {
  claims?: object
  header?: object
  change?: (token: string) => string
  /** Default: an access token. */
  type?: string
  /** Whether it is wrong as a subject alone. */
  isSubject?: true
}

const nested = (levels: number): object | undefined =>
  levels === 0 ? undefined : { sub: 'bot', act: nested(levels - 1) }

const badTokens: Record<string, BadToken> = {
  'of another audience': { claims: { aud: other } },
  'of no audience': { claims: { aud: undefined } },
  'of two audiences': { claims: { aud: ['https://mcp.example.com', other] } },
  'for the resource': { claims: { aud: 'https://mcp.example.com/mcp' } },
  'of an unknown issuer': { claims: { iss: other } },
  'without issuer': { claims: { iss: undefined } },
  'that names us as its issuer': { claims: { iss: 'https://mcp.example.com' } },
  'without subject': { claims: { sub: undefined } },
  'with an empty subject': { claims: { sub: '' } },
  'with a number as its subject': { claims: { sub: 7 } },
  'with a control character in its subject': { claims: { sub: 'a\nb' } },
  'with a malformed tenant': { claims: { tenant: 7 } },
  'without expiry': { claims: { exp: undefined } },
  'that expired': { claims: { iat: now() - 600, exp: now() - 60 } },
  'that expires now': { claims: { exp: now() } },
  'of the future': { claims: { iat: now() + 120, exp: now() + 300 } },
  'that is not valid yet': { claims: { nbf: now() + 120 } },
  'that lives for more than a day': { claims: { exp: now() + 2 * 86_400 } },
  'without jti': { claims: { jti: undefined } },
  'with an empty jti': { claims: { jti: '' } },
  'with a long jti': { claims: { jti: 'x'.repeat(513) } },
  'without type': { header: {} },
  'of another type': { header: { typ: 'dpop+jwt' } },
  'that is a logout token': { header: { typ: 'JWT' }, claims: { events: {} } },
  'that is an ID token': { header: { typ: 'JWT' }, claims: { nonce: 'x' } },
  'that is an ID token with a hash': { header: { typ: 'JWT' }, claims: { at_hash: 'x' } },
  'that is an assertion for another client': {
    header: idJag,
    claims: { client_id: 'helper' },
    type: type('id-jag')
  },
  'for another resource': { claims: { resource: other } },
  'that is bound to a key': { claims: { cnf: { jkt: 'A'.repeat(43) } } },
  'that is bound to a certificate': { claims: { cnf: { 'x5t#S256': 'A'.repeat(43) } } },
  'with a list of scopes': { claims: { scope: ['mcp:read'] } },
  'with scopes of others': { claims: { scope: 'mail' } },
  'without signature': { change: token => withPart(token, 2, () => '') },
  'with another signature': {
    change: token => withPart(token, 2, text => [...text].reverse().join(''))
  },
  'with other claims': { change: token => withPart(token, 1, () => part({ sub: 'admin' })) },
  'without algorithm': {
    change: token => `${part({ alg: 'none', typ: 'at+jwt' })}.${token.split('.')[1]}.`
  },
  'with four parts': { change: token => `${token}.x` },
  'with another spelling': { change: token => `${token}=` },
  'with text as its actor': { claims: { act: 'bot' }, isSubject: true },
  'with an actor without name': { claims: { act: { iss: other } }, isSubject: true },
  'with an actor whose name breaks lines': { claims: { act: { sub: 'a\nb' } }, isSubject: true },
  'with five actors': { claims: { act: nested(5) }, isSubject: true },
  'with a hundred actors': { claims: { act: nested(100) }, isSubject: true },
  'that others may act for': { claims: { may_act: { sub: 'helper' } }, isSubject: true },
  'with names that are too long': { claims: { act: longNames() }, isSubject: true }
}

function longNames (): object {
  const sub = 'x'.repeat(2_000)
  return { sub, act: { sub, act: { sub, act: { sub } } } }
}

for (const role of ['subject', 'actor'] as const) {
  test(`POST /oauth/token refuses invalid tokens of the ${role}, and uses nothing up [DG-05 DG-12]`, async (t) => {
    const { exchange, foreign, events } = await startDelegating(t)
    for (const [what, { claims, header, change, type, isSubject }] of Object.entries(badTokens)) {
      if (role === 'actor' && isSubject) continue
      await t.test(`a token ${what}`, async () => {
        const ids = { jti: `${role} ${what}` }
        const valid = await foreign(ids)
        const other = await foreign()
        const bad = await foreign({ ...ids, ...claims }, header)
        const sent = change ? change(valid) : bad
        events.length = 0
        const [subject, actor] = role === 'subject' ? [sent, other] : [other, sent]
        const reply = await exchange(subject, {
          actor_token: actor,
          ...(type && { [`${role}_token_type`]: type })
        })
        isRefused(reply, 400, 'invalid_request')
        const description = 'The subject token or the actor token is not valid here.'
        assert.equal(reply.json()['error_description'], description)
        assert.deepEqual(events.map(({ type }) => type), ['token.refused'])
        assert.equal(Object(events[0]).grantType, tokenExchange)
        assert.ok(!JSON.stringify(events).includes(sent.slice(-40)))
        const valids = role === 'subject' ? [valid, other] : [other, valid]
        tokenOf(await exchange(valids[0], { actor_token: valids[1] }))
      })
    }
  })
}

test('POST /oauth/token refuses malformed exchanges, and uses nothing up [DG-01 DG-12]', async (t) => {
  const { token, foreign, events } = await startDelegating(t)
  for (const [what, params, error = 'invalid_request'] of badParameters) {
    await t.test(what, async () => {
      const valid = {
        grant_type: tokenExchange,
        subject_token: await foreign(),
        subject_token_type: accessToken,
        actor_token: await foreign(),
        actor_token_type: accessToken
      }
      const pairs = Object.entries({ ...valid, ...params }).flatMap(([name, value]) =>
        [value].flat().flatMap(value =>
          value === undefined ? [] : [[name, String(value)] as [string, string]]
        )
      )
      events.length = 0
      const reply = await token(new URLSearchParams(pairs).toString(), basic('agent', secret))
      isRefused(reply, error === 'invalid_client' ? 401 : 400, error)
      assert.deepEqual(events.map(({ type }) => type), ['token.refused'])
      tokenOf(await token(valid, basic('agent', secret)))
    })
  }
})

test('POST /oauth/token refuses tokens of ours that are no valid access tokens [DG-05]', async (t) => {
  const { exchange, user, machine, register, login } = await startDelegating(t)
  const given = await user()
  const { access_token: valid, refresh_token: refresh, client } = given
  const bad = [
    refresh,
    client,
    await login(await register()),
    withPart(valid, 1, () => part({ ...claimsOf(valid), scope: 'admin' })),
    withPart(valid, 2, () => ''),
    `${valid}=`,
    `${valid}.x`,
    // The last character has idle bits.
    withPart(valid, 2, text => text.slice(0, -1) + nextCharacter(text.slice(-1)))
  ]
  for (const token of bad) {
    isRefused(await exchange(token), 400, 'invalid_request')
    isRefused(await exchange(valid, { actor_token: token }), 400, 'invalid_request')
  }
  tokenOf(await exchange(valid, { actor_token: await machine('job') }))
})

function nextCharacter (text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(text) + 1] ?? ''
}

test('POST /oauth/token refuses two tokens with one jti, and uses neither up [DG-05 DG-12]', async (t) => {
  const { exchange, foreign } = await startDelegating(t)
  const [subject, actor] = [
    await foreign({ jti: 'one' }),
    await foreign({ jti: 'one', sub: 'bot' })
  ]
  isRefused(await exchange(subject, { actor_token: actor }), 400, 'invalid_request')
  isRefused(await exchange(subject, { actor_token: subject }), 400, 'invalid_request')
  tokenOf(await exchange(subject))
})
