import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { McpOAuthEvent, McpOAuthOptions } from '../../lib/index.ts'
import { loggingApp } from './app.ts'
import {
  idJag,
  identityClaims,
  jwtBearer,
  startAssertionIssuer,
  type AssertionIssuer
} from './assertions.ts'
import { startBroker } from './broker.ts'
import { basic, newKey, newSecret } from './machines.ts'

/** The secret of all clients, and the client of assertions. */
export const { secret, hash } = newSecret()
export const clientId = 'agent'
export const signer = newKey()

type Options = Partial<McpOAuthOptions>

/** A broker that trusts one issuer, and clients with a secret. */
export async function startTrusting (
  t: TestContext,
  options: Options | ((trusted: AssertionIssuer) => Promise<Options> | Options) = {}
) {
  const trusted = await startAssertionIssuer(t)
  const events: McpOAuthEvent[] = []
  const logs: string[] = []
  const own = typeof options === 'function' ? await options(trusted) : options
  const running = await startBroker(t, {
    app: loggingApp(logs),
    options: {
      trustedIssuers: [{ issuer: trusted.issuer }],
      clients: [
        { clientId, secretHashes: [hash], grantTypes: [jwtBearer] },
        { clientId: 'thief', secretHashes: [hash], grantTypes: [jwtBearer] },
        { clientId: 'job', secretHashes: [hash], grantTypes: ['client_credentials'] },
        { clientId: 'signer', jwks: { keys: [signer.jwk] }, grantTypes: [jwtBearer] },
        { clientId: 'public', grantTypes: [jwtBearer] }
      ],
      rateLimits: false,
      onEvent: event => events.push(event),
      ...own
    }
  })
  const { app, issuer } = running
  const ours = { issuer, resource: `${issuer}/mcp`, clientId }
  const post = (payload: string, headers: object) =>
    app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      payload
    })
  return {
    ...running,
    trusted,
    ours,
    events,
    logs,
    post,
    sign: (claims: object = {}, header: object = idJag, from: AssertionIssuer = trusted) =>
      from.sign(identityClaims(from, ours, claims), header),
    send: (assertion: string, params: object = {}, headers: object = basic(clientId, secret)) =>
      post(
        new URLSearchParams({ grant_type: jwtBearer, assertion, ...params }).toString(),
        headers
      ),
    call: (token: string, headers: object = { authorization: `Bearer ${token}` }) =>
      app.inject({
        method: 'POST',
        url: '/mcp',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          host: new URL(issuer).host,
          ...headers
        },
        payload: { jsonrpc: '2.0', id: 1, method: 'tools/list' }
      })
  }
}

export type Trusting = Awaited<ReturnType<typeof startTrusting>>
export type Reply = Awaited<ReturnType<Trusting['send']>>

export function isRefused (reply: Reply, status: number, error: string) {
  assert.deepEqual([reply.statusCode, reply.json().error], [status, error], reply.body)
}

/** The access token of a response. */
export const tokenOf = (reply: Reply): string => {
  assert.equal(reply.statusCode, 200, reply.body)
  return reply.json().access_token
}
