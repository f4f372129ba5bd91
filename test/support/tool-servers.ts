import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js'
import {
  McpServer as McpServer2,
  ProtocolError,
  createMcpHandler
} from '@modelcontextprotocol/server'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { McpOAuthOptions } from '../../lib/index.ts'

// One tool, `act`, behind each kind of server. Its argument says how the call ends: `ok`, `fails`
// (a result with isError), `throws` (a JSON-RPC error), `tells` (a stream), `waits` (until it is
// cancelled).

export interface ToolServer {
  mcp: NonNullable<McpOAuthOptions['mcp']>
  routes?: (app: FastifyInstance) => void
}

/** @param onWait is called when a call waits */
export const toolServers: Record<string, (onWait: () => void) => ToolServer> = {
  'routes as tools': onWait => ({
    mcp: { tools: true },
    routes (app) {
      const querystring = { type: 'object', properties: { how: { type: 'string' } } }
      app.get<{ Querystring: { how: string } }>(
        '/act',
        { schema: { operationId: 'act', querystring } },
        async (request, reply) => {
          const { how } = request.query
          if (how === 'tells') request.mcpProgress(1)
          if (how === 'waits') {
            onWait()
            await new Promise(resolve => reply.raw.once('close', resolve))
          }
          return how === 'fails' || how === 'throws' ? reply.code(500).send() : 'done'
        }
      )
    }
  }),
  'a server of the SDK 1.x': onWait => ({ mcp: { server: sdk1(onWait) } }),
  'a server of the SDK 1.x for each request': onWait => ({ mcp: { server: () => sdk1(onWait) } }),
  'a handler of the SDK 2.x': onWait => ({
    mcp: { handler: createMcpHandler(() => sdk2(onWait)) }
  })
}

const done = { content: [{ type: 'text' as const, text: 'done' }] }

const aborted = (signal: AbortSignal) =>
  new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })

function sdk1 (onWait: () => void) {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool('act', { inputSchema: { how: z.string() } }, async ({ how }, extra) => {
    const { signal, sendNotification, _meta: { progressToken = 0 } = {} } = extra
    if (how === 'throws') throw new McpError(ErrorCode.UrlElicitationRequired, 'thrown')
    const progress = { progressToken, progress: 1 }
    if (how === 'tells') {
      await sendNotification({ method: 'notifications/progress', params: progress })
    }
    if (how === 'waits') {
      onWait()
      await aborted(signal)
    }
    return { ...done, isError: how === 'fails' }
  })
  return server
}

function sdk2 (onWait: () => void) {
  const server = new McpServer2({ name: 'test', version: '1.0.0' })
  server.registerTool(
    'act',
    { inputSchema: z.object({ how: z.string() }) },
    async ({ how }, { mcpReq: { signal, notify, _meta: { progressToken = 0 } = {} } }) => {
      if (how === 'throws') throw new ProtocolError(ErrorCode.UrlElicitationRequired, 'thrown')
      const params = { progressToken, progress: 1 }
      if (how === 'tells') await notify({ method: 'notifications/progress', params })
      if (how === 'waits') {
        onWait()
        await aborted(signal)
      }
      return { ...done, isError: how === 'fails' }
    }
  )
  return server
}
