/** Which options do tokens for other APIs have, and which of them contradict each other? */
import { Type } from '../schemas/type.ts'
import { unset } from './check.ts'
import { closed, fromEnv, list, oneOf, optional, scope, setting, text, url } from './fields.ts'

export const ExchangeSchema = Type.Object({
  /** How tokens are exchanged: RFC 8693 (`'token-exchange'`, the default), or as Entra does. */
  grant: optional(oneOf('token-exchange', 'on-behalf-of')),
  /** Token endpoint. Default: that of the provider. Another one requires `clientId`. */
  tokenEndpoint: optional(url()),
  /** The API, as the token endpoint names it (`audience`). Not with `'on-behalf-of'`. */
  audience: optional(text),
  /** URI of the API (`resource`). Not with `'on-behalf-of'`. */
  resource: optional(text),
  /** Scopes of the token. Required with `'on-behalf-of'`. */
  scopes: optional(list(scope)),
  /** Our client id at the token endpoint. Default: `clientId` and `clientSecret` of the plugin. */
  clientId: fromEnv(setting),
  /** Its secret. It is sent to this token endpoint and nowhere else. */
  clientSecret: fromEnv(setting)
}, closed)

/** An API, and how its tokens are obtained. */
export interface ExchangeOptions {
  readonly grant?: 'token-exchange' | 'on-behalf-of' | undefined
  readonly tokenEndpoint?: string | undefined
  readonly audience?: string | undefined
  readonly resource?: string | undefined
  readonly scopes?: readonly string[] | undefined
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
}

/** The options on which that of an API depends. */
interface Options {
  issuer?: unknown
  clientId?: unknown
  clientSecret?: unknown
  setupProxies?: unknown
  dependencies?: unknown
  tokens?: unknown
  auth?: unknown
  exchange?: Readonly<Record<string, ExchangeOptions>> | undefined
}

/** Whether access tokens are verified, and not dependencies alone decide. */
export function verifiesTokens (
  { auth, dependencies, issuer, setupProxies, tokens = 'auto' }: Options
) {
  if (auth === false) return false
  if (tokens !== 'auto') return tokens !== false
  return setupProxies || (issuer !== undefined && !dependencies)
}

type Rule = readonly [isBroken: unknown, line: string]

export function exchangeRules (options: Options): Rule[] {
  const { exchange, issuer } = options
  if (exchange === undefined) return []
  const apis = Object.entries(exchange)
  return [
    [apis.length === 0, 'exchange: names no API. Give one, such as { calendar: { audience } }'],
    [
      issuer === undefined || !verifiesTokens(options),
      'exchange: callers have no token of a provider here. Give issuer, and let it or tokens ' +
      'verify access tokens, or remove exchange'
    ],
    ...apis.flatMap(([name, api]) => rulesOfApi(`exchange.${name}`, api, options))
  ]
}

function rulesOfApi (name: string, api: ExchangeOptions, options: Options): Rule[] {
  const { grant, tokenEndpoint, audience, resource, scopes, clientId } = api
  const { clientSecret } = clientId === undefined ? options : api
  const isOnBehalfOf = grant === 'on-behalf-of'
  return [
    ...(['clientId', 'clientSecret'] as const).map((member): Rule => [
      member in api && api[member] === undefined,
      `${name}.${member}: ${unset} Leave it out if it is not needed`
    ]),
    [
      clientId === undefined && (tokenEndpoint ?? options.clientId === undefined),
      tokenEndpoint
        ? `${name}.clientId: missing, required with tokenEndpoint, which never gets the ` +
          'credentials at the provider. Give the client id that this server has there'
        : `${name}.clientId: missing, as the option clientId is. Give one of the two`
    ],
    [
      clientId === undefined && api.clientSecret !== undefined,
      `${name}.clientSecret: has no effect without clientId beside it. Add that, or remove it`
    ],
    [
      isOnBehalfOf && clientSecret === undefined,
      `${name}.clientSecret: missing, required with on-behalf-of. Give the secret of this server`
    ],
    [
      isOnBehalfOf && !scopes,
      `${name}.scopes: missing, required with on-behalf-of. ` +
      "Give those of the API, such as 'api://calendar/.default'"
    ],
    ...Object.entries({ audience, resource }).map(([member, value]): Rule => [
      isOnBehalfOf && value !== undefined,
      `${name}.${member}: has no effect with on-behalf-of, where scopes name the API. Remove it`
    ]),
    [
      !isOnBehalfOf && !audience && !resource && !scopes,
      `${name}: names no API. Give audience, resource or scopes`
    ]
  ]
}
