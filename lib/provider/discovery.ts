import { McpOAuthError } from '../errors.ts'
import type { Log, ProviderTraits } from '../types.ts'
import { cached } from '../http/cached.ts'
import { fetchJson } from '../http/fetch.ts'
import { parseProviderMetadata, type ProviderMetadata } from '../oauth/provider-metadata.ts'
import { authorizationServerUrls } from '../oauth/well-known.ts'

/** Where a provider is and how it is told about. */
export interface ProviderDiscoveryOptions {
  /** The issuer, byte for byte as in its tokens and metadata. */
  issuer: string
  /**
   * URL of the metadata. Defaults to discovery from the issuer: RFC 8414 inserted, OpenID Connect
   * inserted, OpenID Connect appended.
   */
  metadataUrl?: string | undefined
  /** Used instead of the authorization endpoint the metadata name. */
  authorizeUrl?: string | undefined
  /** Has the metadata of providers that publish none. */
  traits?: ProviderTraits | undefined
  log?: Log | undefined
  /**
   * Warn when the provider announces `iss` in its authorization responses (RFC 9207): clients of a
   * proxy in front of it will refuse them.
   */
  warnIss?: boolean | undefined
  /** A clock in seconds, for `cached`. */
  now?: (() => number) | undefined
}

/** The user's OAuth or OpenID Connect server. */
export interface ProviderDiscovery {
  readonly issuer: string
  /**
   * Its metadata: asked for when first needed, fresh for ten minutes, and kept for a day while the
   * provider fails.
   *
   * @throws {McpOAuthError} `providerUnavailable`, `providerMisbehaved`, `providerTimeout`
   */
  metadata(): Promise<ProviderMetadata>
  /**
   * The URL of its signing keys.
   *
   * @throws {McpOAuthError} those of `metadata`; `providerMisbehaved` when it names none
   */
  keysUri(): Promise<string>
}

/** Milliseconds for one discovery, however many URLs it tries. */
const timeLimit = 5_000

/** Stands for a provider. Asks for nothing until it is asked. */
export function createProviderDiscovery (options: ProviderDiscoveryOptions): ProviderDiscovery {
  const { issuer, metadataUrl, authorizeUrl, traits, log, warnIss = false, now } = options
  const expected = { issuer, ...(authorizeUrl !== undefined && { authorizeUrl }) }
  const urls = metadataUrl === undefined ? authorizationServerUrls(issuer) : [metadataUrl]
  const host = new URL(urls[0] ?? issuer).host
  let warned = !warnIss
  let known: ProviderMetadata | undefined

  const metadata = cached({ load, freshFor: 600, staleFor: 86_400, ...(now && { now }) })

  async function load (): Promise<ProviderMetadata> {
    try {
      const found = await discover()
      refuseMove(known, found)
      // An endpoint that was left out for a while is remembered.
      known = { ...known, ...found }
      if (!warned && found.authorization_response_iss_parameter_supported) {
        warned = true
        log?.warn(
          { host },
          'The authorization provider puts its own iss into authorization responses; ' +
            'clients that check it will refuse a proxied login'
        )
      }
      return found
    } catch (err) {
      log?.warn({ host, err }, 'The metadata of the authorization provider could not be loaded')
      throw err
    }
  }

  // A server that has nothing at one address may answer there with anything, such as a redirect to
  // a login page or a page of its website. Only a server in trouble is not asked further. A
  // document that was refused says more than an address with nothing.
  async function discover (): Promise<ProviderMetadata> {
    if (traits?.metadata) return parseProviderMetadata({ issuer, ...traits.metadata }, expected)
    const deadline = performance.now() + timeLimit
    let nothing: unknown
    let refusal: unknown
    for (const url of urls) {
      const document = await fetchJson(url, { timeout: Math.max(1, deadline - performance.now()) })
        .catch((error: McpOAuthError) => {
          if (error.kind !== 'providerMisbehaved') throw error
          nothing ??= error
          return null
        })
      if (document === null) continue
      try {
        return parseProviderMetadata(document, expected)
      } catch (error) {
        refusal ??= error
      }
    }
    throw refusal ?? nothing
  }

  async function keysUri (): Promise<string> {
    const { jwks_uri: uri } = await metadata.get()
    if (uri === undefined) {
      throw new McpOAuthError('providerMisbehaved', {
        cause: new Error('the metadata of the provider name no jwks_uri')
      })
    }
    return uri
  }

  return { issuer, metadata: metadata.get, keysUri }
}

/**
 * Credentials go to these endpoints: while the process lives, a changed document does not send them
 * to another origin.
 */
function refuseMove (known: ProviderMetadata | undefined, found: ProviderMetadata): void {
  for (
    const name of [
      'authorization_endpoint',
      'token_endpoint',
      'jwks_uri',
      'introspection_endpoint',
      'revocation_endpoint',
      'userinfo_endpoint'
    ] as const
  ) {
    const before = known?.[name]
    const after = found[name]
    if (
      before !== undefined && after !== undefined &&
      new URL(before).origin !== new URL(after).origin
    ) {
      throw new McpOAuthError('providerUnavailable', {
        cause: new Error(`${name} has moved to another origin; restart to accept it`)
      })
    }
  }
}
