/** Which requests show that clients use another URL than the published one? */
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { quoted } from '../errors.ts'
import type { Config } from '../options/config.ts'
import type { Log } from '../types.ts'
import { onNotFound } from './not-found.ts'

/** Warns once of a request to an endpoint without the beginning of its path. */
export function warnOfLostPaths (instance: FastifyInstance, paths: readonly string[], log: Log) {
  let isTold = false
  onNotFound(instance, ({ method, url = '' }) => {
    const [path = '', query = ''] = url.split('?')
    const meant = paths.find(known => known !== path && known.endsWith(path))
    // Others may be those of a person or a robot who tries common paths.
    const isOfClient = method === 'POST' || query.includes('client_id=')
    if (isTold || meant === undefined || !isOfClient || path.length < 2) return
    isTold = true
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
