import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { McpAuth } from '../../types.ts'

/**
 * Ties session ids to the caller they were given to, without remembering any: the id a client gets
 * carries a mark that only fits its caller.
 */
export interface Sessions {
  /** The id to hand out in place of the server's. */
  bind(id: string, caller: McpAuth | undefined): string
  /** The server's id again; `null` if it was given to somebody else, or by nobody. */
  open(bound: string, caller: McpAuth | undefined): string | null
}

/**
 * @param secrets the first marks, all are recognised; without one a random secret of this process,
 *   which is where servers keep their sessions too
 */
export function createSessions (secrets: readonly string[]): Sessions {
  const keys = secrets.length > 0 ? secrets : [randomBytes(32).toString('base64url')]
  const mark = (key: string, id: string, caller: McpAuth | undefined): Buffer => (
    createHmac('sha256', key).update(
      JSON.stringify(['fastify-mcp-oauth session', id, identityOf(caller)])
    ).digest().subarray(0, 16)
  )
  return {
    bind: (id, caller) => `${id}.${mark(keys[0] ?? '', id, caller).toString('base64url')}`,
    open (bound, caller) {
      const at = bound.lastIndexOf('.')
      const id = bound.slice(0, Math.max(at, 0))
      const marked = Buffer.from(bound.slice(at + 1), 'base64url')
      return marked.length === 16 &&
          keys.some(key => timingSafeEqual(marked, mark(key, id, caller)))
        ? id
        : null
    }
  }
}

/**
 * Who somebody is: the user and the client, so that a session outlives the token it began with.
 * Where nobody names the user a session is as good as its token; and where there is none, because
 * dependencies took something else, what they said about the caller has to tell them apart.
 */
export function identityOf (caller: McpAuth | undefined): string {
  if (caller === undefined) return 'nobody'
  const { token, clientId, subject, claims, expiresAt, ...said } = caller
  try {
    return JSON.stringify(
      subject !== undefined
        ? [claims?.['iss'] ?? null, subject, clientId]
        : token !== ''
        ? [token]
        : [clientId, said]
    )
  } catch {
    // What cannot be written down cannot be compared: somebody else each time.
    return randomUUID()
  }
}
