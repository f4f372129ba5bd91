/** How does a client obtain tokens? */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { invalidProof } from '../../dpop/rules.ts'
import { invalidGrant, isRefusal, McpOAuthError } from '../../errors.ts'
import type { EventClient } from '../../events/table.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { safeLogger } from '../../host/replies.ts'
import { hasCredentials } from '../../oauth/client-authentication.ts'
import { jwtBearer, tokenExchange } from '../../oauth/grant-types.ts'
import { grantOf, parseTokenRequest, userGrants } from '../../oauth/token-request.ts'
import type { Config } from '../../options/config.ts'
import { assertUnused, useOnce } from '../../store/single-use.ts'
import { grantTypes, type GrantType } from '../../types.ts'
import type { Broker } from '../broker.ts'
import { authenticateClient } from '../client-authentication.ts'
import { authorizationCode } from '../grants/authorization-code.ts'
import { clientCredentials } from '../grants/client-credentials.ts'
import { refreshToken } from '../grants/refresh-token.ts'
import { lazy } from '../../util/lazy.ts'
import type { Grant } from '../tokens.ts'

/** A grant that is loaded with its first request. */
interface LaterGrant {
  type: GrantType
  isOffered(config: Config): boolean
  load: () => Promise<Grant>
}

/** All grants. The metadata document and the token endpoint read from here. */
const grants: Array<Grant | LaterGrant> = [
  authorizationCode,
  refreshToken,
  clientCredentials,
  {
    type: jwtBearer,
    isOffered: ({ trustedIssuers, workloads }) => trustedIssuers.length + workloads.length > 0,
    load: lazy(
      'trustedIssuers',
      async () => (await import('../grants/jwt-bearer.ts')).jwtBearerGrant as Grant
    )
  },
  {
    type: tokenExchange,
    isOffered: ({ clients }) =>
      clients.some(({ grantTypes }) => grantTypes?.includes(tokenExchange)),
    load: lazy(
      'clients',
      async () => (await import('../grants/token-exchange.ts')).tokenExchangeGrant as Grant
    )
  }
]

/** The grants that are offered with a configuration, by type. */
export function offeredGrants (config: Config): Partial<Record<GrantType, Grant | LaterGrant>> {
  const offered = grants.filter(({ isOffered = () => true }) => isOffered(config))
  return Object.fromEntries(offered.map(grant => [grant.type, grant]))
}

/** `POST /oauth/token` (RFC 6749 §3.2). */
export const tokenEndpoint: Endpoint<Broker> = {
  name: 'token',
  methods: ['POST'],
  limit: 'token',
  anyOrigin: true,
  metadata: 'token_endpoint',
  legacy: true,
  body: 'form',
  async handle (broker, request, reply) {
    const { clients, config, events, urls } = broker
    const params = formOf(request)
    const report = events.of(request)
    let client: EventClient | undefined
    try {
      const now = broker.now()
      const entry = grantOf(params, offeredGrants(config))
      const grant = 'load' in entry ? await entry.load() : entry
      const tokenRequest = parseTokenRequest(params, urls().resource, { [grant.type]: grant })
      const isAnonymous = grant.isAnonymous?.(tokenRequest) &&
        !hasCredentials(request.headers, params)
      const authenticated = isAnonymous
        ? { clientId: '', assertions: [], isAuthenticated: false, grantTypes: [] }
        : await authenticateClient(broker, request, params, now, userGrants.includes(grant.type))
      const { clientId, assertions, isAuthenticated, grantTypes = userGrants } = authenticated
      if (!isAnonymous) client = { id: clientId, name: await clients.nameOf(clientId) }
      const isAllowed = grant.checksClient || grantTypes.includes(grant.type)
      if (!isAllowed) throw new McpOAuthError('unauthorizedClient')
      // A proof is verified before any code or token is used.
      const proof = await proofOf(broker, request, reply, now, grant.type, clientId)
      const isGone = () => reply.raw.destroyed
      const named = client ?? { id: clientId, name: null }
      const common = { broker, clientId, isAuthenticated, client: named, now, report, isGone }
      const address = events.addressOf(request)
      const context = { ...common, address, log: safeLogger(request.log), key: proof?.key }
      const tokens = await useOnce(
        proof ? [...assertions, proof.use] : assertions,
        isGone,
        markNow => grant.handle({ ...context, markNow }, tokenRequest)
      )
      // As text: hooks of the host (`preSerialization`) change objects.
      reply.header('content-type', 'application/json; charset=utf-8')
      return JSON.stringify(tokens)
    } catch (error) {
      // Every client with DPoP gets a nonce with this error from time to time.
      if (isRefusal(error) && error.kind !== 'useDpopNonce') {
        const [given = ''] = params.get('grant_type') ?? []
        const grantType = grantTypes.find(type => type === given) ?? 'unknown'
        const { error: name, cause = error } = error
        const reason = (cause as Error).message
        report('token.refused', { client, grantType, error: name, reason }, error)
      }
      throw error
    }
  }
}

/**
 * Verifies the DPoP proof of a token request (RFC 9449 §5), without which some clients get no
 * token (§5.2).
 *
 * @returns its key and its mark, or null for bearer tokens
 * @throws {McpOAuthError} `invalidDpopProof` and `useDpopNonce`, with status 400;
 *   `storeUnavailable`
 */
async function proofOf (
  { clients, config, checkProof }: Broker,
  request: FastifyRequest,
  reply: FastifyReply,
  now: number,
  grantType: GrantType,
  clientId: string
) {
  try {
    const proof = await checkProof?.(request, reply, now) ?? null
    if (proof) await assertUnused(proof.use)
    else if (config.dpop === 'require' || (checkProof && await clients.isBound(clientId))) {
      throw missingProof(grantType)
    }
    return proof
  } catch (error) {
    if (!(error instanceof McpOAuthError) || error.statusCode !== 401) throw error
    throw new McpOAuthError(error.kind, { statusCode: 400, cause: error.cause })
  }
}

/** Identity assertions have an error of their own (Identity Assertion Grant, §9.8). */
function missingProof (grantType: GrantType) {
  const reason = 'there is no DPoP proof'
  return grantType === jwtBearer ? invalidGrant(reason) : invalidProof(reason)
}
