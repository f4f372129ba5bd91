/** Which requests show that clients use another URL than the published one? */
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { quoted } from '../errors.ts'
import type { Config } from '../options/config.ts'
import type { Log } from '../types.ts'
import { onNotFound } from './not-found.ts'

/**
 * Warns once for each endpoint of a request without the beginning of its path.
 *
 * @param types of the bodies of endpoints, by path: others may be those of robots
 */
export function warnOfLostPaths (
  instance: FastifyInstance,
  types: Record<string, string | undefined>,
  log: Log
) {
  const told = new Set<string>()
  onNotFound(instance, ({ method, url = '', headers: { 'content-type': type = '' } }) => {
    const [path = '', query = ''] = url.split('?')
    const meant = Object.keys(types).find(known => known !== path && known.endsWith(path))
    if (meant === undefined || path.length < 2 || told.has(meant)) return
    const isOfClient = method === 'POST'
      ? type.startsWith(types[meant] ?? ' ')
      : query.includes('client_id=')
    if (!isOfClient) return
    told.add(meant)
    log.warn(
      { option: 'publicUrl' },
      `A client sent a request to ${path}, and the endpoint is ${meant}. Let the reverse proxy ` +
        'pass whole paths, and /.well-known/, where clients read them'
    )
  })
}

/** Warns of requests to the MCP route at another address, or beside it, once of each kind. */
export function warnOfAddresses (
  instance: FastifyInstance,
  { publicUrl, prefix, mcp }: Config,
  urls: () => { resource: string, metadataUrl: string | null },
  log: Log
) {
  const reported = new Set<string>()
  const warn = (kind: string, message: string) => {
    if (!reported.has(kind)) log.warn({ option: 'publicUrl' }, message)
    reported.add(kind)
  }
  const paths = ['/', `${prefix}/`, `${prefix}${mcp.path}/`]
  onNotFound(instance, ({ method, url = '' }) => {
    const [path = ''] = url.split('?', 1)
    if (method !== 'POST' || !paths.includes(path)) return
    warn(path, `A client sent POST to ${path}. Give clients the URL ${urls().resource}`)
  })

  if (publicUrl !== null) return
  const watch: onRequestHookHandler = ({ headers, host }, _reply, done) => {
    if (headers['x-forwarded-for'] ?? headers['x-forwarded-host'] ?? headers.forwarded) {
      warn(
        'proxy',
        'Requests come through a reverse proxy, and the published URLs are those of localhost. ' +
          'Set publicUrl to the address that clients use'
      )
    } else if (
      !reported.has('host') && urls().metadataUrl !== null && /^(?:127\.|\[::1\])/.test(host)
    ) {
      warn(
        'host',
        `A client uses the host ${quoted(host)}, and clients refuse metadata of another one. ` +
          `Give them the URL ${urls().resource}, or set publicUrl`
      )
    }
    done()
  }
  instance.addHook('onRoute', (route) => {
    if (route.url !== prefix + mcp.path || !route.config?.mcpOAuth) return
    route.onRequest = [watch, route.onRequest ?? []].flat()
  })
}
