import { Agent } from 'undici'

/**
 * An agent of our own: certificates are checked, proxy variables and a replaced global dispatcher
 * change nothing, and no request shares a connection with one that is not answered yet, so an
 * answer cannot be taken for that of another request.
 */
export function createAgent (): Agent {
  return new Agent({ connections: 50, pipelining: 1, connect: { timeout: 5_000 } })
}
