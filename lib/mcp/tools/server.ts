/** Which MCP server has the routes as tools? */

import type { CallToolRequest, ProgressNotification } from '@modelcontextprotocol/sdk/types.js'
import { quoted } from '../../errors.ts'
import type { Config } from '../../options/config.ts'
import type { SdkServer } from '../../options/mcp.ts'
import { resourceNotFound, rpcCode } from '../rpc/messages.ts'
import { Cancellation } from '../../util/cancellation.ts'
import { replyOf } from '../servers/direct-call.ts'
import type { DirectCall, RequestInfo } from '../servers/multiplexer.ts'
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
): Promise<{ server: SdkServer, direct: DirectCall }> {
  const { Server } = await import('@modelcontextprotocol/sdk/server/index.js')
  const schemas = await import('@modelcontextprotocol/sdk/types.js')
  const { CallToolRequestSchema, ListToolsRequestSchema, McpError } = schemas
  const hasResources = resources.list.length + resources.templates.length > 0
  const server = new Server({ name, version }, {
    capabilities: { tools: {}, ...(hasResources && { resources: {} }) },
    ...(instructions && { instructions })
  })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }))
  async function callTool (
    { name, arguments: args = {}, _meta: meta }: CallToolRequest['params'],
    requestInfo: RequestInfo,
    cancellation: Cancellation,
    notify: (notification: ProgressNotification) => Promise<void>
  ) {
    const token = meta?.progressToken
    const progress = token === undefined
      ? undefined
      : reportProgress(progress =>
        notify({
          method: 'notifications/progress',
          params: { progressToken: token, ...progress }
        })
      )
    const { headers, remoteAddress, proof } = requestInfo
    const caller = { headers, remoteAddress, proof, cancellation, progress }
    const result = await call(name, args, caller)
    if (result !== null) return result
    throw new McpError(rpcCode.invalidParams, `Unknown tool: ${quoted(name)}`)
  }
  // For calls in batches.
  server.setRequestHandler(
    CallToolRequestSchema,
    ({ params }, { requestInfo, signal, sendNotification }) =>
      callTool(
        params,
        requestInfo as RequestInfo,
        Cancellation.from(signal),
        sendNotification
      )
  )
  const direct: DirectCall = ({ params }, key, { requestInfo }, cancellation) =>
    replyOf(
      key,
      () =>
        callTool(params as CallToolRequest['params'], requestInfo, cancellation, async message => {
          if (cancellation.isCancelled) return
          await server.notification(message, { relatedRequestId: key })
        })
    )
  if (!hasResources) return { server, direct }
  server.setRequestHandler(schemas.ListResourcesRequestSchema, () => ({
    resources: resources.list
  }))
  server.setRequestHandler(schemas.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: resources.templates
  }))
  server.setRequestHandler(
    schemas.ReadResourceRequestSchema,
    async ({ params: { uri } }, { requestInfo, signal }) => {
      const caller = { ...requestInfo as RequestInfo, cancellation: Cancellation.from(signal) }
      const result = await resources.read(uri, caller).catch(error => {
        if (!(error instanceof CallError)) throw error
        throw new McpError(rpcCode.internalError, error.message)
      })
      if (result === null) throw new McpError(resourceNotFound, 'Resource not found', { uri })
      return result
    }
  )
  return { server, direct }
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
