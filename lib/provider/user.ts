/** Which claims describe a user, and which source of them counts? */
import type * as oidc from 'openid-client'
import { failure, McpOAuthError } from '../errors.ts'
import type { Condition } from '../http/condition.ts'
import { withTimeout } from '../http/operations.ts'
import { idTokenCooldownSeconds, issuerSkewSeconds, lookUpTimeoutMs } from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { asymmetricAlgorithms } from '../oauth/public-keys.ts'
import type { Log, ProviderTraits } from '../types.ts'
import { present } from '../util/json.ts'
import { callProvider, fetchAsUser, loadOidc, statusOf } from './client.ts'
import { createKeySet, isUnknownKey, verifyJwt, verifySignature } from './keys.ts'
import type { OidcTokenResponse } from './tokens.ts'

type Claims = Readonly<Record<string, unknown>>

/** Claims that hooks decide by, each with the scope for it (OpenID Connect Core §5.4). */
const claimsOfScopes = {
  name: 'profile',
  preferred_username: 'profile',
  email: 'email',
  phone_number: 'phone',
  address: 'address'
}

/** Creates the functions that find out who a user is. */
export function createUserClaims ({
  metadata,
  clientFor,
  scopes,
  identify,
  needsClaims,
  log,
  condition
}: {
  metadata: () => Promise<ProviderMetadata>
  clientFor: (provider: ProviderMetadata) => Promise<oidc.Configuration>
  /** The scopes that are requested. */
  scopes: readonly string[]
  identify: ProviderTraits['identify']
  /** Whether claims other than `sub` are used. */
  needsClaims: boolean
  log?: Log | undefined
  condition?: Condition | undefined
}) {
  const keys = createKeySet({
    uri: async () => (await metadata()).jwks_uri,
    log,
    condition,
    cooldown: idTokenCooldownSeconds
  })
  const needed = Object.entries(claimsOfScopes)
    .filter(([, scope]) => needsClaims && scopes.includes(scope))
    .map(([name]) => name)

  /** Whether a claim that hooks decide by is missing. Some providers have no `email_verified`. */
  async function lacks (claims: Claims) {
    const { claims_supported: known = [] } = await metadata()
    return needed.some(name => claims[name] == null) ||
      (needed.includes('email') && known.includes('email_verified') &&
        claims.email_verified == null)
  }

  async function verifyIdToken (token: string) {
    const algorithms = [...asymmetricAlgorithms]
    const options = { algorithms, clockTolerance: issuerSkewSeconds }
    const { jwks_uri: uri } = await metadata()
    // openid-client checks all but the signature.
    await verifyJwt(token, keys, options, verifySignature).catch((error: unknown) => {
      // Time mends an unknown key: it is not published yet, or was not loaded here.
      const isTemporary = error instanceof McpOAuthError || isUnknownKey(error)
      const cause = new Error(`the keys of ${uri} do not verify the ID token`, { cause: error })
      throw new McpOAuthError(isTemporary ? 'providerUnavailable' : 'providerMisbehaved', {
        description:
          'The keys of the authorization provider cannot be loaded, or do not fit its ID token.',
        cause
      })
    })
  }

  async function userInfo (token: string, isLogin: boolean, subject?: string) {
    const provider = await metadata()
    if (provider.userinfo_endpoint === undefined) {
      if (subject !== undefined) return {}
      const reason = 'the provider returned no claims about the user: add openid to the scopes'
      throw failure('providerMisbehaved', reason)
    }
    const oidc = await loadOidc()
    const client = await clientFor(provider)
    if (provider.jwks_uri !== undefined) oidc.enableNonRepudiationChecks(client)
    try {
      return await callProvider(() =>
        oidc.fetchUserInfo(client, token, subject ?? oidc.skipSubjectCheck)
      )
    } catch (error) {
      // The tokens of some providers are not for this endpoint: the ID token has to do.
      if (subject === undefined || ![400, 401, 403, 404].includes(statusOf(error))) throw error
      // At a refresh they may be missed: authorizeUser saw them at the login.
      if (!isLogin) throw new McpOAuthError('providerUnavailable', { cause: error })
      log?.warn({ err: error }, 'The provider refused a request for the claims of a user')
      return {}
    }
  }

  /** Looks a user up without an ID token. */
  const lookUp = (accessToken: string) =>
    callProvider(async () => {
      const claims = await withTimeout(
        () => identify?.(accessToken, fetchAsUser),
        lookUpTimeoutMs,
        () => new McpOAuthError('providerTimeout')
      )
      if (claims?.sub == null) throw failure('invalidGrant', 'the provider knows no such user')
      return claims
    })

  /** Returns verified claims of a user; null if the response to a refresh has none. */
  async function claimsOf (response: OidcTokenResponse, isLogin: boolean) {
    const { access_token: accessToken, id_token: idToken } = response
    if (identify) return await lookUp(accessToken)
    if (idToken === undefined) return isLogin ? await userInfo(accessToken, isLogin) : null
    await verifyIdToken(idToken)
    const claims = response.claims() as oidc.IDToken
    if (!await lacks(claims)) return claims
    return mergeClaims(claims, await userInfo(accessToken, isLogin, claims.sub))
  }

  return { lookUp, claimsOf }
}

/**
 * Adds claims of the userinfo endpoint to those of the ID token, which wins. An address and whether
 * it is verified come from one source.
 */
function mergeClaims (idToken: Claims, userInfo: Claims) {
  const merged: Record<string, unknown> = { ...userInfo, ...present(idToken) }
  for (const name of ['email', 'phone_number']) {
    const verified = `${name}_verified`
    const isSame = idToken[name] === userInfo[name] && idToken[verified] == null
    const source = idToken[name] == null || isSame ? userInfo : idToken
    merged[verified] = source[verified]
  }
  return present(merged)
}
