import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'

/** A test, or a program that cleans up in the same way. */
export interface Cleanup {
  after(close: () => Promise<unknown>): void
}

export interface AppSetup {
  /** The host to register in. Default: `Fastify()`. */
  app?: FastifyInstance
  /** Adds routes of the host, after the plugin. */
  routes?: (app: FastifyInstance) => unknown
  /** Default: a free port. */
  port?: number
  /** Closed after the app: in the opposite order, close() waits for kept-alive connections. */
  closeLast?: { close(): Promise<unknown> }
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
  const { app = Fastify(), routes, closeLast, port = 0 } = setup
  t.after(async () => {
    await app.close()
    await closeLast?.close()
  })
  await app.register(mcpOAuth, options)
  await routes?.(app)
  await app.listen({ host: '127.0.0.1', port })
  const origin = `http://localhost:${(app.server.address() as AddressInfo).port}`
  return { app, origin, mcpUrl: `${origin}${options.prefix ?? ''}${options.mcp?.path ?? '/mcp'}` }
}

/** A host that adds every log line, from level trace, to `logs`. */
export function loggingApp (logs: string[], options: FastifyServerOptions = {}): FastifyInstance {
  const write = (line: string): void => {
    logs.push(line)
  }
  return Fastify({ ...options, logger: { level: 'trace', stream: { write } } })
}
