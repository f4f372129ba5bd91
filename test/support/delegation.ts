import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { McpOAuthEvent, McpOAuthOptions } from '../../lib/index.ts'
import { startAssertionIssuer, type AssertionIssuer } from './assertions.ts'
import { claimsOf, startFlow, type Reply } from './flow.ts'
import { basic, newKey, newSecret } from './machines.ts'

export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
export const jwt = 'urn:ietf:params:oauth:token-type:jwt'
export const { secret, hash } = newSecret()
export const signer = newKey()

type Params = Record<string, string | undefined>

/** A broker with agents that may exchange tokens, a machine that may not, and a trusted issuer. */
export async function startDelegating (
  t: TestContext,
  options: Partial<McpOAuthOptions> | ((trusted: AssertionIssuer) => Partial<McpOAuthOptions>) = {},
  instances = 1
) {
  const trusted = await startAssertionIssuer(t)
  const events: McpOAuthEvent[] = []
  const flow = await startFlow(t, {
    instances,
    options: {
      trustedIssuers: [{ issuer: trusted.issuer }],
      clients: [
        {
          clientId: 'agent',
          secretHashes: [hash],
          grantTypes: [tokenExchange, 'client_credentials'],
          scopes: ['mcp:read', 'mcp:write']
        },
        { clientId: 'helper', secretHashes: [hash], grantTypes: [tokenExchange] },
        {
          clientId: 'reader',
          secretHashes: [hash],
          grantTypes: [tokenExchange, 'client_credentials'],
          scopes: ['mcp:read']
        },
        { clientId: 'signer', jwks: { keys: [signer.jwk] }, grantTypes: [tokenExchange] },
        { clientId: 'job', secretHashes: [hash], grantTypes: ['client_credentials'] }
      ],
      rateLimits: false,
      onEvent: event => events.push(event),
      ...typeof options === 'function' ? options(trusted) : options
    }
  })
  const { base, resource } = flow
  const machine = async (clientId: string, params: Params = {}, headers: object = {}) => {
    const reply = await flow.token(
      { grant_type: 'client_credentials', ...params },
      { ...basic(clientId, secret), ...headers }
    )
    return tokenOf(reply)
  }
  return {
    ...flow,
    trusted,
    events,
    /** The tokens of a user. */
    async user (scope = 'mcp:read mcp:write') {
      const client = await flow.register()
      return { client, ...await flow.tokens(client, { params: { scope } }) } as
        & { client: string }
        & Record<string, any>
    },
    /** The token of a client, for itself. */
    machine,
    /** A token of the trusted issuer. */
    foreign (claims: object = {}, header: object = { typ: 'at+jwt' }, from = trusted) {
      const now = Math.floor(Date.now() / 1000)
      const own = {
        iss: from.issuer,
        sub: 'alice',
        aud: base,
        scope: 'mcp:read mcp:write',
        iat: now,
        exp: now + 300,
        jti: randomUUID()
      }
      return from.sign({ ...own, ...claims }, header)
    },
    /** Exchanges a token. */
    exchange (
      subject: string | undefined,
      params: Params = {},
      headers: Record<string, string> = basic('agent', secret),
      at: { token: typeof flow.token } = flow
    ): Promise<Reply> {
      const { actor_token: actor } = params
      return at.token({
        grant_type: tokenExchange,
        subject_token: subject,
        subject_token_type: accessToken,
        ...(actor !== undefined && { actor_token_type: accessToken }),
        ...params
      }, headers)
    },
    resource
  }
}

export type Delegating = Awaited<ReturnType<typeof startDelegating>>

export function tokenOf (reply: Reply): string {
  assert.equal(reply.status, 200, reply.text)
  return reply.json()['access_token']
}

/** The claims of the token of a reply. */
export const claimsIn = (reply: Reply) => claimsOf(tokenOf(reply))

export function isRefused (reply: Reply, status: number, error: string) {
  assert.deepEqual([reply.status, reply.json()['error']], [status, error], reply.text)
}
