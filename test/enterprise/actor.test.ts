import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt } from 'jose'
import { idJag, identityClaims, jwtBearer, startAssertionIssuer } from '../support/assertions.ts'
import { startBroker } from '../support/broker.ts'
import { basic, newSecret } from '../support/machines.ts'
import { callerOf } from '../../lib/verifiers/claims.ts'
import { identityOf } from '../../lib/mcp/access/sessions.ts'

const context = { resource: 'https://mcp.example.com/mcp', now: 0 }

test('a caller has the actors of its token, the current one first, and at most five', () => {
  let act: object = { sub: 'agent 9' }
  for (let at = 8; at > 0; at--) act = { sub: `agent ${at}`, act }
  const actors: string[] = []
  for (
    let { actor } = callerOf('token', { sub: 'user', act }, context);
    actor;
    actor = actor.actor
  ) {
    actors.push(actor.subject)
    assert.ok(Object.isFrozen(actor))
  }
  assert.deepEqual(actors, ['agent 1', 'agent 2', 'agent 3', 'agent 4', 'agent 5'])
})

test('an actor has the members that identify it, and a claim that is no object names none', () => {
  const iss = 'https://idp.example.com'
  const actor = { sub: 'agent', iss, tenant: 'acme', client_id: 'client', exp: 1 }
  const caller = (act: unknown) => callerOf('token', { sub: 'user', act }, context)
  assert.deepEqual(caller(actor).actor, {
    subject: 'agent',
    clientId: 'client',
    issuer: iss,
    tenant: 'acme'
  })
  assert.deepEqual(caller({ email: 'a@example.com' }).actor, { subject: '' })
  for (const act of [undefined, null, 'agent', 7, ['agent']]) {
    assert.ok(!('actor' in caller(act)))
  }
})

test('a caller with another actor is another caller for sessions and lists', () => {
  const caller = (act?: object) => callerOf('token', { sub: 'user', client_id: 'c', act }, context)
  const acts = [undefined, { sub: 'a' }, { sub: 'b' }, { sub: 'a', tenant: 'acme' }]
  const identities = acts.map(caller).map(identityOf)
  assert.equal(new Set(identities).size, 4)
  assert.equal(identityOf(caller({ sub: 'a' })), identities[1])
})

test('POST /oauth/token passes on act of an identity assertion, and refuses a malformed one', async (t) => {
  const { secret, hash } = newSecret()
  const trusted = await startAssertionIssuer(t)
  const { app, issuer } = await startBroker(t, {
    options: {
      trustedIssuers: [{ issuer: trusted.issuer }],
      clients: [{ clientId: 'agent', secretHashes: [hash], grantTypes: [jwtBearer] }]
    }
  })
  const ours = { issuer, resource: `${issuer}/mcp`, clientId: 'agent' }
  const send = async (act: unknown, may?: unknown) => {
    const claims = identityClaims(trusted, ours, { act, may_act: may })
    const assertion = await trusted.sign(claims, idJag)
    return await app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic('agent', secret) },
      payload: new URLSearchParams({ grant_type: jwtBearer, assertion }).toString()
    })
  }
  const response = await send({
    sub: 'bot',
    exp: 1,
    act: { sub: 'tool', iss: 'https://a.example' }
  })
  assert.equal(response.statusCode, 200, response.body)
  assert.deepEqual(decodeJwt(response.json().access_token)['act'], {
    sub: 'bot',
    iss: trusted.issuer,
    act: { sub: 'tool', iss: 'https://a.example' }
  })
  const deep = [1, 2, 3, 4, 5, 6].reduce<object | undefined>(
    (act) => ({ sub: 'a', act }),
    undefined
  )
  const malformed = [{ sub: '' }, { sub: 'a\nb' }, { sub: 'a', iss: 7 }, { sub: 'a', tenant: '' }]
  for (const act of ['bot', {}, ...malformed, deep]) {
    const { statusCode, body } = await send(act)
    assert.deepEqual([statusCode, JSON.parse(body).error], [400, 'invalid_grant'])
  }
  const limited = decodeJwt((await send(undefined, { sub: 'bot' })).json().access_token)
  assert.deepEqual(limited['may_act'], { iss: trusted.issuer, sub: 'bot' })
  for (const may of ['bot', null, ['bot']]) {
    assert.equal((await send(undefined, may)).json().error, 'invalid_grant')
  }
})
