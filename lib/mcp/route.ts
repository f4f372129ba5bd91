import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../options/config.ts'
import { causeWith, McpOAuthError } from '../errors.ts'
import type { Guards } from '../guard/guard.ts'
import {
  emptyResponse,
  goneStatus,
  rpcCode,
  rpcFailure,
  type McpRequest,
  type McpEndpoint
} from './rpc/types.ts'
import { headerMismatch } from './rpc/era.ts'
import { createHostCheck, type HostCheck } from '../oauth/origin.ts'
import { isBoundToLoopback } from '../urls.ts'
import { allowedHeaders, logSerializers, prefixWithin, isolate } from '../host/isolate.ts'
import { createStreams } from './streams.ts'

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** What the MCP route needs. */
export interface McpRoute {
  readonly config: Config
  readonly guards: Guards
  readonly endpoint: McpEndpoint
}

/**
 * The MCP route. The order is the point: preflight, Host and Origin, token, all before a body is
 * read; then the body, the dependencies, the headers that have to agree with it, the scopes of the
 * tools it calls, the server.
 */
export function mcpRoute (instance: FastifyInstance, { config, guards, endpoint }: McpRoute): void {
  const texts = new WeakMap<FastifyRequest, string>()
  const streams = createStreams()
  instance.register(async (scope) => {
    isolate(scope)
    const checkOrigin = originGuard(scope, config)
    const parse = scope.getDefaultJsonParser('error', 'error')
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
      texts.set(request, text as string)
      // Broken JSON is the MCP server's to answer, in JSON-RPC.
      parse(request, text as string, (error, body) => done(null, error ? undefined : body))
    })
    scope.options(config.mcp.path, {
      config: { mcpOAuth: { public: true }, cors: false },
      onRequest: checkOrigin
    }, async (request, reply) => {
      return reply.code(204).headers({
        'access-control-allow-methods': [...endpoint.methods].join(', '),
        'access-control-allow-headers': allowedHeaders(request),
        'access-control-max-age': '86400'
      }).send()
    })
    scope.route({
      method: [...methods],
      url: config.mcp.path,
      exposeHeadRoute: false,
      bodyLimit: config.mcp.bodyLimit,
      config: { mcpOAuth: { public: false }, cors: false },
      onRequest: [checkOrigin, guards.token(config.requiredScopes)],
      preHandler: guards.dependencies(config.requiredScopes),
      handler: async (request, reply) => {
        // Only now: callers without credentials shall be challenged whatever they try (a GET is how
        // many clients begin).
        refuseMethods(endpoint.methods, request, reply)
        const rawBody = texts.get(request) ?? ''
        if (rawBody !== '' && (request.body === undefined || isTooDeep(request.body))) {
          return send(
            reply,
            rpcFailure(400, rpcCode.parseError, 'The body is not acceptable JSON.')
          )
        }
        const call: McpRequest = {
          request,
          headers: request.headers,
          body: request.body,
          rawBody,
          authInfo: request.mcpAuth ?? undefined,
          signal: disconnection(reply)
        }
        const mismatch = headerMismatch(call)
        if (mismatch !== null) return send(reply, mismatch)
        const needed = await endpoint.admit(call)
        if ('status' in needed) return send(reply, needed)
        await guards.operation(request, reply, needed)
        // Whoever has left gets nothing done: what was learned about the call may be for nobody.
        if (call.signal.aborted) return send(reply, emptyResponse(goneStatus))
        const answer = await endpoint.handle(call)
        // Whoever left meanwhile has had the one `close` there is, and nobody would end the stream.
        if (call.signal.aborted && answer.body instanceof Readable) answer.body.destroy()
        else if (answer.body instanceof Readable) {
          streams.watch(reply, call.authInfo?.expiresAt, () => guards.isStillGood(request))
        }
        return send(reply, answer)
      }
    })
    scope.addHook('onReady', () => endpoint.ready())
    scope.addHook('preClose', async () => {
      await endpoint.close()
      streams.close()
    })
  }, { prefix: prefixWithin(instance, config.prefix), logSerializers })
}

function send (
  reply: FastifyReply,
  { status, headers, body }: Awaited<ReturnType<McpEndpoint['handle']>>
): FastifyReply {
  return reply.code(status).headers(headers).send(body ?? undefined)
}

/** Levels of a body that are read. Who copies or writes what is much deeper runs out of stack. */
const maxDepth = 256

function isTooDeep (body: unknown): boolean {
  let level: unknown[] = [body]
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
    level = level.flatMap(value => value === Object(value) ? Object.values(value as object) : [])
  }
  return level.length > 0
}

function refuseMethods (
  served: readonly string[],
  request: FastifyRequest,
  reply: FastifyReply
): void {
  if (served.includes(request.method)) return
  reply.header('allow', served.join(', '))
  throw new McpOAuthError('methodNotAllowed')
}

/**
 * Aborts when the connection ends before the answer does; at once where it did while the
 * dependencies ran.
 */
function disconnection ({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController()
  // Answers of HTTP/2 have no `destroyed`, and call themselves finished once they are closed.
  const { stream } = raw as { stream?: { readonly destroyed: boolean } }
  if (stream?.destroyed ?? raw.destroyed) controller.abort()
  else {
    raw.once('close', () => {
      if (!raw.writableEnded || !raw.writableFinished) controller.abort()
    })
  }
  return controller.signal
}

/**
 * Refuses foreign Hosts and Origins (DNS rebinding), and lets pages of allowed origins read the
 * answer.
 */
function originGuard (scope: FastifyInstance, config: Config) {
  let settled: HostCheck | undefined
  // What we are bound to is known once the app listens; before, only inject gets here.
  const check = () => {
    if (settled === undefined && scope.server.listening) settled = createCheck(scope, config)
    return settled ?? createCheck(scope, config)
  }
  return async (request: FastifyRequest, reply: FastifyReply) => {
    // HTTP/2 names the host in a pseudo-header, which no request of HTTP/1 can have.
    const { ':authority': authority, host = '', origin } = request.headers
    const asked = typeof authority === 'string' ? authority : host
    const problem = check()(asked, origin)
    if (problem !== null) {
      throw new McpOAuthError(problem, {
        cause: problem === 'hostNotAllowed'
          ? causeWith('the Host', asked)
          : causeWith('the Origin', origin)
      })
    }
    if (origin === undefined) return
    reply.headers({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, Retry-After',
      vary: 'Origin'
    })
  }
}

function createCheck (scope: FastifyInstance, config: Config): HostCheck {
  const local = isBoundToLoopback(scope.server) ? loopbackNames : []
  const own = config.publicUrl === null ? null : new URL(config.publicUrl)
  return createHostCheck({
    allowedHosts: config.allowedHosts ?? [...local, ...(own ? [own.hostname] : [])],
    allowedOrigins: config.allowedOrigins ??
      [
        ...local.flatMap(name => [`http://${name}`, `https://${name}`]),
        ...(own ? [own.origin] : [])
      ]
  })
}
