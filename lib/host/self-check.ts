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
  /** Whether hooks of the app may fail without a caller, whom a check does not have. */
  needsCaller?: boolean
}

const header = 'x-fastify-mcp-oauth-check'
/** Of checks that run: no request from outside has one, before or after. */
const secrets = new Set<string>()
const checks = new WeakSet<IncomingMessage>()
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

/** Recognizes a check before any hook of the app, which neither sees nor changes what it has. */
function isMarked (raw: IncomingMessage) {
  if (secrets.has(String(raw.headers[header]))) {
    checks.add(raw)
    delete raw.headers[header]
  }
  return checks.has(raw)
}

/** Returns the options of a route that responds to checks itself, without effects and log lines. */
export function checkedBy (
  instance: FastifyInstance,
  type: CheckedRoute['type'],
  handler: RouteOptions['handler']
): Pick<RouteOptions, 'handler' | 'childLoggerFactory'> {
  const create = instance.childLoggerFactory
  return {
    handler (request: FastifyRequest, reply: FastifyReply) {
      if (checks.has(request.raw)) return reply.header('content-type', type).send(answer)
      return handler.call(this, request, reply)
    },
    childLoggerFactory (...parts) {
      return isMarked(parts[3] as IncomingMessage) ? silentLog : create.apply(this, parts)
    }
  }
}

/** Makes a hook let checks pass, which get no further than the handler of {@link checkedBy}. */
export function exceptChecks (hook: Function): onRequestHookHandler {
  return function (request, reply, done) {
    return checks.has(request.raw) ? done() : hook.call(this, request, reply, done)
  }
}

const silentLog = {
  level: 'silent',
  ...Object.fromEntries(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map(level => [level, () => {}])
  ),
  child: () => silentLog
} as unknown as FastifyInstance['log']

type Urls = () => { publicUrl: string }

const routesOf = new WeakMap<object, Array<CheckedRoute & { urls: Urls }>>()

/** Sends a request to each route through the hooks of the host, once the app listens. */
export function checkOnListen (
  instance: FastifyInstance,
  added: CheckedRoute[],
  urls: Urls
) {
  const routes = added.map(route => ({ ...route, urls }))
  const known = routesOf.get(instance.server)
  known?.push(...routes)
  if (known) return
  routesOf.set(instance.server, routes)
  instance.addHook('onListen', async () => {
    const secret = randomUUID()
    secrets.add(secret)
    check(instance, routes, secret).catch(() => {}).finally(() => secrets.delete(secret))
  })
}

async function check (
  instance: FastifyInstance,
  routes: Array<CheckedRoute & { urls: Urls }>,
  secret: string
) {
  const changed: string[] = []
  for (const { method, url, body, type: accept, needsCaller, urls } of routes) {
    const { type, payload } = body ? bodies[body] : {}
    const { host, protocol } = new URL(urls().publicUrl)
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
    const isIgnored = [429, 503].includes(statusCode) || (needsCaller && statusCode >= 500)
    if (text !== answer && !isIgnored) {
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
