/** How is an authorization code redeemed? */

import { McpOAuthError } from '../../errors.ts'
import { codeSeconds, maxCodeFailures, usedCodeSeconds } from '../../limits.ts'
import { parseAuthorizationCode, type AuthorizationCodeRequest } from '../../oauth/token-request.ts'
import { hash } from '../../util/hash.ts'
import type { TokenResponse } from '../access-token.ts'
import type { Broker } from '../broker.ts'
import type { CodeContent } from '../tokens.ts'
import { invalidGrant, type Grant, type TokenRequestContext } from './grant.ts'

/** The authorization_code grant (RFC 6749 §4.1.3). */
export const authorizationCode: Grant<AuthorizationCodeRequest> = {
  type: 'authorization_code',
  isDefault: true,
  isOffered: () => true,
  parse: parseAuthorizationCode,
  async handle (context, request) {
    const { broker, clientId, now } = context
    const code = await openCode(context, request)
    if (await broker.marks.isConsumed('code', code.id)) return await rejectReplay(broker, code, now)
    await verifyRequest(broker, code, request)
    // The metadata document of the client may have become invalid. The redirect URI stays as the
    // user approved it.
    if (await broker.clients.isInvalidated(clientId)) throw new McpOAuthError('invalidClient')
    await broker.provider.ready()
    if (!await broker.marks.consume('code', code.id, usedCodeSeconds)) {
      return await rejectReplay(broker, code, now)
    }
    const tokens = await redeem(context, code)
    // The grant is noted before this check, and a replay does it in the other order: one of the two
    // sees the other.
    if (await broker.marks.isConsumed('replay', code.id)) {
      await broker.revocation.end(code.grant, now)
    }
    const { refresh_token: _dropped, ...withoutRefresh } = tokens
    return code.once ? withoutRefresh : tokens
  }
}

/**
 * Opens a code. One of another client, or for another key (RFC 9449 §10), stays usable for its own
 * client.
 */
async function openCode (
  context: TokenRequestContext,
  request: AuthorizationCodeRequest
): Promise<CodeContent> {
  const code = await context.broker.tokens.openCode(request.code, context)
  if (code === null) throw invalidGrant('The code is expired, of another client, or not a code')
  if (code.key !== undefined && code.key !== context.key) {
    throw invalidGrant('The code is for another key')
  }
  return code
}

/** Compares a token request with the authorization request its code was issued for. */
async function verifyRequest (
  { marks }: Broker,
  code: CodeContent,
  { redirectUri, resource, codeVerifier }: AuthorizationCodeRequest
): Promise<void> {
  if (redirectUri !== undefined && redirectUri !== code.redirectUri) {
    throw invalidGrant('redirect_uri is not that of the authorization request')
  }
  if (resource !== undefined && resource !== code.resource) {
    throw new McpOAuthError('invalidTarget')
  }
  if (hash(codeVerifier) === code.codeChallenge) return
  if (await marks.fail('code', code.id, maxCodeFailures, codeSeconds)) {
    await marks.consume('code', code.id, codeSeconds)
  }
  throw invalidGrant('The code verifier does not match the code challenge')
}

async function redeem (context: TokenRequestContext, code: CodeContent): Promise<TokenResponse> {
  try {
    return await context.broker.tokens.begin(context, code)
  } catch (error) {
    // The provider has not seen its code, so ours can be used again.
    if (isUnsent(error)) await context.broker.marks.release('code', code.id)
    throw error
  }
}

/**
 * Rejects a code that was used before: it or its tokens were stolen, so the grant ends (RFC 9700
 * §4.13). A code without a grant, because no login was completed, leaves no lasting mark.
 */
async function rejectReplay (
  { marks, revocation }: Broker,
  { id, grant }: CodeContent,
  now: number
): Promise<never> {
  await marks.consume('replay', id, usedCodeSeconds)
  if (await revocation.isNoted(grant)) await revocation.end(grant, now)
  throw invalidGrant('The code was used before: it or its tokens were stolen, the grant has ended')
}

const connectionErrors = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT'
])

/** Whether an error means that the provider received nothing. */
function isUnsent (error: unknown): boolean {
  if (!(error instanceof McpOAuthError)) return false
  return error.kind === 'overloaded' ||
    (error.kind === 'providerUnavailable' && isNeverConnected(error))
}

function isNeverConnected (error: unknown): boolean {
  const { code, cause } = Object(error) as { code?: unknown, cause?: unknown }
  return connectionErrors.has(String(code)) || (cause !== undefined && isNeverConnected(cause))
}
