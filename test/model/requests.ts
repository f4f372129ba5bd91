import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Broker } from '../../lib/broker/broker.ts'
import { revokeEndpoint } from '../../lib/broker/endpoints/revoke.ts'
import type { TokenResponse } from '../../lib/broker/families.ts'
import { authorizationCode } from '../../lib/broker/grants/authorization-code.ts'
import { refreshToken } from '../../lib/broker/grants/refresh-token.ts'
import type { RefreshContent } from '../../lib/broker/tokens.ts'
import { verifier } from '../support/credentials.ts'
import { clientId } from './config.ts'

// The requests of clients to the token and revocation endpoints, and what all requests have in
// common.

/** The answer to a request. The status is 0 if the instance was killed. */
export interface Reply {
  status: number
  /** Kind of the error; of a page, its sentence. */
  kind?: string
  tokens?: TokenResponse
  /** Content of the refresh token. */
  content?: RefreshContent
  /** Claims of the access token. */
  claims?: Record<string, unknown>
  /** Where a browser goes next. */
  location?: string
  cookies?: string[]
  body?: string
}

/** A request and its answer. The numbers are places in the order of all requests and answers. */
export interface Entry {
  request: string
  instance: number
  /** Whose code, token or browser it was. */
  user: string | undefined
  asked: Asked
  began: number
  ended: number
  /** Milliseconds until the answer. */
  took: number
  reply: Reply
}

/** Parameters of a request. */
export interface Asked {
  code?: string
  token?: string
  scopes?: readonly string[] | undefined
  key?: string | undefined
  wrong?: boolean
  /** Whether the client has given up. */
  isGone?: (() => boolean) | undefined
  /** The user of the browser. */
  user?: string
  /** The form of the consent page, and the button. */
  form?: string
  action?: string
  /** The state of a callback. */
  state?: string
}

/** Sends a request to an instance. */
export type Send = (
  request: string,
  instance: number,
  asked: Asked,
  handle: (broker: Broker) => Promise<Reply | TokenResponse>
) => Promise<Reply>

/** Creates the functions that send a client's requests. */
export function tokenRequests (send: Send) {
  const contextOf = (broker: Broker, key: string | undefined, isGone = () => false) => ({
    broker,
    clientId,
    key,
    now: broker.now(),
    log: broker.log,
    isGone,
    isAuthenticated: false,
    // Assertions and proofs have tests of their own.
    markNow: async () => {},
    client: { id: clientId, name: null },
    report: broker.events.of(null)
  })
  return {
    /** Redeems a code. */
    redeem: (instance: number, code: string, { key, wrong = false, isGone }: Asked = {}) =>
      send(
        `redeem at ${instance}`,
        instance,
        { code, key, wrong, isGone },
        broker =>
          authorizationCode.handle(
            contextOf(broker, key, isGone),
            {
              grantType: 'authorization_code',
              code,
              redirectUri: undefined,
              resource: undefined,
              codeVerifier: wrong ? 'wrong' : verifier
            } as never
          )
      ),

    /** Refreshes a token. */
    refresh: (instance: number, token: string, { scopes, key }: Asked = {}) =>
      send(
        `refresh at ${instance}`,
        instance,
        { token, scopes, key },
        broker =>
          refreshToken.handle(
            contextOf(broker, key),
            {
              grantType: 'refresh_token',
              refreshToken: token,
              resource: undefined,
              scopes
            } as never
          )
      ),

    /** Revokes a token. */
    revoke: (instance: number, token: string) =>
      send(`revoke at ${instance}`, instance, { token }, async (broker) => {
        const request = {
          headers: {},
          body: String(new URLSearchParams({ token, client_id: clientId }))
        }
        const reply = { code: () => reply, send: () => reply, raw: {} }
        await revokeEndpoint.handle(
          broker,
          request as FastifyRequest,
          reply as unknown as FastifyReply
        )
        return { status: 200 }
      })
  }
}
