/**
 * Which caller may use a session? The one that began it. No list of sessions is stored.
 */

import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { McpAuth } from '../../types.ts'
import { sessionCodeBytes } from '../../limits.ts'

/**
 * Binds session ids to their callers: the client gets an id with an authentication code.
 *
 * @param secrets the first one signs, all of them verify. Default: a random secret of this process,
 *   which also holds the sessions themselves
 */
export function createSessions (secrets: readonly string[]) {
  const keys = secrets.length > 0 ? secrets : [randomBytes(32).toString('base64url')]
  const codeOf = (key: string, id: string, caller: McpAuth | undefined) => {
    const text = JSON.stringify(['fastify-mcp-oauth session', id, identityOf(caller)])
    return createHmac('sha256', key).update(text).digest().subarray(0, sessionCodeBytes)
  }
  return {
    /** Adds the authentication code to the id of the server. */
    bind: (id: string, caller: McpAuth | undefined) =>
      `${id}.${codeOf(keys[0] ?? '', id, caller).toString('base64url')}`,
    /** Returns the id of the server, or `null` if the session is not one of the caller. */
    open (bound: string, caller: McpAuth | undefined) {
      const [, id = '', encoded = ''] = /^(.*)\.(.*)$/s.exec(bound) ?? []
      const code = Buffer.from(encoded, 'base64url')
      const isValid = code.length === sessionCodeBytes &&
        keys.some(key => timingSafeEqual(code, codeOf(key, id, caller)))
      return isValid ? id : null
    }
  }
}

/**
 * Identifies a caller by user, client and actor: a session outlives its first token. Without
 * a subject the token identifies the caller; without a token, the result of the dependencies does.
 */
export function identityOf (caller: McpAuth | undefined) {
  if (caller === undefined) return 'nobody'
  const { token, clientId, subject, claims, expiresAt, ...identity } = caller
  const { actor } = identity
  try {
    return JSON.stringify(
      subject !== undefined
        ? [claims?.iss ?? null, subject, clientId, ...actor ? [actor] : []]
        : token !== ''
        ? [token]
        : [clientId, identity]
    )
  } catch {
    // An identity that JSON cannot hold cannot be compared. It is another caller each time.
    return randomUUID()
  }
}
