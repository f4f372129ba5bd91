import type { AddressInfo } from 'node:net'
import { localhostAllowedHostnames, validateHostHeader } from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import type { McpOAuthOptions } from '../../../lib/index.ts'
import type { FetchHandler } from '../../../lib/options/mcp.ts'
import type { AppSetup, Cleanup } from '../app.ts'
import { startGuarded } from '../guarded.ts'

/** A server on a plain Fastify route. It checks the Host itself, since there is no guard. */
export async function mountBare (t: Cleanup, handler: FetchHandler): Promise<string> {
  const app = Fastify()
  t.after(async () => {
    await handler.close?.()
    await app.close()
  })
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    async handler ({ method, headers, body }, reply) {
      if (!validateHostHeader(headers.host, localhostAllowedHostnames()).ok) {
        return reply.code(403).send()
      }
      const request = new Request(url, {
        method,
        headers: headers as Record<string, string>,
        ...body !== undefined && { body: JSON.stringify(body) }
      })
      return await handler.fetch(request, { parsedBody: body })
    }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://localhost:${(app.server.address() as AddressInfo).port}/mcp`
  return url
}

/**
 * The MCP route behind the guard. The suite sends no token: a hook of the host adds one if
 * required.
 */
export async function mountGuarded (
  t: Cleanup,
  mcp: NonNullable<McpOAuthOptions['mcp']>,
  { credentials, ...setup }: AppSetup & { credentials: boolean }
): Promise<string> {
  const app = Fastify()
  let authorization: string | undefined
  app.addHook('onRequest', async ({ headers }) => {
    if (authorization !== undefined) headers.authorization = authorization
  })
  const { mcpUrl, token } = await startGuarded(t, { mcp }, { ...setup, app })
  if (credentials) authorization = `Bearer ${await token()}`
  return mcpUrl
}
