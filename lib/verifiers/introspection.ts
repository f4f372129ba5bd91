/** How is an access token verified by asking its issuer (RFC 7662)? */
import { importJWK, type JWK } from 'jose'
import * as oidc from 'openid-client'
import type { Log, McpAuth, TokenVerifier, VerifyContext } from '../types.ts'
import { causeWith, McpOAuthError } from '../errors.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { publicKeyProblem, secretMembers, signatureAlgorithms } from '../oauth/public-keys.ts'
import { createLimiter } from '../http/concurrency.ts'
import { jsonObject } from '../http/json.ts'
import { createOpenIdClient, secretAuthentication } from '../provider/client.ts'
import { createProviderDiscovery } from '../provider/discovery.ts'
import { safeLogger } from '../host/safe-logger.ts'
import { cachedVerifier } from './cache.ts'
import { callerOf, problemOfClaims, type Claims } from './claims.ts'
import { parseCompact } from './compact.ts'
import {
  audiences,
  checkOptions,
  expect,
  logger,
  optional,
  seconds,
  text,
  url
} from '../options/fields.ts'

/** The issuer, and our credentials there. */
export interface IntrospectionVerifierOptions {
  /** Issuer of the tokens, byte for byte as in its metadata. */
  issuer: string
  /** Introspection endpoint (RFC 7662 §2). Defaults to that of the metadata. */
  introspectionEndpoint?: string | undefined
  /** URL of the metadata of the issuer. Defaults to discovery. */
  metadataUrl?: string | undefined
  /** Client id of this server at the issuer. */
  clientId: string
  /** Secret for `client_secret_basic`, or `_post` if the metadata lists nothing else. */
  clientSecret?: string | undefined
  /** Private key for `private_key_jwt` (RFC 7523 §2.2): a JWK with `alg`. Replaces the secret. */
  privateKey?: JWK | undefined
  /** Accepted audiences (`aud`) in addition to the URL of the MCP route. */
  audience?: string | readonly string[] | undefined
  /** Seconds by which clocks may differ, 0 to 120. Defaults to 30. */
  clockTolerance?: number | undefined
  /** Seconds for which a token is cached, revoked or not, at most 60. Defaults to 0. */
  cacheFor?: number | undefined
  /** Logger of failed requests. */
  log?: Log | undefined
}

const expectations = {
  issuer: url({ query: false }),
  introspectionEndpoint: optional(url()),
  metadataUrl: optional(url()),
  clientId: expect(
    'the id this server is known under at the issuer',
    value => typeof value === 'string' && value !== ''
  ),
  clientSecret: optional(text),
  privateKey: optional(
    expect(
      `a private JWK with the member alg, one of ${signatureAlgorithms.join(', ')}`,
      isSigningKey
    )
  ),
  audience: audiences,
  clockTolerance: optional(seconds(0, 120)),
  cacheFor: optional(seconds(0, 60)),
  log: logger
}

/**
 * A verifier that asks the issuer about each token (RFC 7662), for opaque tokens and for those that
 * must end the moment they are revoked. Only an answer that says `active: true` in so many words,
 * and names this server as the audience, lets anyone pass. A JWT of another issuer is not shown to
 * this one.
 *
 * Resolves to `null` for what the issuer does not know as active, so that the next verifier is
 * asked.
 *
 * @throws {McpOAuthError} `invalidOptions`; the verifier itself throws `invalidToken` and, when it
 *   cannot find out, `keysUnavailable`
 */
export function introspectionVerifier (options: IntrospectionVerifierOptions): TokenVerifier {
  checkOptions('introspectionVerifier', options, expectations, { more: problemsOfProof })
  const { issuer, audience = [], clockTolerance = 30, cacheFor = 0 } = options
  const log = options.log && safeLogger(options.log)

  const accepted = [audience].flat()
  const configuration = configurationOf({ ...options, log })
  const limited = createLimiter({ concurrency: 40, queue: 200 })

  async function introspect (token: string): Promise<Claims> {
    try {
      const answer = await oidc.tokenIntrospection(await configuration(), token, {
        token_type_hint: 'access_token'
      })
      // Users of two issuers may have the same subject.
      return jsonObject(JSON.stringify({ ...answer, iss: answer.iss ?? issuer })) ?? {}
    } catch (cause) {
      if (isInactive(cause)) return {}
      log?.warn({ issuer, reason: reasonOf(cause) }, 'Could not introspect an access token')
      throw new McpOAuthError('keysUnavailable', {
        cause: new Error(`${issuer} could not be asked about a token: ${reasonOf(cause)}`)
      })
    }
  }

  async function verify (token: string, context: VerifyContext): Promise<McpAuth | null> {
    const named = parseCompact(token)?.claims['iss']
    if (named !== undefined && named !== issuer) return null
    const claims = await limited(() => introspect(token))
    // A JWT of this issuer that it does not call active is nobody else's to judge.
    if (claims['active'] !== true && named === issuer) {
      throw new McpOAuthError('invalidToken', {
        cause: new Error('The token is refused: not active')
      })
    }
    if (claims['active'] !== true) return null
    const problem = problemOfAnswer(claims, issuer, [context.resource, ...accepted]) ??
      problemOfClaims({ exp: context.now + clockTolerance, ...claims }, context.now, {
        clockTolerance,
        maxTokenLifetime: Infinity,
        requireSubject: false
      }, context.dpop) ??
      problemOfTimes(claims, context.now, clockTolerance)
    if (problem !== null) {
      throw new McpOAuthError('invalidToken', {
        cause: problem === otherAudience
          ? causeWith(
            `The token is refused: ${problem} (${
              accepted.concat(context.resource).join(', ')
            }), but for`,
            claims['aud']
          )
          : new Error(`The token is refused: ${problem}`)
      })
    }
    return callerOf(token, claims, context)
  }
  return Object.assign(cachedVerifier(verify, { maxAge: cacheFor }), { issuer })
}

/** Created with the first token, so that the app starts without the provider. */
function configurationOf (
  { issuer, introspectionEndpoint, metadataUrl, clientId, clientSecret, privateKey, log }:
    IntrospectionVerifierOptions
): () => Promise<oidc.Configuration> {
  const said = introspectionEndpoint &&
    {
      issuer,
      introspection_endpoint: introspectionEndpoint,
      authorization_response_iss_parameter_supported: false
    }
  const provider = createProviderDiscovery({ issuer, metadataUrl, log })
  let known: { metadata: ProviderMetadata, config: Promise<oidc.Configuration> } | undefined

  async function configure (metadata: ProviderMetadata): Promise<oidc.Configuration> {
    const supported = metadata.introspection_endpoint_auth_methods_supported ??
      metadata.token_endpoint_auth_methods_supported
    const authentication = privateKey === undefined
      ? secretAuthentication(clientSecret ?? null, supported)
      : oidc.PrivateKeyJwt(await keyOf(privateKey))
    return createOpenIdClient(metadata, clientId, authentication)
  }

  return async () => {
    const metadata = said || await provider.metadata()
    if (known?.metadata !== metadata) known = { metadata, config: configure(metadata) }
    return await known.config
  }
}

/** Whether the library rejected JSON without a boolean `active`: the token is inactive. */
function isInactive (thrown: unknown): boolean {
  const { error, body, cause }: Record<string, unknown> = Object(thrown)
  if (error !== undefined) return false
  return (typeof body === 'object' && body !== null &&
    Object.getPrototypeOf(body) === Object.prototype) ||
    (cause !== undefined && isInactive(cause))
}

async function keyOf (jwk: JWK): Promise<oidc.CryptoKey | oidc.PrivateKey> {
  const key = await importJWK(jwk) as oidc.CryptoKey
  return jwk.kid === undefined ? key : { key, kid: jwk.kid }
}

/** Returns why introspection failed, without text of the issuer: it may contain the token. */
function reasonOf (thrown: unknown): string {
  const { message, error, cause }: Record<string, unknown> = Object(thrown)
  const name = typeof error === 'string' && /^\w{1,64}$/.test(error) ? ` (${error})` : ''
  return `${String(message)}${name}${cause instanceof Error ? `: ${reasonOf(cause)}` : ''}`
}

const otherAudience = 'not for this audience'

/** Checks issuer, type and audience of an active token (RFC 7662 §2.2, §4). */
function problemOfAnswer (
  { iss, aud, token_type: type, cnf }: Claims,
  issuer: string,
  audiences: readonly string[]
): string | null {
  if (iss !== undefined && iss !== issuer) return 'of another issuer'
  if (type !== undefined && !/^(?:bearer|dpop)$/i.test(String(type))) return 'not an access token'
  if (cnf === undefined && /^dpop$/i.test(String(type))) return 'bound to a key that is not named'
  return [aud].flat().some(value => typeof value === 'string' && audiences.includes(value))
    ? null
    : otherAudience
}

function problemOfTimes ({ exp, nbf }: Claims, now: number, clockTolerance: number): string | null {
  if (typeof exp === 'number' && exp <= now - clockTolerance) return 'expired'
  if (
    nbf !== undefined && !(typeof nbf === 'number' && nbf <= now + clockTolerance)
  ) { return 'not good yet' }
  return null
}

/** Introspection needs client authentication (RFC 7662 §2.1). */
function problemsOfProof (options: IntrospectionVerifierOptions): string[] {
  const { clientSecret, privateKey } = options
  if ((clientSecret === undefined) !== (privateKey === undefined)) return []
  if (privateKey !== undefined) {
    return ['privateKey: is given beside clientSecret, one of the two is expected. Keep one']
  }
  return Object.hasOwn(options, 'clientSecret')
    ? ['clientSecret: undefined is given. Is the environment variable set?']
    : [
      'clientSecret: missing, expected it or privateKey, as the issuer answers nobody it does not know'
    ]
}

function isSigningKey (value: unknown): boolean {
  const key = Object(value) as JWK
  const open = Object.fromEntries(
    Object.entries(key).filter(([name]) => !secretMembers.includes(name) && name !== 'key_ops')
  )
  return typeof key.d === 'string' && typeof key.alg === 'string' && publicKeyProblem(open) === null
}
