/** Which configuration do checked options and their defaults add up to? */
import { randomBytes } from 'node:crypto'
import type { Static, TObject, TProperties, TSchema } from '@sinclair/typebox'
import { startupError } from '../errors.ts'
import { minSecretChars } from '../limits.ts'
import { completeMetadata } from '../oauth/metadata.ts'
import { parseScope } from '../oauth/scope.ts'
import type { OAuthMetadata } from '../schemas/metadata.ts'
import { withCircuitBreaker } from '../store/circuit-breaker.ts'
import type { Client, Log, TokenVerifier } from '../types.ts'
import { problemsOf } from './check.ts'
import { optionProblems } from './rules.ts'
import { OptionsSchema, type McpOAuthOptions } from './schema.ts'

/** How a registration takes part: see the table of modes in docs/routes.md. */
type Mode = 'open' | 'guard' | 'metadata' | 'resource' | 'thin' | 'broker'

/** The user's OAuth or OpenID provider, and our account there. */
export type ProviderConfig = NonNullable<ReturnType<typeof providerOf>>

/** The members of a schema: one with a default is always there. */
type Completed<Properties extends TProperties> = {
  readonly [Name in keyof Properties]: Properties[Name] extends { fallback: infer Default }
    ? Properties[Name] extends { of?: TObject<infer Inner> } ? Completed<Inner>
    : Exclude<Static<Properties[Name]>, undefined> | Extract<Default, null>
    : Static<Properties[Name]> | undefined
}
type Options = Completed<typeof OptionsSchema['properties']>

/**
 * The options, checked, completed and frozen: each under its own name, but for those that are
 * derived. No other module reads the options.
 */
export interface Config extends ReturnType<typeof createConfig> {}

/**
 * Checks the options once and completes them. The caller's object is never changed.
 *
 * @param scopePrefix prefix of the Fastify scope the plugin was registered in
 * @throws {McpOAuthError} `invalidOptions` naming every problem
 */
export function createConfig (options: McpOAuthOptions, scopePrefix: string, log: Log) {
  const problems = optionProblems(options, process.env.NODE_ENV === 'production')
  const prefix = [scopePrefix, options.prefix].map(path => String(path ?? '').replace(/\/+$/, ''))
    .join('')
  if (/[:*]/.test(scopePrefix)) {
    problems.push(
      `prefix: the scope's '${scopePrefix}' has a parameter, but a protected resource is one ` +
        'URL. Register in a scope with a fixed prefix'
    )
  }
  if (options.legacyEndpoints && prefix !== '') {
    problems.push('legacyEndpoints: needs a registration without a prefix. Remove one of the two')
  }
  if (problems.length > 0) throw startupError('invalidOptions', ...problems)

  const given = complete(OptionsSchema, options) as Options
  const { customOAuthMetadata: metadata, publicUrl, clientIdMetadata: documents } = given
  const mode = modeOf(given)
  return Object.freeze({
    ...given,
    mode,
    prefix,
    publicUrl: publicUrl && canonicalUrl(publicUrl),
    provider: providerOf(given),
    /** The completed `customOAuthMetadata`. */
    document: metadata ? completeMetadata(metadata) as OAuthMetadata : null,
    tokens: tokensOf(given, mode),
    secrets: Object.freeze(secretsOf(given, mode, log)),
    store: given.store && withCircuitBreaker(given.store),
    clients: Object.freeze(given.clients.map(
      ({ clientId: id, name = null, redirectUris = [], ...more }): Client => ({
        id,
        name,
        redirectUris,
        ...more
      })
    )),
    /** Hosts of the metadata documents of clients, `null` for any; null where none are accepted. */
    clientIdMetadata: documents === true ? { allowedHosts: null } : documents || null,
    headers: Object.freeze(given.headers.map(name => name.toLowerCase()))
  })
}

/** A frozen copy of a valid value, with the defaults of its schema. */
function complete (schema: TSchema, value: unknown = schema.fallback): unknown {
  const { anyOf, base, items = {}, properties = {}, patternProperties = {}, type } = schema
  if (base !== undefined) return complete(base, value)
  if (anyOf !== undefined) {
    const fits = (alternative: TSchema) => problemsOf(alternative, value).length === 0
    return complete(anyOf.find(fits) ?? {}, value)
  }
  if (Array.isArray(value)) return Object.freeze(value.map(entry => complete(items, entry)))
  if (type !== 'object' || value === undefined || value === null) return value
  const [ofAny = {}] = Object.values<TSchema>(patternProperties)
  const given = new Map<string, unknown>(Object.entries(value as object))
  const names = schema.additionalProperties === false ? Object.keys(properties) : given.keys()
  const members = [...names].map(name =>
    [name, complete(properties[name] ?? ofAny, given.get(name))] as const
  )
  return Object.freeze(Object.fromEntries(members.filter(([, member]) => member !== undefined)))
}

function modeOf (given: Options): Mode {
  if (given.setupProxies) return given.version === '2025-03-26' ? 'thin' : 'broker'
  if (given.customOAuthMetadata) return 'metadata'
  if (given.issuer) return 'resource'
  return given.auth === false ? 'open' : 'guard'
}

/** The verifier of access tokens: the broker, the provider's keys, none, or those of the user. */
function tokensOf (
  { auth, tokens, dependencies, issuer }: Options,
  mode: Mode
): 'own' | 'issuer' | 'none' | readonly TokenVerifier[] {
  if (auth === false || tokens === false) return 'none'
  if (tokens !== 'auto') return Object.freeze([tokens].flat())
  if (mode === 'broker') return 'own'
  return dependencies.length > 0 || !issuer ? 'none' : 'issuer'
}

function providerOf (given: Options) {
  const { issuer, clientId = null, clientSecret = null } = given
  if (issuer === undefined) return null
  return Object.freeze({
    issuer,
    metadataUrl: given.oauthMetadataUrl,
    authorizeUrl: given.authorizeUrl,
    audience: given.audience ?? null,
    defaultScopes: Object.freeze(parseScope(given.defaultScope)),
    clientId,
    clientSecret,
    traits: given.provider
  })
}

function secretsOf ({ secret, clientSecret, dpop }: Options, mode: Mode, log: Log) {
  if (secret) return [secret].flat()
  const random = randomBytes(32).toString('base64url')
  if (mode !== 'thin' && mode !== 'broker') return dpop === 'off' ? [] : [random]
  // A client that registers gets a value encrypted with the secret, and could try guesses on it
  // offline: a short client secret is no basis for it.
  if (clientSecret && clientSecret.length >= minSecretChars) {
    log.info(
      { option: 'secret' },
      'Option secret is derived from clientSecret: a new clientSecret makes clients register again'
    )
    return [`derived from the client secret: ${clientSecret}`]
  }
  const why = clientSecret ? `, as clientSecret has fewer than ${minSecretChars} characters` : ''
  log.info(
    { option: 'secret' },
    `Option secret is random${why}: clients must register again after a restart. ` +
      'Give at least 32 random bytes: openssl rand -base64 32'
  )
  return [random]
}

/** Scheme and host in lower case, no default port, no trailing slash: one spelling of our URLs. */
function canonicalUrl (publicUrl: string) {
  const { origin, pathname } = new URL(publicUrl)
  return origin + pathname.replace(/\/+$/, '')
}
