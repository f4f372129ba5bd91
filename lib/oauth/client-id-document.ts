/** Is a URL a client id, and is the metadata document behind it valid? */

import { McpOAuthError } from '../errors.ts'
import { maxUrlChars } from '../limits.ts'
import { parseJsonObject } from '../util/json.ts'
import type { RedirectPolicy } from './redirect-uri.ts'
import { parseClientMetadata } from './client-metadata.ts'

/** Endings of names that are local to a network. */
const localNames = /(?:^|\.)(?:localhost|localdomain|local|internal|intranet|lan|home\.arpa|onion)$/

/**
 * Checks a URL as a client id (OAuth Client ID Metadata Document, §3). Stricter than the draft,
 * because a stranger names a URL that we fetch: a public host name, no port, and normal form, so
 * that the compared URL is the fetched one. A query is allowed.
 *
 * @returns the problem as the end of a sentence, or null
 */
export function clientIdUrlProblem (url: unknown): string | null {
  if (typeof url !== 'string' || !url.startsWith('https://')) return 'must be an https URL'
  if (url.length > maxUrlChars) return `must have at most ${maxUrlChars} characters`
  if (!/^[\x21-\x7e]+$/.test(url) || /["'<>\\^`{|}]|%(?![\da-f]{2})|%[01][\da-f]|%7f/i.test(url)) {
    return 'has characters that are not allowed'
  }
  if (url.includes('#')) return 'must not have a fragment'
  if (!URL.canParse(url)) return 'must be an https URL'
  const { href, username, password, hostname, port, pathname } = new URL(url)
  if (username !== '' || password !== '') return 'must not have user info'
  // Also rejects empty user info, dot segments, default ports, capitals and spellings of addresses.
  if (href !== url) return 'must be in normal form'
  if (port !== '') return 'must not have a port'
  if (pathname === '/') return 'must have a path'
  return /^(?:[a-z\d_-]+\.)+[a-z][a-z\d-]*$/.test(hostname) && !localNames.test(hostname)
    ? null
    : 'must have a public host name'
}

/**
 * Parses a client metadata document (OAuth Client ID Metadata Document, §4). Members that it shares
 * with registrations obey the rules of {@link parseClientMetadata}. All clients are public here,
 * also those that could use `private_key_jwt`.
 *
 * @param clientId the URL of the document, which its `client_id` must be byte for byte
 * @throws {McpOAuthError} `invalidClient`, with the reason as its cause
 */
export function parseClientDocument (
  text: string,
  clientId: string,
  redirectPolicy: RedirectPolicy
) {
  try {
    const parsed = parseJsonObject(text)
    if (parsed === null) throw new Error('The document is not a JSON object')
    // Without the prototype, whose members are none of the document.
    const members: Record<string, unknown> = Object.assign(Object.create(null), parsed)
    const { client_id: id, token_endpoint_auth_method: method } = members
    if (id !== clientId) throw new Error('The document is for another client')
    if (Object.keys(members).some(name => name.startsWith('client_secret'))) {
      throw new Error('The document contains a secret')
    }
    if (!['none', 'private_key_jwt'].includes((method ?? 'none') as string)) {
      throw new Error('The document names an unsupported authentication method')
    }
    const { redirect_uris: redirectUris, client_name: name, grant_types: grantTypes } =
      parseClientMetadata({ ...members, token_endpoint_auth_method: 'none' }, redirectPolicy)
    if (name === undefined) throw new Error('The document has no client_name')
    return {
      redirectUris,
      /** As the client calls itself, unverified. */
      name,
      grantTypes
    }
  } catch (cause) {
    throw new McpOAuthError('invalidClient', { cause })
  }
}
