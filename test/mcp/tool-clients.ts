import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import type { ToolOptions } from '../../lib/options/mcp.ts'

/** Options of a call that both SDKs have. */
interface CallOptions {
  onprogress?: (progress: { progress: number, total?: number, message?: string }) => void
  signal?: AbortSignal
}

export interface ToolClient {
  era: string
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<CallToolResult>
}

export interface ToolApp {
  app: FastifyInstance
  origin: string
  /** A client of each era. They have listed the tools, so they check every result. */
  clients: ToolClient[]
}

/**
 * Serves the routes of an app as tools, over HTTP. Any token is accepted: without one, a client
 * cannot cancel its requests.
 */
export async function startTools (
  t: TestContext,
  routes: (app: FastifyInstance) => unknown,
  tools: ToolOptions = {},
  server: FastifyServerOptions = {}
): Promise<ToolApp> {
  const app = Fastify(server)
  t.after(() => app.close())
  await app.register(mcpOAuth, { tokens: false, dependencies: [async () => ({})], mcp: { tools } })
  await routes(app)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const url = new URL('/mcp', origin)
  const requestInit = { headers: { authorization: 'Bearer token' } }
  const legacy = new Client({ name: 'client', version: '1.0.0' })
  await legacy.connect(new StreamableHTTPClientTransport(url, { requestInit }))
  const modern = new ModernClient({ name: 'client', version: '1.0.0' }, {
    versionNegotiation: { mode: { pin: '2026-07-28' } }
  })
  await modern.connect(new ModernTransport(url, { requestInit }))
  t.after(() => Promise.all([legacy.close(), modern.close()]))
  await Promise.all([legacy.listTools(), modern.listTools()])
  return {
    app,
    origin,
    clients: [
      {
        era: '2025-11-25',
        call: async (name, args = {}, options = {}) =>
          await legacy.callTool(
            { name, arguments: args },
            undefined,
            options as object
          ) as CallToolResult
      },
      {
        era: '2026-07-28',
        call: async (name, args = {}, options = {}) =>
          await modern.callTool({ name, arguments: args }, options as object) as CallToolResult
      }
    ]
  }
}

/** The text of a result with one text. */
export function textOf ({ content }: CallToolResult): string {
  const [first] = content
  return first?.type === 'text' ? first.text : ''
}
