/** From which hosts and web pages may requests to the MCP route come? */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { causeWith, McpOAuthError, quoted } from '../errors.ts'
import type { CallerEvents } from '../guard/caller-events.ts'
import { isBoundToLoopback } from '../host/app.ts'
import { safeLogger } from '../host/replies.ts'
import { maxToldHosts } from '../limits.ts'
import { createHostCheck, type HostCheck } from '../oauth/origin.ts'
import { loopbackNames } from '../oauth/url.ts'
import type { Config } from '../options/config.ts'

/** Rejects foreign Hosts and Origins (DNS rebinding), and lets allowed pages read the response. */
export function originGuard (
  { server }: FastifyInstance,
  { allowedHosts, allowedOrigins, publicUrl }: Config,
  events: CallerEvents
) {
  const own = publicUrl === null ? [] : [new URL(publicUrl)]
  const createCheck = () => {
    const local = isBoundToLoopback(server) ? loopbackNames : []
    return createHostCheck(
      allowedHosts ?? [...local, ...own.map(({ hostname }) => hostname)],
      allowedOrigins ?? [
        ...local.flatMap(name => [`http://${name}`, `https://${name}`]),
        ...own.map(({ origin }) => origin)
      ]
    )
  }
  let settled: HostCheck | undefined
  const told = new Set<string>()

  /** Anyone can send any host: a few are enough. */
  function warnOfHost ({ log }: FastifyRequest, host: string) {
    if (told.size >= maxToldHosts || told.has(host)) return
    told.add(host)
    safeLogger(log).warn(
      { option: 'publicUrl' },
      `Requests have the Host ${quoted(host)}, and publicUrl is ${publicUrl ?? 'missing'}. ` +
        `Let the reverse proxy pass Host, ${
          publicUrl === null ? 'set publicUrl, ' : ''
        }or list it in allowedHosts`
    )
  }

  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => {
    const { headers } = request
    // HTTP/2 has the host in a pseudo-header, which HTTP/1 requests cannot have.
    const { ':authority': authority, origin } = headers
    const host = typeof authority === 'string' ? authority : headers.host ?? ''
    const check = settled ?? createCheck()
    // The address is known once the app listens. Until then, only `inject` gets here.
    if (server.listening) settled = check
    const problem = check(host, origin)
    if (problem !== null) {
      const cause = problem === 'hostNotAllowed'
        ? causeWith('the Host', host)
        : causeWith('the Origin', origin)
      const error = new McpOAuthError(problem, { cause })
      if (problem === 'hostNotAllowed') warnOfHost(request, host)
      events.refused(error, request, null, [])
      return done(error)
    }
    if (origin !== undefined) {
      reply.headers({
        'access-control-allow-origin': origin,
        'access-control-expose-headers':
          'WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, Retry-After',
        vary: 'Origin'
      })
    }
    done()
  }
}
