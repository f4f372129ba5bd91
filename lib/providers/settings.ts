import { startupError } from '../errors.ts'
import type { McpOAuthOptions } from '../options/schema.ts'

/** Our registration at a provider. A server that only checks the provider's tokens has none. */
export interface ClientSettings {
  /** The id of this server at the provider. */
  clientId?: string | undefined
  /** Its secret. */
  clientSecret?: string | undefined
}

/**
 * Options of the plugin, to be spread into the others: `{ ...auth0({ … }), setupProxies: true }`.
 * What comes after the preset wins over it.
 */
export type Preset =
  & { issuer: string }
  & Pick<
    McpOAuthOptions,
    | 'oauthMetadataUrl'
    | 'authorizeUrl'
    | 'audience'
    | 'defaultScope'
    | 'clientId'
    | 'clientSecret'
    | 'provider'
  >

/** Says what is wrong with a setting, as an end of a sentence, or `null` if nothing is. */
export type Rule = (value: unknown) => string | null

type Rules<Settings> =
  & { [Name in Exclude<keyof Settings, keyof ClientSettings>]-?: Rule }
  & { [Name in keyof ClientSettings]?: Rule }

const unsetSecret =
  'undefined is given. Is the environment variable set? Leave the setting out if the provider knows this server as a public client'

const label = /^[a-z\d](?:[a-z\d-]*[a-z\d])?$/

/**
 * Checks the settings of a preset. Values are never repeated: one of them is a secret, and it may
 * have landed in the wrong place.
 *
 * @throws McpOAuthError `invalidOptions` naming every bad setting
 */
export function checkSettings<Settings extends ClientSettings> (
  preset: string,
  settings: Settings,
  rules: Rules<Settings>
): void {
  const given = new Map(Object.entries(Object(settings)))
  const known = new Map<string, Rule>(
    Object.entries({ clientId: optional(text), clientSecret: optional(text), ...rules })
  )
  const problems = [...known].flatMap(([name, rule]) => {
    const problem = rule(given.get(name)) ??
      (name === 'clientSecret' && isUnset(given) ? unsetSecret : null)
    return problem === null ? [] : [`${preset}.${name}: ${problem}`]
  })
  for (const name of given.keys()) {
    if (!known.has(name)) {
      problems.push(
        `${preset}.${name}: there is no such setting. There are ${[...known.keys()].join(', ')}`
      )
    }
  }
  if (problems.length > 0) throw startupError('invalidOptions', ...problems)
}

/** Whether we would be a public client for want of an environment variable. */
function isUnset (given: ReadonlyMap<string, unknown>): boolean {
  return given.get('clientId') !== undefined && given.has('clientSecret') &&
    given.get('clientSecret') === undefined
}

/** A setting that may be left out. */
export function optional (rule: Rule): Rule {
  return (value) => value === undefined ? null : rule(value)
}

/** Any text. */
export function text (value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== ''
    ? null
    : 'must be a text that is not empty'
}

/** A host name, such as the one in `example`: presets build the URLs themselves. */
export function host (example: string): Rule {
  return (value) => {
    if (
      typeof value === 'string' && value.includes('://')
    ) { return `must be a host name such as '${example}', without https:// and without a path` }
    return isHost(value) ? null : `must be a host name such as '${example}', in lower case`
  }
}

/** Whether a value is a host name of several labels, in lower case and without a port. */
export function isHost (value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && value.includes('.') &&
    value.split('.').every(isLabel)
}

/** Whether a value is one label of a host name. */
export function isLabel (value: string): boolean {
  return value.length <= 63 && label.test(value)
}

/** The options that are our registration; those not given are left out. */
export function credentials (
  { clientId, clientSecret }: ClientSettings
): Pick<Preset, 'clientId' | 'clientSecret'> {
  return {
    ...(clientId !== undefined && { clientId }),
    ...(clientSecret !== undefined && { clientSecret })
  }
}

/**
 * Where OpenID Connect Discovery §4 puts the metadata of an issuer. Naming it spares the provider
 * our search for it.
 */
export function openidMetadata (issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}
