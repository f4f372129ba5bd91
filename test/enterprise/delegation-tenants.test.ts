import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idJag, jwtBearer } from '../support/assertions.ts'
import { callerIn } from '../support/guarded.ts'
import {
  claimsIn,
  hash,
  isRefused,
  secret,
  startDelegating,
  tokenExchange,
  tokenOf
} from '../support/delegation.ts'
import { claimsOf } from '../support/flow.ts'
import { basic } from '../support/machines.ts'

test('POST /oauth/token takes the actor of another tenant for another party [DG-13]', async (t) => {
  const { exchange, foreign, machine, trusted, base } = await startDelegating(t)
  const iss = trusted.issuer
  const isIssued = async (tenant: string | undefined, may: object, actor?: object) => {
    const subject = await foreign({ tenant, may_act: may })
    const params = actor && { actor_token: await foreign({ sub: 'bot', ...actor }) }
    const reply = await exchange(subject, params)
    if (reply.status !== 200) isRefused(reply, 400, 'invalid_request')
    return reply.status === 200
  }
  const [acme, evil] = [{ tenant: 'acme' }, { tenant: 'evil' }]
  const bot = { sub: 'bot' }
  const cases: Array<[boolean, Parameters<typeof isIssued>]> = [
    [true, ['acme', bot, acme]],
    [true, ['acme', { ...bot, iss }, acme]],
    [true, ['acme', { ...bot, ...acme }, acme]],
    [true, ['acme', { ...bot, ...evil }, evil]],
    [true, [undefined, { ...bot, ...acme }, acme]],
    [true, [undefined, bot, {}]],
    [true, ['acme', { sub: 'agent' }]],
    [true, ['acme', { sub: 'agent', iss: base }]],
    [false, ['acme', bot, evil]],
    [false, ['acme', { ...bot, iss }, evil]],
    [false, ['acme', { ...bot, ...acme }, evil]],
    [false, ['acme', { ...bot, ...evil }, acme]],
    [false, ['acme', bot, {}]],
    [false, ['acme', { ...bot, tenant: null }, acme]],
    [false, ['acme', { ...bot, tenant: [acme.tenant] }, acme]],
    [false, [undefined, bot, acme]],
    [false, [undefined, { ...bot, ...acme }, {}]],
    [false, ['acme', acme, acme]],
    [false, ['acme', { sub: 'agent', ...acme }]]
  ]
  for (const [expected, given] of cases) {
    assert.equal(await isIssued(...given), expected, JSON.stringify(given))
  }
  const job = { actor_token: await machine('job') }
  tokenOf(await exchange(await foreign({ ...acme, may_act: { sub: 'job' } }), job))
})

test('POST /oauth/token keeps the tenants of actors, and of may_act, in a chain [DG-03 DG-13]', async (t) => {
  const { exchange, foreign, call, trusted: { issuer: iss } } = await startDelegating(t)
  const bot = (tenant: string) => foreign({ sub: 'bot', tenant })
  const act = { sub: 'tool', act: { sub: 'old', iss: 'https://a.example', client_id: 'c' } }
  const subject = await foreign({ tenant: 'acme', may_act: { sub: 'bot' }, act })
  const first = tokenOf(await exchange(subject, { actor_token: await bot('acme') }))
  const chain = {
    sub: 'bot',
    iss,
    tenant: 'acme',
    act: { sub: 'tool', iss, tenant: 'acme', act: act.act }
  }
  assert.deepEqual(claimsOf(first)['act'], chain)
  assert.deepEqual(claimsOf(first)['may_act'], { iss, tenant: 'acme', sub: 'bot' })
  isRefused(await exchange(first, { actor_token: await bot('evil') }), 400, 'invalid_request')
  isRefused(await exchange(first), 400, 'invalid_request')
  const second = tokenOf(await exchange(first, { actor_token: await bot('acme') }))
  assert.deepEqual(claimsOf(second)['act'], { sub: 'bot', iss, tenant: 'acme', act: chain })
  assert.deepEqual(claimsOf(second)['may_act'], { iss, tenant: 'acme', sub: 'bot' })
  const reply = await call(second)
  const caller = await callerIn({ ...reply, json: async () => reply.json() } as never)
  const { actor, ...own } = Object(caller['actor'])
  assert.deepEqual(own, { subject: 'bot', issuer: iss, tenant: 'acme' })
  assert.deepEqual([actor.tenant, actor.actor.tenant, actor.actor.actor.tenant], [
    'acme',
    'acme',
    undefined
  ])
})

test('POST /oauth/token keeps the tenant of may_act and act of an identity assertion [DG-13]', async (t) => {
  const { exchange, foreign, token, trusted: { issuer: iss } } = await startDelegating(t, {
    clients: [{
      clientId: 'agent',
      secretHashes: [hash],
      grantTypes: [tokenExchange, jwtBearer]
    }]
  })
  const redeem = async (claims: object) => {
    const assertion = await foreign({ client_id: 'agent', tenant: 'acme', ...claims }, idJag)
    return tokenOf(await token({ grant_type: jwtBearer, assertion }, basic('agent', secret)))
  }
  const bot = async (tenant: string) => ({ actor_token: await foreign({ sub: 'bot', tenant }) })
  const own = await redeem({ may_act: { sub: 'bot' }, act: { sub: 'tool' } })
  const { act, may_act: may } = claimsOf(own)
  assert.deepEqual(act, { sub: 'tool', iss, tenant: 'acme' })
  assert.deepEqual(may, { iss, tenant: 'acme', sub: 'bot' })
  isRefused(await exchange(own, await bot('evil')), 400, 'invalid_request')
  tokenOf(await exchange(own, await bot('acme')))
  const other = { iss: 'https://a.example', sub: 'bot' }
  const { act: given, may_act: allowed } = claimsOf(await redeem({ may_act: other, act: other }))
  assert.deepEqual([given, allowed], [other, other], 'the tenant is one of the issuer alone')
})

test('POST /oauth/token carries may_act without iss as a party of its issuer, not a client [DG-10]', async (t) => {
  const { exchange, foreign, token, base } = await startDelegating(t, {
    clients: [
      { clientId: 'app', secretHashes: [hash], grantTypes: [jwtBearer] },
      { clientId: 'agent', secretHashes: [hash], grantTypes: [tokenExchange] }
    ]
  })
  const redeem = async (may: object) => {
    const assertion = await foreign({ client_id: 'app', may_act: may }, idJag)
    return tokenOf(await token({ grant_type: jwtBearer, assertion }, basic('app', secret)))
  }
  for (const name of ['sub', 'client_id']) {
    const own = await redeem({ [name]: 'agent' })
    isRefused(await exchange(own), 400, 'invalid_request')
    tokenOf(await exchange(await redeem({ [name]: 'agent', iss: base })))
  }
  const party = { actor_token: await foreign({ sub: 'agent' }) }
  tokenOf(await exchange(await redeem({ sub: 'agent' }), party))
})

test('POST /oauth/token takes a claim tenant of authorizeUser for no part of an identity [DG-13]', async (t) => {
  const { exchange, user } = await startDelegating(t, {
    authorizeUser: () => ({ claims: { tenant: 'acme' } })
  })
  const [{ access_token: subject }, { access_token: actor }] = [await user(), await user()]
  assert.equal(claimsOf(actor)['tenant'], 'acme')
  const claims = claimsIn(await exchange(subject, { actor_token: actor }))
  assert.deepEqual([claims['act'], claims['tenant']], [{ sub: claimsOf(actor)['sub'] }, 'acme'])
})
