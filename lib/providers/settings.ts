/** Which settings do all presets have in common, and how are settings checked? */
import {
  checkOptions,
  expect,
  optional,
  setting as text,
  unset,
  type TSchema
} from '../options/fields.ts'
import type { AllOptions } from '../options/schema.ts'
import type { ProviderTraits } from '../types.ts'

export { optional, text }

/** Our account at a provider. A server that only verifies the provider's tokens needs none. */
export interface ClientSettings {
  /** The id of this server at the provider. */
  clientId?: string | undefined
  /** Its secret. */
  clientSecret?: string | undefined
}

/** Settings of a provider that each customer has a host name at. */
export interface DomainSettings extends ClientSettings {
  domain: string
}

/**
 * Options of the plugin, to be spread into the others: `{ ...auth0({ … }), setupProxies: true }`.
 * Options spread after the preset override it.
 */
export interface Preset extends
  Pick<
    AllOptions,
    | 'oauthMetadataUrl'
    | 'authorizeUrl'
    | 'audience'
    | 'defaultScope'
    | 'clientSecret'
    | 'provider'
  > {
  issuer: string
  /** Absent if the settings have none. */
  clientId: string | undefined
}

/** The client id or secret of presets whose provider allows public clients. */
const credentialFields = { clientId: optional(text), clientSecret: optional(text) }

type Fields<Settings> =
  & Record<Exclude<keyof Settings, keyof ClientSettings>, TSchema>
  & Partial<Record<keyof ClientSettings, TSchema>>

/**
 * Checks the settings of a preset. Values are never repeated: a secret may be in the wrong place.
 *
 * @param more problems that span settings, as lines that begin with the setting
 * @throws {McpOAuthError} `invalidOptions` naming every problem
 */
export function checkSettings<Settings extends ClientSettings> (
  preset: string,
  settings: Settings,
  fields: Fields<Settings>,
  more: (settings: Settings) => string[] = () => []
): void {
  checkOptions<Settings>(preset, Object(settings), { ...credentialFields, ...fields } as never, {
    quote: false,
    more: given => [...more(given), ...problemsOfSecret(given)]
  })
}

/** An unset environment variable must not make this server a public client. */
function problemsOfSecret (settings: ClientSettings): string[] {
  const { clientId, clientSecret } = settings
  const isUnset = clientSecret === undefined && Object.hasOwn(settings, 'clientSecret')
  if (clientId === undefined || !isUnset) return []
  return [
    `clientSecret: ${unset} Leave the setting out if the provider knows this server as a public client`
  ]
}

/** A host name, such as `example`: presets build the URLs themselves. */
export function host (example: string, isValid: (value: unknown) => boolean | string = isHost) {
  return expect(
    `a host name such as '${example}', in lower case, without https:// and without a path`,
    isValid
  )
}

/** Whether a value is a host name of several labels, in lower case and without a port. */
export function isHost (value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && value.includes('.') &&
    value.split('.').every(isLabel)
}

/** Whether a value is one label of a host name. */
export function isLabel (value: string): boolean {
  return value.length <= 63 && /^[a-z\d](?:[a-z\d-]*[a-z\d])?$/.test(value)
}

/** A string of a given form. */
export function matching (expected: string, pattern: RegExp) {
  return expect(expected, value => typeof value === 'string' && pattern.test(value))
}

/** A GUID, in lower case. */
export const guid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

/** The issuer, and the settings that are options as well; those not given are left out. */
export function commonOptions (
  issuer: string,
  { clientId, clientSecret, audience }: ClientSettings & Pick<Preset, 'audience'>
) {
  const members = Object.entries({ issuer, clientId, clientSecret, audience })
  return Object.fromEntries(members.filter(([, value]) => value !== undefined)) as never as Preset
}

/**
 * The options of a provider with metadata where OpenID Connect Discovery §4 puts them. Naming their
 * URL spares the provider our search for it.
 */
export function openIdOptions (
  issuer: string,
  settings: ClientSettings,
  provider?: ProviderTraits
): Preset {
  const oauthMetadataUrl = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  return {
    ...commonOptions(issuer, settings),
    oauthMetadataUrl,
    ...(provider && { provider: { ...provider } })
  }
}

/**
 * Checks the settings of a provider whose issuer is a host, or a path of it, and returns its
 * options.
 *
 * @param example a host name, for error messages
 * @throws {McpOAuthError} `invalidOptions` naming every problem
 */
export function domainOptions (
  preset: string,
  settings: DomainSettings,
  example: string,
  path: string,
  provider?: ProviderTraits
): Preset {
  checkSettings(preset, settings, { domain: host(example) })
  return openIdOptions(`https://${settings.domain}${path}`, settings, provider)
}

/** Claims of a user from a profile, without members that a user left out. */
export function claimsOf (sub: string, profile: Readonly<Record<string, unknown>>) {
  const given = Object.entries(profile).filter(([, value]) => /string|boolean/.test(typeof value))
  return { sub, ...Object.fromEntries(given) }
}

/** Providers that issue refresh tokens for a scope without a consent. */
export const offline: ProviderTraits = { refreshScopes: ['offline_access'], offlineConsent: false }

/** Providers of that kind that take client secrets in the body. */
export const offlineByPost: ProviderTraits = {
  ...offline,
  tokenEndpointAuthMethod: 'client_secret_post'
}
