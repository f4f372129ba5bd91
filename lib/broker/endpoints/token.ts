import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TokenResponse } from '../access-token.ts'
import { lifetimes, type CodeContent } from '../tokens.ts'
import { hash } from '../../util/hash.ts'
import { McpOAuthError } from '../../errors.ts'
import { parameters } from '../../oauth/parameters.ts'
import { challengeOf } from '../../oauth/pkce.ts'
import {
  parseClientCredentials,
  parseTokenRequest,
  userGrantParsers,
  userGrants,
  type AuthorizationCodeRequest
} from '../../oauth/token-request.ts'
import { authenticateClient } from '../client-authentication.ts'
import { machineTokens } from '../grants/client-credentials.ts'
import {
  acceptForm,
  bodyLimit,
  replyToPreflight,
  publicRoute,
  allowAnyOrigin,
  rejectOtherMethods
} from '../../host/isolate.ts'
import type { Broker } from '../broker.ts'
import { proofKeyOf } from '../proof.ts'
import { refresh, refused } from '../grants/refresh-token.ts'

/** Wrong guesses one code survives. */
const guesses = 5

/**
 * Seconds it is remembered what became of a code: whoever comes with it while its access token
 * lives is not the client (RFC 6749 §4.1.2).
 */
const memory = lifetimes.access + lifetimes.code

/** `POST /oauth/token` (RFC 6749 §4.1.3, §4.4.2 and §6). */
export function tokenRoute (scope: FastifyInstance, broker: Broker, path: string): void {
  scope.register(async (scope) => {
    acceptForm(scope)
    allowAnyOrigin(scope)
    scope.post(
      path,
      { bodyLimit, config: publicRoute },
      (request, reply) => answer(broker, request, reply)
    )
  })
  replyToPreflight(scope, path, ['POST'])
  rejectOtherMethods(scope, path, ['POST'])
}

async function answer (
  broker: Broker,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<TokenResponse> {
  if (typeof request.body !== 'string') throw new McpOAuthError('invalidRequest')
  const params = parameters(request.body)
  const now = Date.now() / 1000
  const asked = parseTokenRequest(params, broker.urls().resource, {
    ...userGrantParsers,
    ...broker.hasMachineClients && { client_credentials: parseClientCredentials }
  })
  const clientId = await authenticateClient(broker, request, params, now)
  const { grantTypes = userGrants } = broker.clients.listed(clientId) ?? {}
  if (!grantTypes.includes(asked.grantType)) throw new McpOAuthError('unauthorizedClient')
  // Before anything is looked up, let alone used up.
  const key = await proofKeyOf(broker, request, reply, now)
  if (asked.grantType === 'client_credentials') {
    return await machineTokens(broker, clientId, asked, key, now)
  }
  if (asked.grantType === 'refresh_token') return await refresh(broker, clientId, asked, key, now)
  return await exchange(broker, clientId, asked, key, now)
}

async function exchange (
  broker: Broker,
  clientId: string,
  asked: AuthorizationCodeRequest,
  key: string | undefined,
  now: number
): Promise<TokenResponse> {
  const code = await broker.tokens.openCode(asked.code, now)
  // A code of another client, or for another key (RFC 9449 §10): nothing happens to it, its own
  // client can still use it.
  if (code === null || code.client !== hash(clientId)) {
    throw refused('the code is expired, of another client, or no code')
  }
  if (code.key !== undefined && code.key !== key) throw refused('the code is for another key')
  if (await broker.marks.isConsumed('code', code.id)) return await replayed(broker, code, now)
  if (asked.redirectUri !== undefined && asked.redirectUri !== code.redirectUri) {
    throw refused('redirect_uri is not that of the authorization request')
  }
  if (asked.resource !== undefined && asked.resource !== code.resource) {
    throw new McpOAuthError('invalidTarget')
  }
  if (challengeOf(asked.codeVerifier) !== code.codeChallenge) {
    if (await broker.marks.fail('code', code.id, guesses, lifetimes.code)) {
      await broker.marks.consume('code', code.id, lifetimes.code)
    }
    throw refused('the code verifier does not fit the code challenge')
  }
  // A document that has changed must still be one. Where the user is sent back to stays what was
  // agreed to.
  if (await broker.clients.isInvalidated(clientId)) throw new McpOAuthError('invalidClient')
  await broker.provider.ready()
  if (!await broker.marks.consume('code', code.id, memory)) {
    return await replayed(broker, code, now)
  }
  let tokens
  try {
    tokens = await broker.tokens.begin(clientId, code, key, now)
  } catch (error) {
    // The provider's code is unspent, so ours is as good as before.
    if (isUnsent(error)) await broker.marks.release('code', code.id)
    throw error
  }
  // The grant is noted by now, then the look: a replay does it the other way round, so one of the
  // two sees the other.
  if (await broker.marks.isConsumed('replay', code.id)) {
    await broker.revocation.end(code.grant, now)
  }
  const { refresh_token: _unasked, ...once } = tokens
  return code.once ? once : tokens
}

/**
 * A code that comes twice was stolen, or its tokens were: all of the grant ends (RFC 9700 §4.13).
 * Where there is none, because nobody signed in, nothing is written that lasts.
 */
async function replayed (
  { marks, revocation }: Broker,
  { id, grant }: CodeContent,
  now: number
): Promise<never> {
  await marks.consume('replay', id, memory)
  if (await revocation.isNoted(grant)) await revocation.end(grant, now)
  throw refused(
    'the code was used before: it was stolen, or its tokens were, and the grant has ended'
  )
}

const unsent = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT'
])

/** Whether an error means that the provider was never reached. */
function isUnsent (error: unknown): boolean {
  if (!(error instanceof McpOAuthError)) return false
  return error.kind === 'overloaded' ||
    (error.kind === 'providerUnavailable' && isNeverConnected(error))
}

function isNeverConnected (error: unknown): boolean {
  const { code, cause } = Object(error) as { code?: unknown, cause?: unknown }
  return unsent.has(String(code)) || (cause !== undefined && isNeverConnected(cause))
}
