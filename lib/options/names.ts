/** Which option is meant by an unknown name? */
import { ClientSchema, LifetimesSchema, RateLimitsSchema, RefreshSchema } from './broker.ts'
import { CardSchema } from './card.ts'
import { suggestion } from './check.ts'
import { TrustedIssuerSchema, WorkloadSchema } from './enterprise.ts'
import { ExchangeSchema } from './exchange.ts'
import { McpOptionsSchema, ToolOptionsSchema } from './mcp.ts'
import { OptionsSchema } from './schema.ts'

/** Names of all options; those of `mcp`, `clients` and the like with a dot. */
export const optionNames = Object.entries({
  '': OptionsSchema,
  'mcp.': McpOptionsSchema,
  'mcp.tools.': ToolOptionsSchema,
  'mcp.card.': CardSchema,
  'clients.': ClientSchema,
  'lifetimes.': LifetimesSchema,
  'rateLimits.': RateLimitsSchema,
  'refresh.': RefreshSchema,
  'trustedIssuers.': TrustedIssuerSchema,
  'workloads.': WorkloadSchema,
  'exchange.': ExchangeSchema
}).flatMap(([owner, { properties }]) => Object.keys(properties).map(name => owner + name))

/** Names that other packages use, without their case, and what is meant. */
const foreign: ReadonlyArray<readonly [names: RegExp, meant: string]> = [
  [/^clients\.\d+\..*secret/, 'Give the hash of the secret, as secretHashes'],
  [
    /^consent\.[^.]+$/,
    'Use name, logoText, logo, accentColor, scopes, messages, tools, render or renderError'
  ],
  [/\./, ''],
  [
    /^(?:algorithms|cachefor|clocktolerance|jwksur[il]|maxtokenlifetime|metadataurl|requiresubject)$/,
    'It belongs to a verifier: tokens: jwtVerifier({ … })'
  ],
  [/^(?:domain|tenant(?:id)?|realm|region)$/, 'It belongs to a preset: ...auth0({ domain })'],
  [/^(?:callback|redirect)ur[il]s?$/, 'Set publicUrl: its path is /oauth/callback'],
  [/^scope$/, 'Did you mean defaultScope, for the provider, or scopes, of this server?'],
  [/^(?:(?:base|server|app|resource(?:server)?)?ur[il]|resource)$/, 'publicUrl'],
  [/^(?:cookie|session|jwt|signing|encryption)(?:secret|key)$/, 'secret'],
  [/^authorization(?:url|endpoint)$/, 'authorizeUrl'],
  [/^(?:token(?:url|endpoint)|discoveryurl|wellknown(?:url)?)$/, 'oauthMetadataUrl'],
  [/^(?:cors|origins?)$/, 'allowedOrigins'],
  [/^(?:redis|storage)$/, 'store'],
  [/^verify(?:access)?(?:token)?$/, 'tokens'],
  [/^(?:ttl|expiresin|accesstokenttl)$/, 'lifetimes.access']
]

/** The advice on a name that is not an option. */
export function advise (name: string) {
  const written = name.replaceAll('_', '').toLowerCase()
  const [, meant = ''] = foreign.find(([names]) => names.test(written)) ?? []
  if (meant.includes(' ')) return meant
  return meant
    ? `Did you mean ${meant}?`
    : suggestion(name, optionNames, 'See docs/options.md for those there are')
}
