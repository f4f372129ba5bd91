import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether an IP address is one of the public internet (RFC 6890). What is not plainly so counts as
 * not public: private, shared, link-local, loopback, multicast, documentation and reserved ranges,
 * and IPv6 addresses that carry an IPv4 one, since a gateway may deliver to it. Names, and other
 * spellings of numbers, are no addresses.
 */
export function isPublicAddress (address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  // Of IPv6 only 2000::/3 is given out for global use (RFC 4291 §2.4); the rest is reserved, or
  // compatible with IPv4.
  return parsed instanceof ipaddr.IPv4 || (parsed.parts[0] ?? 0) >>> 13 === 1
}
