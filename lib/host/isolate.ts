import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HTTPMethods,
  RegisterOptions,
  RouteOptions
} from 'fastify'
import type { Log } from '../types.ts'
import { McpOAuthError, type ErrorKind } from '../errors.ts'
import { problemsOf } from '../options/check.ts'
import { safeLogger } from './safe-logger.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Set on the routes of this package. `public` ones are meant to be reached without credentials:
     * an app-wide auth hook can let them pass.
     */
    mcpOAuth?: { readonly public: boolean }
    /** `false` keeps @fastify/cors of the host from answering for a route. */
    cors?: unknown
  }
}

/** Largest body our OAuth endpoints read, in bytes. */
export const bodyLimit = 64 * 1024

/** What all our public routes carry. */
export const publicRoute = Object.freeze({ mcpOAuth: Object.freeze({ public: true }), cors: false })

/** A route that is sealed by itself, for the discovery documents that have to live at the root. */
export const isolatedRoute = {
  config: publicRoute,
  schema: { hide: true },
  exposeHeadRoute: false,
  errorHandler: replyWithError as RouteOptions['errorHandler'] & object
}

/**
 * Cuts a scope off from its host: parsers, validation, serialization and error handling are ours,
 * routes stay out of generated API documents. Schemas decide exactly here, nothing is coerced.
 * Hooks of the host still run: they are how it logs, limits and traces.
 */
export function isolate (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.setValidatorCompiler(({ schema }) => (value) =>
    problemsOf(schema as never, value).length === 0
      ? { value }
      : { error: new Error('not as the schema demands') }
  )
  scope.setSerializerCompiler(() => JSON.stringify)
  scope.setErrorHandler(replyWithError)
  scope.addHook('onRoute', (route) => {
    route.schema = { ...route.schema, hide: true }
  })
  scope.addHook('onRequest', async (_request, reply) => {
    reply.headers(securityHeaders)
  })
  // A connection that is kept alive once its answer is out would keep the app from closing for more
  // than a minute.
  let closing = false
  scope.addHook('preClose', async () => {
    closing = true
  })
  scope.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close')
  })
}

/**
 * What all our answers carry, unless they say otherwise: also those to requests that a hook of the
 * host, which comes before ours, has refused.
 */
export const securityHeaders = Object.freeze({
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer'
})

/**
 * What the log says of our requests: queries have states, codes and, by mistake, tokens in them,
 * and the faults of answers that are no HTTP their bytes. (Serializers may return objects; the type
 * of Fastify does not know.)
 */
export const logSerializers = {
  req: ({ method, url, host, ip, socket }: FastifyRequest) => ({
    method,
    url: url.split('?', 1)[0],
    host,
    remoteAddress: ip,
    remotePort: socket.remotePort
  }),
  err: faultForLog
} as unknown as NonNullable<RegisterOptions['logSerializers']>

interface Fault {
  type: string
  message: string
  code?: unknown
  stack: string
  cause?: Fault
}

function faultForLog (error: Error & { code?: unknown }): Fault {
  const { name, message, code, stack = '', cause } = error
  return {
    type: name,
    message,
    ...(code !== undefined && { code }),
    stack,
    ...(cause instanceof Error && { cause: faultForLog(cause) })
  }
}

/**
 * What a scope has to add to its own prefix for the routes in it to live below `prefix`, which
 * begins with it.
 */
export function prefixWithin (scope: FastifyInstance, prefix: string): string {
  return prefix.slice(scope.prefix.replace(/\/+$/, '').length)
}

/** Reads JSON bodies, and nothing else; `__proto__` members are refused. */
export function acceptJson (scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  accept(scope, 'application/json', (request, text, done) => parse(request, text, done))
}

/** Reads forms, and nothing else, as text: repeated parameters must stay visible. */
export function acceptForm (scope: FastifyInstance): void {
  accept(scope, 'application/x-www-form-urlencoded', (_request, text, done) => {
    done(null, text)
  })
}

type Parse = (
  request: FastifyRequest,
  text: string,
  done: (error: Error | null, body?: unknown) => void
) => void

function accept (scope: FastifyInstance, mediaType: string, parse: Parse): void {
  scope.addContentTypeParser(mediaType, { parseAs: 'string', bodyLimit }, (request, text, done) => {
    const [, charset = 'utf-8'] =
      /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers['content-type'] ?? '') ?? []
    if (charset.toLowerCase() !== 'utf-8') {
      return done(new McpOAuthError('invalidRequest', { description: 'Only UTF-8 is accepted.' }))
    }
    parse(request, text as string, done)
  })
}

/** Answers every method of a URL that has no handler with 405 (RFC 9110 §15.5.6). */
export function rejectOtherMethods (
  scope: FastifyInstance,
  url: string,
  allowed: readonly string[],
  route: object = isolatedRoute
): void {
  scope.route({
    ...route,
    url,
    method: scope.supportedMethods.filter(method =>
      !allowed.includes(method) && method !== 'OPTIONS'
    ) as HTTPMethods[],
    // Before any body is read.
    onRequest: async (_request: FastifyRequest, reply: FastifyReply) => {
      reply.header('allow', allowed.join(', '))
      throw new McpOAuthError('methodNotAllowed')
    },
    handler: async () => {}
  })
}

/**
 * Lets web pages of any origin use an endpoint that takes no credentials from the browser (no
 * cookies, hence `*`).
 */
export function replyToPreflight (
  scope: FastifyInstance,
  url: string,
  methods: readonly string[]
): void {
  scope.options(url, isolatedRoute, async (request, reply) => {
    reply.headers({
      ...corsHeaders,
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': allowedHeaders(request),
      'access-control-max-age': '86400'
    })
    return reply.code(204).send()
  })
}

/**
 * Lets pages of any origin read the answers of a scope, those included that refuse a body, or come
 * from hooks of the host.
 */
export function allowAnyOrigin (scope: FastifyInstance): void {
  scope.addHook('onRequest', async (_request, reply) => {
    reply.headers(corsHeaders)
  })
  scope.setErrorHandler((thrown: FastifyError, request, reply) => {
    replyWithError(thrown, request, reply.headers(corsHeaders))
  })
}

/**
 * Header names a preflight asks for: Mcp-Param-* names cannot be listed beforehand, so any
 * well-formed list is granted.
 */
export function allowedHeaders (request: FastifyRequest): string {
  const asked = request.headers['access-control-request-headers']
  return typeof asked === 'string' && /^[\w, -]{1,1000}$/.test(asked)
    ? asked
    : 'authorization, content-type, mcp-protocol-version'
}

export const corsHeaders = Object.freeze({
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'WWW-Authenticate, DPoP-Nonce, Retry-After'
})

/**
 * Turns whatever was thrown into OAuth JSON (RFC 6749 §5.2). Only sentences of our table leave; the
 * reason goes to the log.
 */
export function replyWithError (
  thrown: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply
): void {
  const error = classify(thrown, request)
  // RFC 6749 §5.2: who tried this header is told of the scheme.
  if (error.kind === 'invalidClient' && request.headers.authorization !== undefined) {
    reply.header('www-authenticate', 'Basic realm="OAuth"')
  }
  sendJson(prepareErrorReply(request, reply, error), error)
}

/** What all refusals have in common: a line in the log, and headers. */
export function prepareErrorReply (
  request: FastifyRequest,
  reply: FastifyReply,
  error: McpOAuthError,
  status = error.statusCode
): FastifyReply {
  logRefusal(request, error, status)
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  if (status === 413) reply.header('connection', 'close')
  return reply.code(status).headers(securityHeaders)
}

/** The body of an error (RFC 6749 §5.2). */
export function sendJson (reply: FastifyReply, { error, message }: McpOAuthError): FastifyReply {
  return reply.header('content-type', 'application/json; charset=utf-8').send(
    JSON.stringify({ error, error_description: message })
  )
}

/** Says in the log what was refused, and why. */
export function logRefusal (
  request: FastifyRequest,
  { code, statusCode, message, cause, scopes }: McpOAuthError,
  status = statusCode
): void {
  const log = safeLogger(request.log as Log)
  if (status >= 500) log.error({ code, err: cause }, message)
  else log.info({ code, reason: (cause as Error | undefined)?.message, scopes }, message)
}

/** Names the line of the error table that what was thrown belongs to. */
export function classify (thrown: FastifyError | Error, request: FastifyRequest): McpOAuthError {
  if (thrown instanceof McpOAuthError) return thrown
  const { statusCode = 500, code = '' } = thrown as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new McpOAuthError('payloadTooLarge')
  if (statusCode === 401) {
    return new McpOAuthError(
      request.headers.authorization === undefined ? 'missingToken' : 'invalidToken',
      { cause: thrown }
    )
  }
  if (statusCode === 403) return new McpOAuthError('insufficientScope', { cause: thrown })
  return new McpOAuthError(
    kinds[statusCode] ?? (statusCode < 500 ? 'invalidRequest' : 'internal'),
    { cause: thrown }
  )
}

/**
 * What hooks of the host throw: rate limits (429) and overload protection (503) must stay worth a
 * retry.
 */
const kinds: Readonly<Record<number, ErrorKind>> = {
  404: 'notFound',
  429: 'tooManyRequests',
  503: 'overloaded'
}
