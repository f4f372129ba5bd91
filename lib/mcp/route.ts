/** In which order is a request to the MCP route checked, and how long does its stream stay open? */

import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { failure, McpOAuthError, quoted, startupError } from '../errors.ts'
import type { CallerEvents } from '../guard/caller-events.ts'
import type { Guards } from '../guard/guard.ts'
import { closingOf } from '../host/closing.ts'
import { isolatedScope, preflightHandler, publicRoute, runningOf } from '../host/isolate.ts'
import { logRefusal, safeLogger } from '../host/replies.ts'
import { checkedBy, checkOnListen, exceptChecks } from '../host/self-check.ts'
import { streamCheckIntervalMs, streamGraceMs } from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { UrlSource } from '../urls.ts'
import { Cancellation } from '../util/cancellation.ts'
import { isTooDeep } from '../util/json.ts'
import type { McpEndpoint } from './access/tool-access.ts'
import { createObserver } from './observer.ts'
import { originGuard } from './origin-guard.ts'
import { headerMismatch } from './rpc/era.ts'
import { cancelled, closingEvent, closingResponse, requestsIn } from './rpc/closing.ts'
import {
  type McpRequest,
  type McpResponse,
  rpcCode,
  rpcFailure
} from './rpc/messages.ts'

/**
 * Adds the MCP route. Host, Origin and token are checked before a body is read. The dependencies,
 * the headers that repeat the body and the scopes of the tools follow, and then the server.
 */
export function mcpRoute (
  instance: FastifyInstance,
  config: Config,
  guards: Guards,
  endpoint: McpEndpoint,
  events: CallerEvents,
  urls: UrlSource
) {
  const serve = createObserver(endpoint, events)
  const closing = closingOf(instance)
  const path = config.prefix + config.mcp.path
  // Fastify refuses a second route as well, but names no option.
  instance.addHook('onRoute', (route) => {
    const isTaken = (method: HTTPMethods) => instance.hasRoute({ ...route, method })
    if (route.url !== path || ![route.method].flat().some(isTaken)) return
    throw startupError(
      'duplicateRegistration',
      `mcp.path: the app has a route at ${path}, too. Give one of them another path`
    )
  })
  isolatedScope(instance, config.prefix, (scope) => {
    const checkOrigin = originGuard(scope, config, events)
    readJsonBodies(scope)
    const preflight = { config: publicRoute, onRequest: checkOrigin }
    scope.options(config.mcp.path, preflight, preflightHandler(endpoint.methods))
    scope.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: config.mcp.path,
      exposeHeadRoute: false,
      bodyLimit: config.mcp.bodyLimit,
      config: { mcpOAuth: { public: false }, cors: false },
      onRequest: [exceptChecks(checkOrigin), exceptChecks(guards.token(config.requiredScopes))],
      preHandler: [
        refuseLateRequests,
        ...(config.dependencies.length === 0
          ? []
          : [exceptChecks(guards.dependencies(config.requiredScopes))])
      ],
      ...checkedBy(
        scope,
        'application/json',
        async (http, reply) => send(reply, await respondInTime(http, reply))
      )
    })
    checkOnListen(
      instance,
      [{ method: 'POST', url: path, body: 'json', type: 'application/json', needsCaller: true }],
      urls
    )
    scope.addHook('onReady', () => endpoint.ready())
    scope.addHook('preClose', async () => {
      await endpoint.close()
    })
  })

  /** Once the app closes, it accepts only messages that help running calls to finish. */
  function refuseLateRequests (http: FastifyRequest, reply: FastifyReply, done: () => void) {
    const isHelpful = () => http.method === 'POST' && requestsIn(http.body).length === 0
    if (runningOf(http).isAwaited || isHelpful()) return done()
    logRefusal(http, new McpOAuthError('closing'))
    send(reply, closingResponse(http.body))
  }

  /** A request that the app no longer waits for gets 503, also from a server that ignores it. */
  function respondInTime (http: FastifyRequest, reply: FastifyReply) {
    return new Promise<McpResponse>((resolve, reject) => {
      const cancellation = new Cancellation()
      const running = runningOf(http)
      // V8 allocates a function that is assigned to a member at once among the old objects, where
      // it keeps the whole request until a full collection.
      const end = () => {
        logCancelled(http)
        resolve(closingResponse(http.body, cancelled))
        cancellation.cancel()
      }
      const onClose = () => {
        if (!reply.raw.writableEnded || !reply.raw.writableFinished) cancellation.cancel()
      }
      Object.assign(running, { end, onClose })
      if (isDisconnected(reply)) cancellation.cancel()
      respond(http, reply, cancellation).then(resolve, reject)
    })
  }

  async function respond (http: FastifyRequest, reply: FastifyReply, cancellation: Cancellation) {
    // After the token check: many clients begin with a GET, and must get the challenge.
    if (!endpoint.methods.includes(http.method)) {
      reply.header('allow', endpoint.methods.join(', '))
      throw failure('methodNotAllowed', 'GET would open a stream, which this server does not need')
    }
    const { [bodyText]: rawBody = '' } = http as WithText
    if (rawBody !== '' && (http.body === undefined || isTooDeep(rawBody))) {
      const message = 'The body is not valid JSON, or nested too deeply.'
      return rpcFailure(400, rpcCode.parseError, message)
    }
    const request: McpRequest = {
      http,
      headers: http.headers,
      body: http.method === 'POST' ? http.body : undefined,
      rawBody,
      authInfo: http.mcpAuth ?? undefined,
      cancellation
    }
    const mismatch = headerMismatch(request)
    if (mismatch !== null) return mismatch
    const response = await serve(request, scopes => guards.operation(http, reply, scopes))
    if (!(response.body instanceof Readable)) return response
    // After a disconnect `close` was emitted already, so the reply would never end the stream.
    if (cancellation.isCancelled) response.body.destroy()
    else watchStream(http, reply)
    return response
  }

  function logCancelled ({ body, log }: FastifyRequest) {
    const calls = requestsIn(body).map(({ method, params }) =>
      quoted(Object(params).name ?? method)
    )
    safeLogger(log).warn(
      { option: 'closeTimeout', calls },
      'The app closed before calls ended. They may have taken effect. Raise closeTimeout, and the ' +
        'time that the process manager waits'
    )
  }

  /** Ends an event stream when its token expires or becomes invalid, and when the app closes. */
  function watchStream (http: FastifyRequest, { raw }: FastifyReply) {
    const running = runningOf(http)
    running.isAwaited = requestsIn(http.body).some(
      ({ method }) => method !== 'subscriptions/listen'
    )
    running.end = () => {
      if (running.isAwaited) logCancelled(http)
      raw.end(closingEvent(http.body))
    }
    const expiresAt = 1000 * (http.mcpAuth?.expiresAt ?? Infinity)
    // Clocks differ: a token that was accepted after its end is valid while its checks pass.
    const end = expiresAt > Date.now() ? expiresAt + streamGraceMs : Infinity
    // Fastify holds the headers back until the first event, which may be hours away.
    raw.once('pipe', () => {
      raw.flushHeaders()
      if (!running.isAwaited && closing.hasBegun) running.end?.()
    })
    let checking = false
    const check = async () => {
      if (Date.now() > end) raw.destroy()
      if (checking || raw.destroyed) return
      checking = true
      if (!await guards.isStillValid(http)) raw.destroy()
      checking = false
    }
    const timer = setInterval(check, Math.min(streamCheckIntervalMs, end - Date.now() + 1))
    timer.unref()
    raw.once('close', () => clearInterval(timer))
  }
}

const bodyText = Symbol('fastify-mcp-oauth.bodyText')
type WithText = FastifyRequest & { [bodyText]?: string }

/**
 * Reads JSON bodies, and keeps their text. Invalid JSON becomes `undefined`, because the response
 * to it is JSON-RPC.
 */
function readJsonBodies (scope: FastifyInstance) {
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.decorateRequest(bodyText, '')
  scope.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (http: WithText, text, done) => {
      http[bodyText] = text
      parse(http, text, (error, body) => done(null, error ? undefined : body))
    }
  )
}

/** Whether the client has disconnected already. */
function isDisconnected ({ raw }: FastifyReply) {
  // HTTP/2 responses have no `destroyed`, and report `writableFinished` once they are closed.
  const { stream } = raw as { stream?: { readonly destroyed: boolean } }
  return stream?.destroyed ?? raw.destroyed
}

function send (reply: FastifyReply, { status, headers, body }: McpResponse) {
  return reply.code(status).headers(headers).send(body ?? undefined)
}
