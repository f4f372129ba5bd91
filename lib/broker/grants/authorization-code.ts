/** How is an authorization code redeemed? */

import { failure, McpOAuthError } from '../../errors.ts'
import { withTimeout } from '../../http/operations.ts'
import {
  codeSeconds,
  maxCodeFailures,
  queueTimeoutMs,
  requestTimeoutMs,
  usedCodeSeconds
} from '../../limits.ts'
import { parseAuthorizationCode, type AuthorizationCodeRequest } from '../../oauth/token-request.ts'
import { hash } from '../../util/hash.ts'
import { authorizeUser } from '../authorize-user.ts'
import {
  issueTokens,
  openOwn,
  type CodeContent,
  type Grant,
  type TokenContext
} from '../tokens.ts'

/** The authorization_code grant (RFC 6749 §4.1.3). */
export const authorizationCode: Grant<typeof parseAuthorizationCode> = {
  type: 'authorization_code',
  parse: parseAuthorizationCode,
  async handle (context, request) {
    const { broker: { clients, marks, provider, revocation }, clientId, now } = context
    const code = await openCode(context, request)
    if (await marks.isConsumed('code', code.id)) throw await replayed(context, code)
    await verifyRequest(context, code, request)
    // The metadata document of the client may have become invalid. The redirect URI stays as the
    // user approved it.
    if (await clients.isInvalidated(clientId)) throw new McpOAuthError('invalidClient')
    await provider.ready()
    if (!await marks.consume('code', code.id, usedCodeSeconds)) throw await replayed(context, code)
    const tokens = await redeem(context, code)
    // The grant is noted before this check, and a replay does it in the other order: one of the two
    // sees the other.
    if (await marks.isConsumed('replay', code.id)) await revocation.end(code.grant, now)
    return code.once ? { ...tokens, refresh_token: undefined } : tokens
  }
}

/**
 * Opens a code. A code of another client, or for another key (RFC 9449 §10), stays usable for its
 * own client.
 */
async function openCode (context: TokenContext, request: AuthorizationCodeRequest) {
  const code = await openOwn<CodeContent>(context, 'code', request.code)
  if (code === null) {
    throw failure('invalidGrant', 'The code is expired, of another client, or not a code')
  }
  if (code.key !== undefined && code.key !== context.key) {
    throw failure('invalidGrant', 'The code is for another key')
  }
  if (code.bound && context.key === undefined) {
    const cause = new Error(
      'The client registered for sender-constrained tokens, and sent no proof'
    )
    throw new McpOAuthError('invalidDpopProof', { statusCode: 400, cause })
  }
  return code
}

/** Compares a token request with the authorization request its code was issued for. */
async function verifyRequest (
  { broker: { marks } }: TokenContext,
  code: CodeContent,
  { redirectUri = code.redirectUri, resource = code.resource, codeVerifier }:
    AuthorizationCodeRequest
) {
  if (redirectUri !== code.redirectUri) {
    throw failure('invalidGrant', 'redirect_uri is not that of the authorization request')
  }
  if (resource !== code.resource) throw new McpOAuthError('invalidTarget')
  if (hash(codeVerifier) === code.codeChallenge) return
  if (await marks.fail('code', code.id, maxCodeFailures, codeSeconds)) {
    await marks.consume('code', code.id, codeSeconds)
  }
  throw failure('invalidGrant', 'The code verifier does not match the code challenge')
}

/** Redeems the provider's code, and issues the first tokens of the grant. */
async function redeem (context: TokenContext, code: CodeContent) {
  const { broker: { marks, provider, revocation }, clientId, key, now } = context
  const { id, grant, resource, upstreamCode, secrets } = code
  const tokens = await withTimeout(
    () => provider.redeem(upstreamCode, secrets),
    queueTimeoutMs + requestTimeoutMs,
    () => new McpOAuthError('providerTimeout')
  ).catch(async (error: unknown) => {
    // The provider has not seen its code, so ours can be used again.
    if (isUnsent(error)) await marks.release('code', id)
    throw error
  })
  const subject = tokens.claims?.['sub']
  if (!['string', 'number'].includes(typeof subject)) {
    throw failure('invalidGrant', 'The provider named no sub')
  }
  const upstream = tokens.refreshToken ?? tokens.accessToken
  try {
    const authorization = await authorizeUser(context, tokens, code.scopes)
    await revocation.note(grant, upstream, now)
    const owner = { client: hash(clientId), subject: String(subject) }
    const content = { grant, ...owner, resource, key, ...authorization }
    return await issueTokens(context, content, content.scopes, tokens)
  } catch (error) {
    // The tokens of the provider will not be used.
    revocation.endUpstream(upstream)
    throw error
  }
}

/**
 * The error for a code that was used before: it or its tokens were stolen, so the grant ends (RFC
 * 9700 §4.13). A code without a grant, because no login was completed, leaves no lasting mark.
 */
async function replayed (
  { broker: { marks, revocation }, now }: TokenContext,
  { id, grant }: CodeContent
) {
  await marks.consume('replay', id, usedCodeSeconds)
  if (await revocation.isNoted(grant)) await revocation.end(grant, now)
  return failure(
    'invalidGrant',
    'The code was used before: it or its tokens were stolen, the grant has ended'
  )
}

const connectionErrors =
  'EAI_AGAIN ECONNREFUSED EHOSTUNREACH ENETUNREACH ENOTFOUND UND_ERR_CONNECT_TIMEOUT'.split(' ')

/** Whether an error means that the provider received nothing. */
function isUnsent (error: unknown) {
  if (!(error instanceof McpOAuthError)) return false
  return error.kind === 'overloaded' ||
    (error.kind === 'providerUnavailable' && isNeverConnected(error))
}

function isNeverConnected (error: unknown): boolean {
  const { code, cause } = Object(error) as { code?: unknown, cause?: unknown }
  return connectionErrors.includes(String(code)) || (cause !== undefined && isNeverConnected(cause))
}
