/** How are bodies and queries of our endpoints read? */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { maxOAuthBodyBytes as bodyLimit } from '../limits.ts'

type Parse = (
  request: FastifyRequest,
  text: string,
  done: (error: Error | null, body?: unknown) => void
) => void

/** Accepts JSON bodies only. Members called `__proto__` are rejected. */
export function acceptJson (scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  accept(scope, 'application/json', (request, text, done) => parse(request, text, done))
}

/** Accepts forms only, as text: repeated parameters must stay visible. */
export function acceptForm (scope: FastifyInstance): void {
  accept(scope, 'application/x-www-form-urlencoded', (_request, text, done) => {
    done(null, text)
  })
}

function accept (scope: FastifyInstance, mediaType: string, parse: Parse): void {
  scope.addContentTypeParser(mediaType, { parseAs: 'string', bodyLimit }, (request, text, done) => {
    const contentType = request.headers['content-type'] ?? ''
    const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType) ?? []
    if (charset.toLowerCase() !== 'utf-8') {
      return done(new McpOAuthError('invalidRequest', { description: 'Only UTF-8 is accepted.' }))
    }
    parse(request, text as string, done)
  })
}

/**
 * Returns the query of a request as it was sent. `request.query` depends on the parser of the host,
 * and may hide repeated parameters.
 */
export function queryOf ({ raw: { url = '' } }: FastifyRequest): string {
  return url.slice(url.indexOf('?') + 1 || url.length)
}
