/** How is an access token verified by asking its issuer (RFC 7662)? */
import type { JWK } from 'jose'
import { loadJose } from '../crypto/jose.ts'
import { failure } from '../errors.ts'
import { safeLogger } from '../host/replies.ts'
import { createLimiter } from '../http/operations.ts'
import { issuerSkewSeconds, maxIntrospections, maxQueuedIntrospections } from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { publicKeyProblem, secretMembers, signatureAlgorithms } from '../oauth/public-keys.ts'
import {
  checkOptions,
  expect,
  fromEnv,
  type OptionsOf,
  text,
  unset,
  url
} from '../options/fields.ts'
import { loadOidc, openIdClient, secretAuthentication, statusOf } from '../provider/client.ts'
import { createProviderDiscovery } from '../provider/discovery.ts'
import type { TokenVerifier } from '../types.ts'
import { isPlainObject, jsonObject } from '../util/json.ts'
import {
  callerOf,
  notYetValid,
  parseCompact,
  problemOfClaims,
  rejection,
  wrongAudience,
  type Claims
} from './claims.ts'
import { cachedVerifier, commonFields } from './verifier.ts'

const fields = {
  ...commonFields,
  /** Introspection endpoint (RFC 7662 §2). Defaults to that of the metadata. */
  introspectionEndpoint: fromEnv(url()),
  /** Client id of this server at the issuer. */
  clientId: {
    ...text,
    description: 'the id this server is known under at the issuer'
  } as typeof text,
  /** Secret for `client_secret_basic`, or `_post` if the metadata lists nothing else. */
  clientSecret: fromEnv(text),
  /** Private key for `private_key_jwt` (RFC 7523 §2.2): a JWK with `alg`. Replaces the secret. */
  privateKey: fromEnv(
    expect<JWK>(
      `a private JWK with the member alg, one of ${signatureAlgorithms.join(', ')}`,
      isSigningKey
    )
  )
}

/** The issuer, and our credentials there. */
export interface IntrospectionVerifierOptions extends OptionsOf<typeof fields> {}

/**
 * Creates a verifier that sends each token to its issuer (RFC 7662): for opaque tokens, and for
 * tokens that must be invalid as soon as they are revoked. A token is valid if the response has
 * `active: true` and names this server as audience. A JWT of another issuer is not sent.
 *
 * It returns `null` for a token that is not active, so that another verifier is tried.
 *
 * @throws {McpOAuthError} `invalidOptions`. The verifier throws `invalidToken`, and
 *   `keysUnavailable` if the issuer does not respond
 */
export function introspectionVerifier (options: IntrospectionVerifierOptions): TokenVerifier {
  checkOptions('introspectionVerifier', options, fields, { more: problemsOfCredentials })
  const { issuer, audience = [], clockTolerance = issuerSkewSeconds, cacheFor = 0 } = options
  const { introspectionEndpoint, clientId, clientSecret = null, privateKey } = options
  const log = options.log && safeLogger(options.log)
  const provider = createProviderDiscovery({
    ...options,
    log,
    required: ['introspection_endpoint']
  })
  const configured = introspectionEndpoint && {
    issuer,
    introspection_endpoint: introspectionEndpoint,
    authorization_response_iss_parameter_supported: false
  }
  async function request (token: string) {
    const oidc = await loadOidc()
    const { importJWK } = await loadJose()
    const metadata: ProviderMetadata = configured || await provider.metadata()
    const authentication = privateKey === undefined
      ? secretAuthentication(
        oidc,
        clientSecret,
        metadata.introspection_endpoint_auth_methods_supported ??
          metadata.token_endpoint_auth_methods_supported
      )
      : oidc.PrivateKeyJwt({ key: await importJWK(privateKey), kid: privateKey.kid } as never)
    const client = openIdClient(oidc, metadata, clientId, authentication)
    return await oidc.tokenIntrospection(client, token, { token_type_hint: 'access_token' })
  }
  const limited = createLimiter(maxIntrospections, maxQueuedIntrospections)
  const rules = { clockTolerance, maxTokenLifetime: Infinity, requireSubject: false }

  async function introspect (token: string) {
    try {
      const response = await request(token)
      // Users of two issuers may have the same subject.
      return jsonObject(JSON.stringify({ ...response, iss: response.iss ?? issuer })) ?? {}
    } catch (cause) {
      if (isInactive(cause)) return {}
      const reason = [reasonOf(cause), statusOf(cause) || []].flat().join(' ')
      log?.warn(
        { issuer, reason },
        'Could not introspect an access token. Check clientId and its secret'
      )
      throw failure('keysUnavailable', `${issuer} did not introspect a token: ${reason}`)
    }
  }

  const verify: TokenVerifier = async (token, context) => {
    const { resource, now } = context
    const claimed = parseCompact(token)?.claims.iss
    if (claimed !== undefined && claimed !== issuer) return null
    const claims = await limited(() => introspect(token))
    if (claims.active !== true) {
      // No other verifier decides about a JWT of this issuer.
      if (claimed === issuer) throw rejection('it is not active')
      return null
    }
    const problem = problemOfResponse(claims, issuer, now, clockTolerance) ??
      problemOfClaims({ exp: now, ...claims }, context, rules)
    if (problem !== null) throw rejection(problem)
    const expected = [resource, ...[audience].flat()]
    if (![claims.aud].flat().some(value => expected.includes(value as string))) {
      throw wrongAudience(expected, claims.aud)
    }
    return callerOf(token, claims, context)
  }
  return Object.assign(cachedVerifier(verify, { maxAge: cacheFor }), { issuer })
}

/** Whether the library rejected JSON without a boolean `active`: the token is inactive. */
function isInactive (thrown: unknown): boolean {
  const { error, body, cause }: Record<string, unknown> = Object(thrown)
  if (error !== undefined) return false
  const isJson = isPlainObject(body) && Object.getPrototypeOf(body) === Object.prototype
  return isJson || (cause !== undefined && isInactive(cause))
}

/** Returns why introspection failed, without text of the issuer: it may contain the token. */
function reasonOf (thrown: unknown): string {
  const { message, error, cause }: Record<string, unknown> = Object(thrown)
  const name = typeof error === 'string' && /^\w{1,64}$/.test(error) ? ` (${error})` : ''
  return `${String(message)}${name}${cause instanceof Error ? `: ${reasonOf(cause)}` : ''}`
}

/** Checks issuer, type and times of an active token (RFC 7662 §2.2). */
function problemOfResponse (
  { iss, token_type: type = 'bearer', cnf, exp = Infinity, nbf = 0 }: Claims,
  issuer: string,
  now: number,
  clockTolerance: number
) {
  if (iss !== issuer) return 'its issuer is another one'
  if (!/^(?:bearer|dpop)$/i.test(String(type))) return 'it is not an access token'
  if (cnf === undefined && /^dpop$/i.test(String(type))) return 'its DPoP key is missing (cnf)'
  if (Number(exp) <= now - clockTolerance) return 'it is expired'
  if (typeof nbf !== 'number') return 'nbf is not a number'
  return nbf <= now + clockTolerance ? null : notYetValid(nbf, now)
}

/** Introspection needs client authentication (RFC 7662 §2.1). */
function problemsOfCredentials (options: IntrospectionVerifierOptions) {
  const { clientSecret, privateKey } = options
  if ((clientSecret === undefined) !== (privateKey === undefined)) return []
  if (privateKey !== undefined) {
    return ['privateKey: is given beside clientSecret, one of the two is expected. Keep one']
  }
  return [
    Object.hasOwn(options, 'clientSecret')
      ? `clientSecret: ${unset}`
      : 'clientSecret: missing, and so is privateKey. Set one: the issuer authenticates clients'
  ]
}

function isSigningKey (value: unknown) {
  const key = Object(value) as JWK
  const open = Object.fromEntries(
    Object.entries(key).filter(([name]) => !secretMembers.includes(name) && name !== 'key_ops')
  )
  return typeof key.d === 'string' && typeof key.alg === 'string' && publicKeyProblem(open) === null
}
