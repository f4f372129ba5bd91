/** Does an address send many invalid tokens, which no rate limit refuses? */
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { Events } from '../host/events.ts'
import { safeLogger } from '../host/replies.ts'
import { manyInvalidTokens, maxCountedAddresses, rateLimitWindowMs } from '../limits.ts'

/** Returns a function that counts a request with an invalid token, and warns once a minute. */
export function createInvalidTokenCount ({ addressOf }: Pick<Events, 'addressOf'>) {
  const counts = new Map<string, number>()
  let window = 0
  return (request: FastifyRequest) => {
    // A header may have any text for an address.
    if (isIP(request.ip) === 0) return
    const current = Math.floor(Date.now() / rateLimitWindowMs)
    if (current !== window) counts.clear()
    window = current
    const count = (counts.get(request.ip) ?? 0) + 1
    if (count > 1 || counts.size < maxCountedAddresses) counts.set(request.ip, count)
    if (count !== manyInvalidTokens) return
    safeLogger(request.log).warn(
      { address: addressOf(request) },
      `One address sent ${count} invalid access tokens in a minute. The reason is in their lines: ` +
        'mend the client, or, if it is an attack, block the address at the reverse proxy'
    )
  }
}
