/** Which URL can be a client id? */
import { maxUrlChars } from '../limits.ts'

/** Endings of names that are local to a network. */
const localNames = /(?:^|\.)(?:localhost|localdomain|local|internal|intranet|lan|home\.arpa|onion)$/

/**
 * Whether a URL can be a client id (OAuth Client ID Metadata Document, §3). Stricter than the
 * draft, because a stranger names a URL that we fetch: a public host name, no port, and normal
 * form, so that the compared URL is the fetched one. A query is allowed.
 */
export function isClientIdUrl (url: string) {
  if (!url.startsWith('https://') || url.length > maxUrlChars || !URL.canParse(url)) return false
  if (/[^\x21-\x7e]|["'<>\\^`{|}#]|%(?![\da-f]{2})|%[01][\da-f]|%7f/i.test(url)) return false
  const { href, username, password, hostname, port, pathname } = new URL(url)
  // Normal form has no empty user info, dot segments, default port, capitals and odd addresses.
  return href === url && username + password + port === '' && pathname !== '/' &&
    /^(?:[a-z\d_-]+\.)+[a-z][a-z\d-]*$/.test(hostname) && !localNames.test(hostname)
}
