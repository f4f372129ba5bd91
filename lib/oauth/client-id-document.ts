import type { GrantType } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import type { RedirectPolicy } from './redirect-uri.ts'
import { parseClientMetadata } from './client-metadata.ts'
import { maxUrlLength } from './url.ts'

/** What is kept of a client metadata document. */
export interface ClientDocument {
  readonly redirectUris: readonly string[]
  /** As the client calls itself; nobody has verified it. */
  readonly name: string
  readonly grantTypes: readonly GrantType[]
}

/** Endings of names that mean something else in every network. */
const localNames = /(?:^|\.)(?:localhost|localdomain|local|internal|intranet|lan|home\.arpa|onion)$/

/**
 * Says what is wrong with a URL as a client id (OAuth Client ID Metadata Document, §3), as an end
 * of a sentence, or `null` if nothing is. Stricter than the draft where a URL is to be fetched that
 * a stranger has named: a public host name, no port, and in normal form, so that what is compared
 * is what is fetched. A query is allowed.
 */
export function clientIdUrlProblem (url: unknown): string | null {
  if (typeof url !== 'string' || !url.startsWith('https://')) return 'must be an https URL'
  if (url.length > maxUrlLength) return `must have at most ${maxUrlLength} characters`
  if (
    !/^[\x21-\x7e]+$/.test(url) || /["'<>\\^`{|}]|%(?![\da-f]{2})|%[01][\da-f]|%7f/i.test(url)
  ) { return 'has characters that are not allowed' }
  if (url.includes('#')) return 'must not have a fragment'
  if (!URL.canParse(url)) return 'must be an https URL'
  const { href, username, password, hostname, port, pathname } = new URL(url)
  if (username !== '' || password !== '') return 'must not have user info'
  // Also finds empty user info, dot segments, default ports, capital letters and other spellings of
  // addresses.
  if (href !== url) return 'must be in normal form'
  if (port !== '') return 'must not have a port'
  if (pathname === '/') return 'must have a path'
  if (
    !/^(?:[a-z\d_-]+\.)+[a-z][a-z\d-]*$/.test(hostname) || localNames.test(hostname)
  ) { return 'must have a public host name' }
  return null
}

/**
 * Reads a client metadata document (OAuth Client ID Metadata Document, §4). `clientId` is the URL
 * it came from, and what its `client_id` must be byte for byte. Redirect URIs and the members
 * shared with registration obey the rules of {@link parseClientMetadata}.
 *
 * Clients have no secrets here. One that is able to use `private_key_jwt` is taken as a public
 * client.
 *
 * @throws {McpOAuthError} `invalidClient`, with the reason as its cause
 */
export function parseClientDocument (
  text: string,
  clientId: string,
  { redirectPolicy }: { redirectPolicy: RedirectPolicy }
): ClientDocument {
  try {
    const document: unknown = JSON.parse(text)
    if (
      typeof document !== 'object' || document === null || Array.isArray(document)
    ) { throw new Error('the document is not an object') }
    const members = document as Readonly<Record<string, unknown>>
    if (!Object.hasOwn(members, 'client_id') || members['client_id'] !== clientId) {
      throw new Error('the document is for another client')
    }
    if (Object.keys(members).some(name => name.startsWith('client_secret'))) {
      throw new Error('the document has a secret')
    }
    const method = Object.hasOwn(members, 'token_endpoint_auth_method')
      ? members['token_endpoint_auth_method'] ?? 'none'
      : 'none'
    if (method !== 'none' && method !== 'private_key_jwt') {
      throw new Error('the document names an authentication method that is not supported')
    }
    const { redirect_uris: redirectUris, client_name: name, grant_types: grantTypes } =
      parseClientMetadata({ ...members, token_endpoint_auth_method: 'none' }, { redirectPolicy })
    if (name === undefined) throw new Error('the document has no name')
    return { redirectUris, name, grantTypes }
  } catch (error) {
    // A parser's message quotes what it read.
    throw new McpOAuthError('invalidClient', {
      cause: error instanceof SyntaxError ? new Error('the document is not JSON') : error
    })
  }
}
