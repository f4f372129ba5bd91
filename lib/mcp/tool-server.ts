import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js'
import type { McpAuth } from '../contracts.ts'
import { rpcCode } from './call.ts'
import type { RequestInfo } from './multiplex.ts'
import type { SdkServer } from '../schemas/options.ts'
import type { ToolCollection } from './tools.ts'

/** Whether a caller may see and call a tool. */
export type ToolVisibility = (tool: Tool, authInfo: McpAuth | undefined) => boolean

export interface ToolServerOptions {
  name: string
  version: string
  /** Told to the model by clients that do. */
  instructions?: string | undefined
}

/**
 * An SDK 1.x server whose tools are routes. A tool that is not `visible` to a caller does not exist for them.
 * The SDK is loaded here and only here, so that apps without tools of this kind never load it.
 */
export async function createToolServer (
  { name, version, instructions }: ToolServerOptions, collection: ToolCollection, visible: ToolVisibility = () => true
): Promise<SdkServer> {
  const [{ Server }, { CallToolRequestSchema, ListToolsRequestSchema, McpError }] = await Promise.all([
    import('@modelcontextprotocol/sdk/server/index.js'),
    import('@modelcontextprotocol/sdk/types.js')
  ])
  const tools = new Map(collection.tools.map((tool) => [tool.name, tool]))
  const server = new Server({ name, version }, { capabilities: { tools: {} }, ...(instructions !== undefined && { instructions }) })

  server.setRequestHandler(ListToolsRequestSchema, (_request, { authInfo }) => (
    { tools: collection.tools.filter((tool) => visible(tool, authInfo as McpAuth | undefined)) }
  ))

  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { authInfo, requestInfo, signal }): Promise<CallToolResult> => {
    const tool = tools.get(params.name)
    const known = tool !== undefined && visible(tool, authInfo as McpAuth | undefined)
    const { headers, remoteAddress } = requestInfo as RequestInfo
    const result = known ? await collection.call(params.name, params.arguments ?? {}, { headers, remoteAddress, signal }) : null
    if (result === null) throw new McpError(rpcCode.invalidParams, 'Unknown tool')
    return result
  })
  return server
}
