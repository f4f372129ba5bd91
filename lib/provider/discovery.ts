/** Which endpoints does the identity provider have? */
import { failure, type McpOAuthError } from '../errors.ts'
import { cached } from '../http/cached.ts'
import type { Condition } from '../http/condition.ts'
import { fetchJson } from '../http/fetch.ts'
import { discoveryTimeoutMs, metadataFreshSeconds, metadataStaleSeconds } from '../limits.ts'
import {
  loginEndpoints,
  parseProviderMetadata,
  providerEndpoints,
  type ExpectedMetadata,
  type ProviderMetadata
} from '../oauth/provider-metadata.ts'
import { authorizationServerUrls } from '../oauth/well-known.ts'
import type { Log, ProviderTraits } from '../types.ts'

/** Where the metadata of a provider come from. */
export interface ProviderDiscoveryOptions extends Omit<ExpectedMetadata, 'ignored'> {
  /**
   * URL of the metadata. Defaults to discovery from the issuer: RFC 8414 inserted, OpenID Connect
   * inserted, OpenID Connect appended.
   */
  metadataUrl?: string | null | undefined
  /** Contain the metadata of providers that publish none. */
  traits?: ProviderTraits | undefined
  log?: Log | undefined
  /** Notes failures, in place of the log. */
  condition?: Condition | undefined
  /**
   * Whether to warn if authorization responses of the provider have `iss` (RFC 9207): clients of a
   * thin proxy reject them. Defaults to `false`.
   */
  warnIss?: boolean | undefined
  /** A clock in seconds. */
  now?: (() => number) | undefined
}

/** The metadata of one provider. */
export type ProviderDiscovery = ReturnType<typeof createProviderDiscovery>

/** Creates a discovery. The first request is sent when the metadata are needed. */
export function createProviderDiscovery (
  {
    issuer,
    metadataUrl,
    authorizeUrl,
    traits,
    required = loginEndpoints,
    log,
    condition,
    warnIss = false,
    now
  }: ProviderDiscoveryOptions
) {
  const expected = { issuer, authorizeUrl, required, ignored }
  const urls = metadataUrl ? [metadataUrl] : authorizationServerUrls(issuer)
  const host = new URL(urls[0] ?? issuer).host
  let shouldWarn = warnIss
  let known: ProviderMetadata | undefined

  const { get: metadata } = cached({
    load: () => condition ? condition.watch(load) : load().catch(report),
    freshFor: metadataFreshSeconds,
    staleFor: metadataStaleSeconds,
    now
  })

  let reported = ''

  /** Logs the members that are not used, unless they are those of the last document. */
  function ignored (problems: string[]) {
    const members = problems.join(', ')
    if (members !== reported) {
      log?.warn({ host, members }, 'The metadata of the identity provider have invalid members')
    }
    reported = members
  }

  function report (err: unknown): never {
    log?.warn(
      { host, err },
      'Could not load the metadata of the identity provider. Check issuer, and the way to it'
    )
    throw err
  }

  async function load () {
    const loaded = await discover()
    // Endpoints receive credentials: a changed document must not redirect these.
    for (const name of providerEndpoints) {
      const [before, after] = [known?.[name], loaded[name]]
      if (before && after && new URL(before).origin !== new URL(after).origin) {
        const reason = `${name} has moved to another origin; restart the app to accept it`
        throw failure('providerMisbehaved', reason)
      }
      if (before && !after && required.includes(name)) {
        throw failure('providerMisbehaved', `${name} is missing`)
      }
    }
    // An endpoint that was left out for a while is compared with its last URL.
    known = { ...known, ...loaded }
    if (shouldWarn && loaded.authorization_response_iss_parameter_supported) {
      shouldWarn = false
      log?.warn(
        { host },
        'The identity provider adds its own iss to authorization responses: ' +
          'clients that verify it reject logins through a thin proxy'
      )
    }
    return loaded
  }

  /**
   * Tries the URLs in order. A server may respond with anything where it has no metadata, such as a
   * login page, but an unavailable one is not tried further. An invalid document explains more than
   * a missing one, so its error is thrown.
   */
  async function discover () {
    if (traits?.metadata) return parseProviderMetadata({ issuer, ...traits.metadata }, expected)
    const endsAt = performance.now() + discoveryTimeoutMs
    const missing: string[] = []
    let invalid: unknown
    for (const url of urls) {
      const timeout = Math.max(1, Math.ceil(endsAt - performance.now()))
      const document = await fetchJson(url, { timeout }).catch((error: McpOAuthError) => {
        if (error.kind !== 'providerMisbehaved') throw error
        missing.push(`${url}: ${(error.cause as Error).message}`)
      })
      if (!document) continue
      try {
        return parseProviderMetadata(document, expected)
      } catch (error) {
        invalid ??= error
      }
    }
    throw invalid ?? failure('providerMisbehaved', missing.join('; '))
  }

  return {
    /**
     * Returns the metadata. They are cached for ten minutes, and for a day while the provider
     * fails.
     *
     * @throws {McpOAuthError} `providerUnavailable`, `providerMisbehaved`, `providerTimeout`
     */
    metadata
  }
}
