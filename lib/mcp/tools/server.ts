/** Which MCP server has the routes as tools? */

import type { Config } from '../../options/config.ts'
import type { SdkServer } from '../../options/mcp.ts'
import { rpcCode } from '../rpc/messages.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'
import type { Caller } from './call.ts'
import type { ToolCollection } from './collect.ts'

/** Creates an SDK 1.x server whose tools are routes. Apps without such tools never load the SDK. */
export async function createToolServer (
  { name, version, instructions }: Config['mcp'],
  { tools, call }: ToolCollection
): Promise<SdkServer> {
  const { Server } = await import('@modelcontextprotocol/sdk/server/index.js')
  const { CallToolRequestSchema, ListToolsRequestSchema, McpError } = await import(
    '@modelcontextprotocol/sdk/types.js'
  )
  const server = new Server({ name, version }, {
    capabilities: { tools: {} },
    ...(instructions && { instructions })
  })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }))
  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params }, { requestInfo, signal, sendNotification }) => {
      const token = params._meta?.progressToken
      const progress = token === undefined
        ? undefined
        : reportProgress(progress =>
          sendNotification({
            method: 'notifications/progress',
            params: { progressToken: token, ...progress }
          })
        )
      const caller = { ...requestInfo as RequestInfo, signal, progress }
      const result = await call(params.name, params.arguments ?? {}, caller)
      if (result === null) throw new McpError(rpcCode.invalidParams, 'Unknown tool')
      return result
    }
  )
  return server
}

/** Progress must increase (MCP, "Progress"), and clients reject notifications that are invalid. */
function reportProgress (
  send: (progress: { progress: number, total?: number, message?: string }) => Promise<void>
): Caller['progress'] {
  let last = -Infinity
  return (done, total, message) => {
    if (!Number.isFinite(done) || done <= last) return
    last = done
    send({
      progress: done,
      ...(Number.isFinite(total) && { total: Number(total) }),
      ...(typeof message === 'string' && { message })
    }).catch(() => {})
  }
}
