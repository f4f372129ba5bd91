/** Which headers of a refusal lead the client to a token? */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errorTable, McpOAuthError } from '../errors.ts'
import type { Scheme } from '../oauth/bearer.ts'
import { challenge } from '../oauth/challenge.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import type { UrlSource } from '../urls.ts'

/** Creates the challenges of one registration, with one header line for each scheme it accepts. */
export function createChallenging (urls: UrlSource, schemes: readonly Scheme[]) {
  // By the scopes of a guard, and by error: the same few are sent over and over.
  const written = new WeakMap<readonly string[], Map<string, string[]>>()

  function challengesOf (thrown: unknown, needed: readonly string[], hasCredentials: boolean) {
    const error = refusalOf(thrown)
    if (error === null) return []
    const { scopes } = thrown as { scopes?: unknown }
    const { metadataUrl } = urls()
    // RFC 6750 §3.1: a client without credentials gets no error code.
    const bare = error.kind === 'missingToken' || (error.statusCode === 401 && !hasCredentials)
    const write = () => {
      // Some clients find a nonce error only if it is the only challenge.
      const isAboutProof = error.kind === 'invalidDpopProof' || error.kind === 'useDpopNonce'
      return (isAboutProof ? ['DPoP'] : schemes).map(scheme =>
        challenge(scheme, {
          ...(!bare && { error: error.error, error_description: error.message }),
          resource_metadata: metadataUrl,
          scope: Array.isArray(scopes) ? scopes.map(String) : needed,
          ...(scheme === 'DPoP' && { algs: signatureAlgorithms })
        })
      )
    }
    if (scopes !== undefined || error.message !== errorTable[error.kind][2]) return write()
    const known = written.get(needed) ?? new Map<string, string[]>()
    const key = `${bare} ${error.kind} ${metadataUrl}`
    const lines = known.get(key) ?? write()
    written.set(needed, known.set(key, lines))
    return lines
  }

  /**
   * Puts the headers of a refusal on the reply. An error handler of the host drops the headers of
   * errors, but not those of the reply.
   *
   * @param needed all scopes that the request needs
   */
  return (
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
    needed: readonly string[]
  ) => {
    const headers = challengesOf(error, needed, request.headers.authorization !== undefined)
    if (headers.length > 0) {
      reply.header('www-authenticate', headers.length === 1 ? headers[0] : headers)
    }
    if (error instanceof McpOAuthError && error.retryAfter !== undefined) {
      reply.header('retry-after', String(error.retryAfter))
    }
  }
}

/** Returns the error that a challenge names, or null for errors without a challenge. */
function refusalOf (thrown: unknown) {
  const { statusCode } = Object(thrown)
  const ours = thrown instanceof McpOAuthError ? thrown : null
  if (statusCode === 401) return ours ?? new McpOAuthError('invalidToken')
  if (statusCode === 403) return new McpOAuthError('insufficientScope')
  return ours?.kind === 'invalidRequest' ? ours : null
}
