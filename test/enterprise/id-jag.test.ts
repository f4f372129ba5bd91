import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { decodeJwt } from 'jose'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { startBroker } from '../support/broker.ts'
import {
  idJag,
  identityClaims,
  jwtBearer,
  startAssertionIssuer
} from '../support/assertions.ts'
import { basic, newSecret } from '../support/machines.ts'

const { secret, hash } = newSecret()
const clientId = 'agent'

async function start (t: TestContext, options: Partial<McpOAuthOptions> = {}) {
  const trusted = await startAssertionIssuer(t)
  const running = await startBroker(t, {
    options: {
      trustedIssuers: [{ issuer: trusted.issuer }],
      clients: [{
        clientId,
        secretHashes: [hash],
        grantTypes: [jwtBearer]
      }],
      ...options
    }
  })
  const { app, issuer } = running
  const ours = { issuer, resource: `${issuer}/mcp`, clientId }
  return {
    ...running,
    trusted,
    ours,
    assert: (claims: object = {}, header: object = idJag) =>
      trusted.sign(identityClaims(trusted, ours, claims), header),
    send: (
      assertion: string,
      params: Record<string, string> = {},
      headers: object = basic(clientId, secret)
    ) =>
      app.inject({
        method: 'POST',
        url: '/oauth/token',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        payload: new URLSearchParams({ grant_type: jwtBearer, assertion, ...params }).toString()
      })
  }
}

test('POST /oauth/token exchanges an identity assertion for an access token, once', async (t) => {
  const { assert: sign, send, trusted, ours, app } = await start(t)
  const assertion = await sign()
  const response = await send(assertion)
  assert.equal(response.statusCode, 200, response.body)
  const { access_token: token, scope, token_type: type, refresh_token: refresh } = response.json()
  assert.deepEqual([scope, type, refresh], ['mcp:read', 'Bearer', undefined])
  const claims = decodeJwt(token)
  assert.equal(claims.aud, ours.resource)
  assert.equal(claims.sub, `${trusted.issuer}|U019488227`)
  assert.equal(claims['client_id'], clientId)
  const again = await send(assertion)
  assert.deepEqual([again.statusCode, again.json().error], [400, 'invalid_grant'])
  const called = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  })
  assert.equal(called.statusCode, 200, called.body)
})
