/** Which MCP server has the routes as tools? */

import { quoted } from '../../errors.ts'
import type { Config } from '../../options/config.ts'
import type { SdkServer } from '../../options/mcp.ts'
import { resourceNotFound, rpcCode } from '../rpc/messages.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'
import type { ToolCollection } from './collect.ts'
import type { Caller } from './in-process.ts'
import { CallError } from './request.ts'

/**
 * Creates an SDK 1.x server whose tools and resources are routes. Apps without them never load the
 * SDK.
 */
export async function createToolServer (
  { name, version, instructions }: Config['mcp'],
  { tools, call, resources }: ToolCollection
): Promise<SdkServer> {
  const { Server } = await import('@modelcontextprotocol/sdk/server/index.js')
  const schemas = await import('@modelcontextprotocol/sdk/types.js')
  const { CallToolRequestSchema, ListToolsRequestSchema, McpError } = schemas
  const hasResources = resources.list.length + resources.templates.length > 0
  const server = new Server({ name, version }, {
    capabilities: { tools: {}, ...(hasResources && { resources: {} }) },
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
      if (result === null) {
        throw new McpError(rpcCode.invalidParams, `Unknown tool: ${quoted(params.name)}`)
      }
      return result
    }
  )
  if (!hasResources) return server
  server.setRequestHandler(schemas.ListResourcesRequestSchema, () => ({
    resources: resources.list
  }))
  server.setRequestHandler(schemas.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: resources.templates
  }))
  server.setRequestHandler(
    schemas.ReadResourceRequestSchema,
    async ({ params: { uri } }, { requestInfo, signal }) => {
      const caller = { ...requestInfo as RequestInfo, signal }
      const result = await resources.read(uri, caller).catch(error => {
        if (!(error instanceof CallError)) throw error
        throw new McpError(rpcCode.internalError, error.message)
      })
      if (result === null) throw new McpError(resourceNotFound, 'Resource not found', { uri })
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
