import type { KnownFacts } from './commonest.ts'
import { challengeOf, objectOf, type Requester } from './http.ts'

/** What a client knows of a server before it registers. */
export interface Discovered {
  issuer: string
  /** Metadata of the authorization server, or default endpoints. */
  server: Record<string, any>
  resource: Record<string, any> | undefined
  challenge: Record<string, string>
}

/** Fills the placeholders of a URL. Returns null if it has one without a value. */
export function fillUrl (
  template: string,
  values: { mcp: string, issuer?: string, challenge?: string | undefined }
): string | null {
  let isComplete = true
  const url = template.replace(
    /\{(mcp|issuer|challenge)(?:\.(origin|path))?\}/g,
    (_, name, part) => {
      const value = values[name as keyof typeof values]
      if (value === undefined) {
        isComplete = false
        return ''
      }
      if (part === undefined) return value
      const { origin, pathname } = new URL(value)
      return part === 'origin' ? origin : pathname.replace(/\/$/, '')
    }
  )
  return isComplete ? url : null
}

/**
 * Finds the authorization server of an MCP URL, at the places and in the order of the client.
 *
 * @param challenge that of a request which was refused
 * @throws {Error} with the place at which the client stops
 */
export async function discover (
  facts: KnownFacts,
  mcp: string,
  challenge: Record<string, string>,
  http: Requester
): Promise<Discovered> {
  const values = { mcp, challenge: challenge['resource_metadata'] }
  const found = await firstDocument(facts.resourceMetadata, values, facts, http)
  const resource = found && Array.isArray(found['authorization_servers']) ? found : undefined
  const issuer = resource?.['authorization_servers'][0] as string | undefined ??
    (facts.issuerWithoutResourceMetadata &&
      fillUrl(facts.issuerWithoutResourceMetadata, { mcp }))
  if (issuer === null) throw new Error('There is no protected resource metadata')
  const server = await firstDocument(facts.serverMetadata, { mcp, issuer }, facts, http)
  if (server) return { issuer, server: checked(server, issuer), resource, challenge }
  if (facts.withoutServerMetadata === 'stop') {
    throw new Error(`There is no authorization server metadata of ${issuer}`)
  }
  const endpoint = (path: string) => new URL(path, issuer).href
  return {
    issuer,
    resource,
    challenge,
    server: {
      authorization_endpoint: endpoint('/authorize'),
      token_endpoint: endpoint('/token'),
      registration_endpoint: endpoint('/register')
    }
  }
}

/** RFC 8414 §3.3. */
function checked (server: Record<string, any>, issuer: string): Record<string, any> {
  const named = String(server['issuer'])
  if (named.replace(/\/$/, '') !== issuer.replace(/\/$/, '')) {
    throw new Error(`The metadata of ${issuer} names the issuer ${named}`)
  }
  for (const member of ['authorization_endpoint', 'token_endpoint']) {
    if (typeof server[member] !== 'string') throw new Error(`The metadata has no ${member}`)
  }
  return server
}

async function firstDocument (
  templates: readonly string[],
  values: Parameters<typeof fillUrl>[1],
  { discoveryHeaders: headers }: KnownFacts,
  http: Requester
): Promise<Record<string, any> | undefined> {
  const urls = templates.flatMap(template => fillUrl(template, values) ?? [])
  for (const url of new Set(urls)) {
    const { status, text } = await http.send(url, { headers })
    const document = status === 200 ? objectOf(text) : undefined
    if (document) return document
  }
  return undefined
}

/** The challenge of a request without a token, if the client begins with one. */
export async function firstChallenge (
  { beginsWith, discoveryHeaders }: KnownFacts,
  mcp: string,
  http: Requester,
  post: () => Promise<{ status: number, headers: Headers }>
): Promise<Record<string, string>> {
  if (beginsWith === 'metadata') return {}
  const { status, headers } = beginsWith === 'POST'
    ? await post()
    : await http.send(mcp, { method: beginsWith, headers: discoveryHeaders })
  // Without a 401, e.g. because the method is not allowed, there is no challenge.
  return status === 401 ? challengeOf(headers) : {}
}
