import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'

/** Whatever runs what is to be cleaned up in the end: a test, or a program. */
export type Cleanup = Pick<TestContext, 'after'>

export interface AppSetup {
  /** The host to register in. Defaults to a plain `Fastify()`. */
  app?: FastifyInstance
  /** Adds the user's routes, after the plugin. */
  routes?: (app: FastifyInstance) => unknown
  /** Defaults to a free one. */
  port?: number
  /** Closed after the app: the other way round stalls on kept-alive connections. */
  upstream?: { close(): Promise<unknown> }
}

export interface RunningApp {
  app: FastifyInstance
  /** `http://localhost:<port>`, the origin the plugin publishes. */
  origin: string
  /** The default MCP route below `prefix`. */
  mcpUrl: string
}

/** A Fastify app with the plugin, listening on a free port of 127.0.0.1 until the test ends. */
export async function buildApp (
  t: Cleanup,
  options: McpOAuthOptions,
  setup: AppSetup = {}
): Promise<RunningApp> {
  const { app = Fastify(), routes, upstream, port = 0 } = setup
  t.after(async () => {
    await app.close()
    await upstream?.close()
  })
  await app.register(mcpOAuth, options)
  await routes?.(app)
  await app.listen({ host: '127.0.0.1', port })
  const origin = `http://localhost:${(app.server.address() as AddressInfo).port}`
  return { app, origin, mcpUrl: `${origin}${options.prefix ?? ''}${options.mcp?.path ?? '/mcp'}` }
}
