/** How do tools and routes obtain access tokens for other APIs, as the caller? */
import { LRUCache } from 'lru-cache'
import { failure, McpOAuthError, quoted, type ErrorKind } from '../errors.ts'
import { reasonOf } from '../http/condition.ts'
import { boundedFetch } from '../http/fetch.ts'
import { exchangeMarginSeconds, maxExchangedTokens } from '../limits.ts'
import { basicCredentials } from '../oauth/client-authentication.ts'
import { exchangedToken, exchangeParameters } from '../oauth/exchange-request.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { ExchangeOptions } from '../options/exchange.ts'
import { callProvider, responseOf } from '../provider/client.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import type { Log, McpAuth, UpstreamAccess, VerifyContext } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import { hash } from '../util/hash.ts'
import { jsonObject } from '../util/json.ts'
import type { createVerifier } from './chain.ts'
import { parseCompact } from './claims.ts'

type Verifier = NonNullable<ReturnType<typeof createVerifier>>

/** A registration with the option `exchange`. */
interface ExchangeContext {
  config: Config
  provider: ProviderDiscovery
  urls: UrlSource
  log: Log
  /** How our own tokens are opened, null without a broker. */
  own: {
    issuer: () => string
    openSealed: (sealed: string, now: number) => Promise<UpstreamAccess | null>
  } | null
}

/** The first ones are about the option `exchange`, not about the user. */
const kinds = new Map<string, ErrorKind>([
  ['invalid_scope', 'providerMisbehaved'],
  ['invalid_target', 'providerMisbehaved'],
  ['insufficient_scope', 'accessDenied']
])

/** Errors that a new login does not mend. RFC 8693 §2.2.2 has the last one for policies. */
const denials: readonly unknown[] = ['access_denied', 'invalid_request']

const loginNeeded = 'The provider requires a new login or a consent of the user for this service.'
const refused = 'The provider does not let this user access this service.'

/**
 * Adds `tokenFor` to the callers of a verifier. A known caller has it already, so that requests of
 * known tokens create nothing.
 */
export function withTokenFor (verifier: Verifier, context: ExchangeContext): Verifier {
  const tokenFor = createTokenFor(verifier, context)
  const extended = new WeakMap<McpAuth, McpAuth>()
  function extend (caller: McpAuth, token: string) {
    // A verifier of the host may change its callers, or return one for several tokens.
    if (!Object.isFrozen(caller) || caller.token !== token) {
      return { ...caller, tokenFor: tokenFor(caller, token) }
    }
    const known = extended.get(caller)
    if (known) return known
    const created = Object.freeze({ ...caller, tokenFor: tokenFor(caller, token) })
    extended.set(caller, created)
    return created
  }
  const known = (token: string, context: VerifyContext) => {
    const caller = verifier.known(token, context)
    return caller && extend(caller, token)
  }
  return Object.assign(
    async (token: string, context: VerifyContext) => extend(await verifier(token, context), token),
    { known }
  )
}

function createTokenFor (verify: Verifier, { config, provider, urls, log, own }: ExchangeContext) {
  const apis = config.exchange as NonNullable<Config['exchange']>
  const account = config.provider as ProviderConfig
  const known = new LRUCache<string, { token: string, from: number, until: number }>({
    maxSize: maxExchangedTokens,
    sizeCalculation: () => 1
  })
  const pending = new Map<string, Promise<string>>()
  /** APIs whose failure the log has. */
  const failing = new Set<string>()

  return (caller: McpAuth, token: string) => (name: string): Promise<string> => {
    const api = Object.hasOwn(apis, name) ? apis[name] : undefined
    if (api !== undefined) return obtain(caller, token, name, api)
    throw new TypeError(
      `tokenFor: the option exchange has no ${quoted(name)}. It has: ${
        Object.keys(apis).join(', ')
      }`
    )
  }

  async function obtain (caller: McpAuth, token: string, name: string, api: ExchangeOptions) {
    const now = Date.now() / 1000
    // It may have been revoked, or have expired, since its request arrived.
    await verify(token, { resource: urls().resource, now, dpop: config.dpop !== 'off', log })
    const key = hash(`${name} ${token}`)
    const cached = known.get(key)
    if (cached && now >= cached.from && now < cached.until) return cached.token
    const exchanging = pending.get(key) ?? exchange().finally(() => pending.delete(key))
    pending.set(key, exchanging)
    return await exchanging

    async function exchange () {
      const subjectToken = await subjectTokenOf(caller, token, now)
      try {
        const { token: exchanged, lifetime } = await callProvider(
          () => sendRequest(api, subjectToken),
          kinds
        )
        const end = Math.min(now + lifetime - exchangeMarginSeconds, caller.expiresAt ?? Infinity)
        if (end > now) known.set(key, { token: exchanged, from: now, until: end })
        failing.delete(name)
        return exchanged
      } catch (error) {
        throw errorFor(name, error)
      }
    }
  }

  /** The token of the provider that stands for the caller. */
  async function subjectTokenOf ({ claims = {} }: McpAuth, token: string, now: number) {
    const { iss, upt } = parseCompact(token)?.claims ?? {}
    if (own !== null && iss === own.issuer()) {
      const upstream = typeof upt === 'string' ? await own.openSealed(upt, now) : null
      if (upstream) return upstream.accessToken
    } else {
      // A token of another issuer must not reach the provider.
      const { tokens } = config
      const areOfProvider = typeof tokens !== 'string' &&
        tokens.every(({ issuer }) => issuer === account.issuer)
      const { iss: issuer = areOfProvider ? account.issuer : null } = claims
      if (issuer === account.issuer) return token
    }
    throw new McpOAuthError('accessDenied', {
      description: 'This caller has no token of the authorization provider.',
      cause: new Error('it is a machine, was asserted, or logged in before exchange was set')
    })
  }

  async function sendRequest (api: ExchangeOptions, subjectToken: string) {
    const { issuer, traits } = account
    const { clientId, clientSecret = null } = api.clientId === undefined ? account : api
    const metadata = api.tokenEndpoint === undefined ? await provider.metadata() : undefined
    const endpoint = api.tokenEndpoint ?? metadata?.token_endpoint
    if (endpoint === undefined) {
      throw failure('providerMisbehaved', `${issuer} names no token_endpoint. Give tokenEndpoint`)
    }
    const form = new URLSearchParams(exchangeParameters(api, subjectToken))
    const supported = metadata?.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const usual = ['client_secret_basic', 'client_secret_post']
      .find(name => supported.includes(name))
    const method = (metadata && traits.tokenEndpointAuthMethod) ?? usual
    const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
    const id = String(clientId)
    if (clientSecret === null) form.set('client_id', id)
    else if (method !== 'client_secret_post') {
      headers.authorization = basicCredentials(id, clientSecret)
    } else {
      form.set('client_id', id)
      form.set('client_secret', clientSecret)
    }
    const response = await boundedFetch(endpoint, { method: 'POST', headers, body: String(form) })
    const body = jsonObject(response.text)
    if (response.status === 200 && body?.access_token) return exchangedToken(body)
    const { error, error_description: text } = body ?? {}
    throw Object.assign(new Error('the provider refused a token exchange'), {
      status: response.status,
      body: { error, error_description: text },
      response: responseOf({ ...response, text: '' })
    })
  }

  /** Makes the error for tools and routes, and writes to the log what the operator has to know. */
  function errorFor (name: string, thrown: unknown) {
    const error = thrown instanceof McpOAuthError
      ? thrown
      : new McpOAuthError('internal', { cause: thrown })
    const { kind, cause, retryAfter } = error
    const details = { exchange: name, reason: reasonOf(error) }
    if (error.statusCode < 500) {
      log.info(details, 'The provider refused to exchange the token of a user')
      const { error: answer } = Object(Object(Object(cause).cause).body)
      const description = kind === 'invalidGrant' && !denials.includes(answer)
        ? loginNeeded
        : refused
      return new McpOAuthError('accessDenied', { description, cause })
    }
    if (!failing.has(name)) {
      failing.add(name)
      log.error(
        details,
        'Could not exchange a token for an API. Compare the option exchange with the settings at ' +
          'the provider, and check that it is reachable'
      )
    }
    // Routes of the app send them, as Fastify does.
    return Object.assign(error, retryAfter && { headers: { 'retry-after': String(retryAfter) } })
  }
}
