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
  let written = new WeakMap<readonly string[], Map<string, string | string[]>>()
  let current: object | undefined

  function challengesOf (thrown: unknown, needed: readonly string[], hasCredentials: boolean) {
    const error = refusalOf(thrown)
    if (error === null) return undefined
    const { kind, statusCode } = error
    const { scopes } = thrown as { scopes?: unknown }
    const published = urls()
    if (published !== current) written = new WeakMap()
    current = published
    // RFC 6750 §3.1: a client without credentials gets no error code.
    const bare = kind === 'missingToken' || (statusCode === 401 && !hasCredentials)
    // Some clients find a nonce error only if it is the only challenge.
    const isAboutProof = kind === 'invalidDpopProof' || kind === 'useDpopNonce'
    const write = () => {
      const lines = (isAboutProof ? ['DPoP'] : schemes).map(scheme =>
        challenge(scheme, {
          ...(!bare && { error: error.error, error_description: error.message }),
          resource_metadata: published.metadataUrl,
          scope: Array.isArray(scopes) ? scopes.map(String) : needed,
          ...(scheme === 'DPoP' && { algs: signatureAlgorithms })
        })
      )
      return lines.length === 1 ? String(lines) : lines
    }
    if (scopes !== undefined || error.message !== errorTable[kind][2]) return write()
    const known = written.get(needed) ?? new Map<string, string | string[]>()
    const key = !bare ? kind : isAboutProof ? 'bare proof' : 'bare'
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
    const lines = challengesOf(error, needed, request.headers.authorization !== undefined)
    if (lines !== undefined) reply.header('www-authenticate', lines)
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
