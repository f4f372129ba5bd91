/** How is an authorization code redeemed? */

import { invalidGrant, isRefusal, McpOAuthError } from '../../errors.ts'
import { maxCodeFailures } from '../../limits.ts'
import { parseAuthorizationCode, type AuthorizationCodeRequest } from '../../oauth/token-request.ts'
import type { ProviderTokens, ReceivedTokens } from '../../provider/tokens.ts'
import { markUsed } from '../../store/single-use.ts'
import { hash } from '../../util/hash.ts'
import { authorizeUser } from '../authorize-user.ts'
import { assertSigned } from '../client-authentication.ts'
import type { Family, TokenResponse } from '../families.ts'
import { ownerOf, sessionOf } from '../revocation.ts'
import { askProvider, type Step } from '../single-flight.ts'
import {
  issueTokens,
  keepGrant,
  openOwn,
  upstreamOf,
  type CodeContent,
  type Grant,
  type SharedContext,
  type TokenContext
} from '../tokens.ts'

/**
 * The authorization_code grant (RFC 6749 §4.1.3). Until a request got the tokens, the client can
 * repeat one that failed.
 */
export const authorizationCode: Grant<typeof parseAuthorizationCode> = {
  type: 'authorization_code',
  parse: parseAuthorizationCode,
  async handle (context, request) {
    const { broker: { clients, kept, marks, provider, singleFlight }, clientId } = context
    const code = await openCode(context, request)
    await verifyRequest(context, code, request)
    if (kept.redeemedCodes.has(code.id) || await marks.isConsumed('code', code.id)) {
      // An identical request may have gone on since this one came.
      await context.markNow()
      throw await endReplayed(context, code)
    }
    // The metadata document of the client may have become invalid. The redirect URI stays as the
    // user approved it.
    const problem = await clients.loginProblem(clientId)
    if (problem) throw new McpOAuthError(problem)
    await provider.ready()
    const tokens = await singleFlight(
      hash(JSON.stringify([code.id, context.key])),
      progress => nextStep({ ...context, progress }, code)
    )
    // A client that left can repeat its request.
    if (context.isGone()) throw clientLeft()
    await context.markNow()
    await markCode(context, code)
    return tokens
  }
}

/**
 * Opens a code. A code of another client, or for another key (RFC 9449 §10), stays usable for its
 * own client.
 */
async function openCode (context: TokenContext, request: AuthorizationCodeRequest) {
  const code = await openOwn<CodeContent>(context, 'code', request.code)
  if (code === null) {
    throw invalidGrant('The code is expired, of another client, or not a code')
  }
  assertSigned(context, code)
  if (code.key !== undefined && code.key !== context.key) {
    throw invalidGrant('The code is for another key')
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
  { broker: { marks, config: { lifetimes } } }: TokenContext,
  code: CodeContent,
  { redirectUri = code.redirectUri, resource = code.resource, codeVerifier }:
    AuthorizationCodeRequest
) {
  if (redirectUri !== code.redirectUri) {
    throw invalidGrant('redirect_uri is not that of the authorization request')
  }
  if (resource !== code.resource) throw new McpOAuthError('invalidTarget')
  if (hash(codeVerifier) === code.codeChallenge) return
  await marks.failCode(code.id, maxCodeFailures, lifetimes.code)
  throw invalidGrant('The code verifier does not match the code challenge')
}

/** Says whether a code is to be redeemed, and if so with which response of the provider. */
async function nextStep (context: SharedContext, code: CodeContent): Promise<Step<TokenResponse>> {
  const { broker: { marks, kept, now } } = context
  const [isUsed, received] = await Promise.all([
    marks.isConsumed('code', code.id),
    kept.recall('redemption', code.id, now())
  ])
  if (isUsed) throw alreadyRedeemed()
  return { lease: `code:${code.id}`, work: () => redeem(context, code, received?.answer) }
}

/**
 * Redeems the provider's code, and issues the first tokens of the grant. The provider's response is
 * kept before anything in it is verified: its code works once, whatever fails afterwards.
 *
 * @param received the response to an earlier request
 */
async function redeem (
  context: SharedContext,
  code: CodeContent,
  received?: ReceivedTokens['answer']
) {
  const { broker: { config, kept, marks, provider, now } } = context
  let keeping: Promise<void> | undefined
  const keep = ({ answer }: ReceivedTokens) => {
    keeping = kept.keep('redemption', { id: code.id, answer }, config.lifetimes.code, now())
  }
  try {
    const tokens = await askProvider(
      context.progress,
      () => provider.redeem(code.upstreamCode, code.secrets, keep, received)
    )
    await keeping
    return await issueFirst({ ...context, now: now() }, code, tokens)
  } catch (error) {
    await keeping
    // Another request would fail as well.
    if (isRefusal(error)) {
      await marks.consume('code', code.id, usedSeconds(context)).catch(() => {})
    }
    throw error
  }
}

async function issueFirst (context: SharedContext, code: CodeContent, tokens: ProviderTokens) {
  const { broker, clientId, client, key, now } = context
  const { config, clients, revocation, revocations } = broker
  const { grant, resource, since = now } = code
  // A client that need not sign, and did, goes on to.
  const signs = (context.isAuthenticated && clients.listed(clientId) === undefined) || code.signs
  try {
    const { sub, sid } = tokens.claims ?? {}
    const session = config.backchannelLogout && typeof sid === 'string' ? sessionOf(sid) : undefined
    const owner = { client: hash(clientId), subject: String(sub), since, session }
    // Without the store, guards refuse the tokens later.
    if (await revocations.isRevokedNow(ownerOf(config, clientId, owner)).catch(() => false)) {
      throw invalidGrant('Its user, its client or all were revoked while the user logged in')
    }
    const authorization = await authorizeUser(context, tokens, code.scopes)
    const content = { grant, ...owner, resource, key, signs, ...authorization, generation: 0 }
    const response = await issueTokens(context, content, content.scopes, tokens)
    if (code.once) response.refresh_token = response.refresh_token_expires_in = undefined
    const family: Family = {
      id: grant,
      generation: 0,
      upstream: upstreamOf(tokens),
      uses: []
    }
    await keepGrant(context, family, content, response, code.redirectUri)
    const { subject } = owner
    context.report('code.redeemed', { subject, client, grant, scopes: authorization.scopes })
    return response
  } catch (error) {
    // The tokens of the provider will not be used.
    if (isRefusal(error)) {
      revocation.revokeAtProvider(upstreamOf(tokens))
    }
    throw error
  }
}

/** Marks a code as used. Throws for all requests but the one that gets its tokens. */
async function markCode (context: TokenContext, { id }: CodeContent) {
  const { kept: { redeemedCodes }, marks } = context.broker
  await markUsed({ marks, kind: 'code', id, ttl: usedSeconds(context), used: alreadyRedeemed })
  if (redeemedCodes.has(id)) throw alreadyRedeemed()
  redeemedCodes.set(id, true)
}

/** A used code is remembered: a second use ends the grant while its access token lives. */
const usedSeconds = ({ broker: { config: { lifetimes } } }: TokenContext) =>
  lifetimes.code + lifetimes.access

/** The error for a request of the same client beside the one that used the code up. */
const alreadyRedeemed = () =>
  invalidGrant('Another request with this code got its tokens, or was refused')

const clientLeft = () =>
  invalidGrant('The client left, and may have repeated its request elsewhere')

/**
 * Ends the grant of a code that was used before, and returns the error: the code or its tokens were
 * stolen (RFC 9700 §4.13). The family is kept before the code is marked; without one no tokens were
 * issued. A client that left, because this process stood still, has repeated its request elsewhere.
 */
async function endReplayed (context: TokenContext, { grant }: CodeContent) {
  const { broker, client, isGone, report } = context
  const { kept, revocation, now } = broker
  if (isGone()) return clientLeft()
  if (!await kept.recall('family', grant, now())) {
    return invalidGrant('The code was used before, and issued no tokens that are known')
  }
  await revocation.revokeGrant(grant, now())
  report('grant.revoked', { by: 'reuse', client, grant })
  return invalidGrant('The code was used before: it or its tokens were stolen, the grant has ended')
}
