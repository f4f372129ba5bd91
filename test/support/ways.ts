import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { McpServer as ModernServer, createMcpHandler } from '@modelcontextprotocol/server'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'

/** What the tool `slow` does. */
export type Run = (call: { signal: AbortSignal, report: () => Promise<void> }) => Promise<string>

/** One way to serve MCP. */
export interface Way {
  mcp: NonNullable<McpOAuthOptions['mcp']>
  routes?: (app: FastifyInstance) => void
}

const content = (text: string) => ({ content: [{ type: 'text' as const, text }] })

function legacyServer (run: Run): McpServer {
  const server = new McpServer({ name: 'slow', version: '1.0.0' })
  server.registerTool('slow', {}, async ({ signal, sendNotification, _meta }) =>
    content(
      await run({
        signal,
        report: async () =>
          await sendNotification({
            method: 'notifications/progress',
            params: { progressToken: _meta?.progressToken ?? 0, progress: 1 }
          })
      })
    ))
  return server
}

/** A handler of the SDK 1.x with one session, whose calls are answered with event streams. */
export function sessionsOf (run: Run) {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID
  })
  const connected = legacyServer(run).connect(transport)
  return {
    fetch: async (request: Request, options: object) => {
      await connected
      return await transport.handleRequest(request, options)
    },
    close: async () => await transport.close()
  }
}

/** All ways to serve a tool `slow`. */
export function waysToServe (run: Run): Record<string, Way> {
  return {
    'a server': { mcp: { server: legacyServer(run) } },
    'a server per request': { mcp: { server: () => legacyServer(run) } },
    'a handler': {
      mcp: {
        handler: createMcpHandler(() => {
          const server = new ModernServer({ name: 'slow', version: '1.0.0' }, {
            capabilities: { tools: { listChanged: true } }
          })
          server.registerTool('slow', {}, async ({ mcpReq: { signal, notify, _meta } }) =>
            content(
              await run({
                signal,
                report: async () =>
                  await notify({
                    method: 'notifications/progress',
                    params: { progressToken: _meta?.progressToken ?? 0, progress: 1 }
                  })
              })
            ))
          return server
        })
      }
    },
    tools: {
      mcp: { tools: true },
      routes (app) {
        app.get('/slow', { schema: { operationId: 'slow' } }, async (request, reply) => {
          const closed = new AbortController()
          reply.raw.once('close', () => {
            if (!reply.raw.writableFinished) closed.abort()
          })
          return await run({
            signal: closed.signal,
            report: async () => {
              request.mcpProgress(1)
            }
          })
        })
      }
    }
  }
}

const versionMember = 'io.modelcontextprotocol/protocolVersion'

/** Headers and body of a call of `slow`, by era. */
export const eras = {
  '2025-11-25': (id: string, meta: object = {}) => ({
    headers: { 'mcp-protocol-version': '2025-11-25' },
    body: {
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'slow', arguments: {}, _meta: meta }
    }
  }),
  '2026-07-28': (id: string, meta: object = {}) => ({
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'slow'
    },
    body: {
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: {
        name: 'slow',
        arguments: {},
        _meta: {
          [versionMember]: '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
          ...meta
        }
      }
    }
  })
}
