/** Do hooks of the host change the responses of our routes? */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  RouteOptions
} from 'fastify'
import { safeLogger } from './replies.ts'

/** A route, and the types of its body and response. */
interface CheckedRoute {
  method: 'GET' | 'HEAD' | 'POST'
  url: string
  body?: 'form' | 'json' | undefined
  type: string
}

const header = 'x-fastify-mcp-oauth-check'
// No request from outside can have it.
const secret = randomUUID()
/** With what hooks of a host change in responses: names, numbers, lists and objects. */
const answer = JSON.stringify({
  access_token: 'fastify-mcp-oauth',
  expires_in: 3600,
  scopes_supported: ['a'],
  extra: { is_set: true, none: null }
})
const bodies = {
  form: { type: 'application/x-www-form-urlencoded', payload: 'check=1' },
  json: { type: 'application/json', payload: '{}' }
}

const isCheck = ({ headers }: Pick<IncomingMessage, 'headers'>) => headers[header] === secret

/** Returns the options of a route that responds to checks itself, without effects and log lines. */
export function checkedBy (
  instance: FastifyInstance,
  type: CheckedRoute['type'],
  handler: RouteOptions['handler']
): Pick<RouteOptions, 'handler' | 'childLoggerFactory'> {
  const create = instance.childLoggerFactory
  return {
    handler (request: FastifyRequest, reply: FastifyReply) {
      if (isCheck(request)) return reply.header('content-type', type).send(answer)
      return handler.call(this, request, reply)
    },
    childLoggerFactory (...parts) {
      return isCheck(parts[3]) ? silentLog : create.apply(this, parts)
    }
  }
}

/** Makes a hook let checks pass, which get no further than the handler of {@link checkedBy}. */
export function exceptChecks (hook: Function): onRequestHookHandler {
  return function (request, reply, done) {
    return isCheck(request) ? done() : hook.call(this, request, reply, done)
  }
}

const silentLog = {
  level: 'silent',
  ...Object.fromEntries(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map(level => [level, () => {}])
  ),
  child: () => silentLog
} as unknown as FastifyInstance['log']

const routesOf = new WeakMap<object, CheckedRoute[]>()

/** Sends a request to each route through the hooks of the host, once the app listens. */
export function checkOnListen (
  instance: FastifyInstance,
  routes: CheckedRoute[],
  urls: () => { publicUrl: string }
) {
  const known = routesOf.get(instance.server)
  known?.push(...routes)
  if (known) return
  routesOf.set(instance.server, routes)
  instance.addHook('onListen', async () => {
    check(instance, routes, new URL(urls().publicUrl)).catch(() => {})
  })
}

async function check (instance: FastifyInstance, routes: CheckedRoute[], { host, protocol }: URL) {
  const changed: string[] = []
  for (const { method, url, body, type: accept } of routes) {
    const { type, payload } = body ? bodies[body] : {}
    const response = await instance.inject({
      method,
      url,
      // Of this machine, and not that of a client whom the app counts.
      remoteAddress: '127.0.0.2',
      headers: {
        host,
        accept,
        [header]: secret,
        'x-forwarded-proto': protocol.slice(0, -1),
        ...(type && { 'content-type': type })
      },
      ...(payload && { payload })
    })
    const { statusCode, payload: text } = response
    // The app may be busy now, and limit rates.
    if (text !== answer && ![429, 503].includes(statusCode)) {
      changed.push(`${method} ${url} ${statusCode === 200 ? 'changed' : statusCode}`)
    }
  }
  if (changed.length === 0) return
  safeLogger(instance.log).warn(
    { routes: changed },
    'Hooks of the app change or refuse responses of this plugin, which clients cannot read then. ' +
      'Skip routes with request.routeOptions.config.mcpOAuth in these hooks'
  )
}
