/** Which addresses may a client metadata document have? */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether an IP address is one of the public internet (RFC 6890). Private, shared, link-local,
 * loopback, multicast, documentation and reserved ranges are not, nor are IPv6 addresses that
 * contain an IPv4 one, because a gateway may deliver to it. Names, and numbers in other notations,
 * are not addresses.
 */
export function isPublicAddress (address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  // Only 2000::/3 is assigned for global use (RFC 4291 §2.4). The rest is reserved, or contains
  // IPv4.
  return parsed instanceof ipaddr.IPv4 || (parsed.parts[0] ?? 0) >>> 13 === 1
}
