import { randomBytes } from 'node:crypto'
import type { Identification, Json } from '../client.ts'
import type { KnownFacts } from './commonest.ts'
import type { Discovered } from './discovery.ts'
import { objectOf, type Received, type Requester } from './http.ts'

/** How the client is known to the authorization server. */
export interface Credentials {
  way: Identification
  id: string
  secret?: string
  /** As registered. */
  method?: string
}

/** A client id that somebody registered by hand, and scopes that the user entered. */
export interface Configuration {
  client?: { id: string, secret?: string }
  scope?: string
}

/** Fills the placeholders of texts in JSON; members without a value are left out. */
function fill (value: Json, values: Record<string, string | undefined>): Json | undefined {
  if (typeof value === 'string') {
    const [, only] = /^\{(\w+)\}$/.exec(value) ?? []
    if (only !== undefined && only in values) return values[only]
    return value.replace(/\{(\w+)\}/g, (text, name) => values[name] ?? text)
  }
  if (Array.isArray(value)) return value.map(entry => fill(entry, values) ?? null)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, entry]) => {
      const filled = fill(entry, values)
      return filled === undefined ? [] : [[name, filled]]
    })
  )
}

/** Returns the redirect URI of each login: a client that listens on free ports takes another. */
export function redirectUrisOf ({ redirectUris, ports }: KnownFacts): () => string {
  const uri = redirectUris[0]?.replace('{random}', randomBytes(16).toString('hex')) ?? ''
  return () => {
    const port = Array.isArray(ports)
      ? ports[0] as number
      : 49152 + randomBytes(2).readUInt16BE() % 16383
    return uri.replaceAll('{port}', String(port))
  }
}

/**
 * Obtains a client id in the first way that client and server share.
 *
 * @throws {Error} if there is none, or the server refuses the registration
 */
export async function identify (
  facts: KnownFacts,
  { server }: Discovered,
  { redirectUri, scope, configuration = {} }: {
    redirectUri: string
    scope: string | undefined
    configuration?: Configuration
  },
  http: Requester
): Promise<Credentials> {
  for (const way of facts.identification) {
    if (way === 'configured' && configuration.client) return { way, ...configuration.client }
    const url = facts.document?.url
    if (
      way === 'document' && url !== undefined && url !== 'unknown' &&
      server['client_id_metadata_document_supported'] === true
    ) return { way, id: url, method: 'none' }
    if (way === 'registration' && facts.registration && server['registration_endpoint']) {
      const body = fill(facts.registration, {
        redirectUri,
        scope,
        port: new URL(redirectUri).port
      })
      const response = await http.send(server['registration_endpoint'], {
        method: 'POST',
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        body: JSON.stringify(body)
      })
      return { way, ...registeredClient(response, redirectUri) }
    }
  }
  throw new Error('The server offers none of the ways in which the client can identify itself')
}

function registeredClient (
  { status, text }: Received,
  redirectUri: string
): Omit<Credentials, 'way'> {
  const answer = objectOf(text)
  const id = answer?.['client_id']
  if (![200, 201].includes(status) || typeof id !== 'string') {
    throw new Error(`The registration was answered with ${status} ${text.slice(0, 200)}`)
  }
  const { redirect_uris: uris, client_secret: secret, token_endpoint_auth_method: method } =
    answer ?? {}
  const base = (uri: string) =>
    uri.replace(/^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])):\d+/, '$1')
  if (Array.isArray(uris) && !uris.map(base).includes(base(redirectUri))) {
    throw new Error(`The registration answered without the redirect URI ${redirectUri}`)
  }
  if (String(method).startsWith('client_secret') && !secret) {
    throw new Error(`The registration answered ${method} without a client_secret`)
  }
  return { id, ...secret && { secret }, ...method && { method } }
}
