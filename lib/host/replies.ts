/** How is an error sent, and what is logged? */
import type {
  FastifyBaseLogger,
  FastifyError,
  FastifyReply,
  FastifyRequest,
  RegisterOptions
} from 'fastify'
import { escaped, McpOAuthError, type ErrorKind } from '../errors.ts'
import { isDependencyFault, reasonOf } from '../http/condition.ts'
import type { Log } from '../types.ts'

/** Headers of all our responses, including those to requests that a hook of the host rejected. */
export const securityHeaders = {
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer'
}

/** The same for responses that caches may keep. The endpoint sets for how long. */
export const cacheableHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer'
}

/**
 * Header of our pages and redirects. Web clients log users in in a popup: with the `same-origin` of
 * a host, as that of helmet, the popup would lose its opener, and seem closed to it.
 */
export const openerPolicy = { 'cross-origin-opener-policy': 'unsafe-none' }

/**
 * Serializers of our log lines. A query contains states, codes and, by mistake, tokens; an error of
 * a malformed response contains its bytes. Neither is logged. (The cast: Fastify accepts
 * serializers that return objects, its type does not.)
 */
export const logSerializers = {
  // Hooks of the host log here, too, and may pass objects of their own.
  req: ({ method, url, host, ip, socket }: Partial<FastifyRequest>) => ({
    method,
    url: escaped(typeof url === 'string' ? url.split('?', 1)[0] : url),
    host: escaped(host),
    remoteAddress: ip,
    remotePort: socket?.remotePort
  }),
  err: (error: unknown) => error === Object(error) ? loggedError(error as Error) : error
} as unknown as NonNullable<RegisterOptions['logSerializers']>

function loggedError (error: Error & { code?: unknown }): object {
  const { name, message, code, stack = '', cause } = error
  return {
    type: name,
    message: escaped(message),
    ...(code !== undefined && { code }),
    stack: escaped(stack),
    ...(cause instanceof Error && { cause: loggedError(cause) })
  }
}

/**
 * Wraps a logger: every line carries `{ plugin: 'mcp-oauth' }`, and no line throws. Logging must
 * never fail a request, e.g. when the disk is full.
 */
export function safeLogger (logger: Log | FastifyBaseLogger): Log {
  return {
    debug: (...line) => write(logger, 'debug', ...line),
    info: (...line) => write(logger, 'info', ...line),
    warn: (...line) => write(logger, 'warn', ...line),
    error: (...line) => write(logger, 'error', ...line)
  }
}

function write (
  logger: Log | FastifyBaseLogger,
  level: keyof Log,
  details: object | string,
  message: string
) {
  const log = logger as Log & { isLevelEnabled?(level: string): boolean }
  try {
    if (log.isLevelEnabled?.(level) === false) return
    // Packages that log through the wrapped logger may pass an error or a message alone.
    const [members, text] = typeof details === 'string' ? [{}, details] : [details, message]
    const named = members instanceof Error ? { err: members } : members as Record<string, unknown>
    const printable: Record<string, unknown> = { plugin: 'mcp-oauth' }
    for (const name of Object.keys(named)) printable[name] = escaped(named[name as never])
    log[level](printable, text)
  } catch {
    // There is no place left to report this.
  }
}

/**
 * Replies to an error with OAuth JSON (RFC 6749 §5.2). Only sentences of the error table are sent;
 * the reason is logged.
 */
export function replyWithError (
  thrown: Error,
  request: FastifyRequest,
  reply: FastifyReply
) {
  const error = classify(thrown, request)
  // RFC 6749 §5.2: a client that used this header is told its scheme.
  if (error.kind === 'invalidClient' && request.headers.authorization !== undefined) {
    reply.header('www-authenticate', 'Basic realm="OAuth"')
  }
  sendJson(prepareErrorReply(request, reply, error), error)
}

/** Logs an error, and sets the status and the headers of its reply. */
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

/** The last body of each kind. Most errors of a kind have the same sentence. */
const bodies = new Map<ErrorKind, { of: string, text: string }>()

/** Sends the body of an error (RFC 6749 §5.2). */
export function sendJson (
  reply: FastifyReply,
  { kind, error, message }: McpOAuthError
): FastifyReply {
  let body = bodies.get(kind)
  if (body?.of !== message) {
    body = { of: message, text: JSON.stringify({ error, error_description: message }) }
    bodies.set(kind, body)
  }
  return reply.header('content-type', 'application/json; charset=utf-8').send(body.text)
}

/** Errors that an event has in the log already. */
export const loggedErrors = new WeakSet<Error>()

/** Logs what was refused, and why. */
export function logRefusal (
  request: FastifyRequest,
  error: McpOAuthError,
  status = error.statusCode
) {
  if (loggedErrors.has(error)) return
  const { code, message, cause, scopes } = error
  if (status >= 500 && !isDependencyFault(error)) {
    return write(request.log, 'error', { code, err: cause }, message)
  }
  const reason = cause === undefined ? cause : reasonOf(error)
  write(request.log, 'info', { code, reason, scopes }, message)
}

/**
 * Errors that hooks of the host throw: clients must be able to retry after a rate limit (429) and
 * overload protection (503).
 */
const kindsByStatus: Record<number, ErrorKind> = {
  403: 'insufficientScope',
  404: 'notFound',
  429: 'tooManyRequests',
  503: 'overloaded'
}

/** Returns the error of our table that stands for a thrown error. */
export function classify (thrown: Error, request: FastifyRequest) {
  if (thrown instanceof McpOAuthError) return thrown
  const { statusCode = 500, code } = thrown as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new McpOAuthError('payloadTooLarge')
  const anonymous = request.headers.authorization === undefined
  const kind = statusCode === 401
    ? anonymous ? 'missingToken' : 'invalidToken'
    : kindsByStatus[statusCode] ?? (statusCode < 500 ? 'invalidRequest' : 'internal')
  const isOfApp = [401, 403, 429, 503].includes(statusCode) &&
    !(typeof code === 'string' && code.startsWith('FST_ERR_'))
  const cause = isOfApp
    ? new Error('the app refused it, in a hook or a dependency', { cause: thrown })
    : thrown
  return new McpOAuthError(kind, { cause })
}
