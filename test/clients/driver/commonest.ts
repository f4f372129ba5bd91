import { unknown, type ClientFacts, type Fact } from '../client.ts'
import { resourceUrls, serverUrls } from '../urls.ts'

// Which way does the driver take where a fact is unknown? The commonest one of the known clients.

type Guessable = Exclude<
  keyof ClientFacts,
  'name' | 'version' | 'sources' | 'quirks' | 'cannot'
>

export type KnownFacts = {
  [Name in Guessable]-?: Exclude<ClientFacts[Name], typeof unknown | undefined>
}

const commonest: KnownFacts = {
  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26'],
  beginsWith: 'POST',
  oldTransport: [],
  opensStream: false,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp.origin}',
  serverMetadata: serverUrls,
  withoutServerMetadata: 'stop',
  discoveryHeaders: { accept: 'application/json' },
  identification: ['configured', 'document', 'registration'],
  document: null,
  registration: {
    client_name: 'MCP client',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none'
  },
  redirectUris: ['http://127.0.0.1:{port}/callback'],
  ports: 'ephemeral',
  scope: ['challenge', 'resource metadata'],
  addedScopes: [],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},
  tokenAuthentication: ['none', 'client_secret_post', 'client_secret_basic'],
  refresh: { secondsBefore: null, scope: null },
  on401: ['refresh', 'log in'],
  on403: ['log in'],
  stepUpScope: 'challenge and granted',
  on404: ['initialize'],
  on5xx: ['stop'],
  signOut: ['forget']
}

/** The facts of a client without gaps, and the names of those that were assumed. */
export function completeFacts (facts: ClientFacts): { known: KnownFacts, assumed: string[] } {
  const assumed: string[] = []
  const complete = <T extends object | string | boolean | null>(
    value: Fact<T>,
    fallback: T,
    name: string
  ): T => {
    if (value === unknown) {
      assumed.push(name)
      return fallback
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value as T
    const inner = Object.entries(value).map(([member, entry]) => [
      member,
      entry === unknown
        ? complete(entry, Object(fallback)[member] as string, `${name}.${member}`)
        : entry
    ])
    return Object.fromEntries(inner)
  }
  const known = Object.entries(commonest).map(([name, fallback]) => [
    name,
    name in facts
      ? complete(facts[name as Guessable] as Fact<object>, fallback as object, name)
      : fallback
  ])
  return { known: Object.fromEntries(known), assumed }
}

/**
 * The metadata document of a client, for tests that publish it: members that are unknown as in the
 * commonest registration.
 */
export function documentOf ({ document }: ClientFacts): { url: URL, text: string } | undefined {
  if (document === unknown || document === null) return undefined
  const { url, body } = document
  if (url === unknown || body === unknown) return undefined
  const common = commonest.registration ?? {}
  const known = Object.entries(body).map(([name, value]) => [
    name,
    value === unknown ? common[name] : value
  ])
  return { url: new URL(url), text: JSON.stringify(Object.fromEntries(known)) }
}
