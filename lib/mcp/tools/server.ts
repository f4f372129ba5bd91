/** How are routes served as tools? With a server of the SDK 1.x, which only this file loads. */

import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { rpcCode } from '../rpc/types.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'
import type { Config } from '../../options/config.ts'
import type { SdkServer } from '../../options/mcp.ts'
import type { ToolCollection } from './collect.ts'

export type ToolServerOptions = Pick<Config['mcp'], 'name' | 'version' | 'instructions'>

/** Creates an SDK 1.x server whose tools are routes. Apps without such tools never load the SDK. */
export async function createToolServer (
  { name, version, instructions }: ToolServerOptions,
  collection: ToolCollection
): Promise<SdkServer> {
  const [{ Server }, { CallToolRequestSchema, ListToolsRequestSchema, McpError }] = await Promise
    .all([
      import('@modelcontextprotocol/sdk/server/index.js'),
      import('@modelcontextprotocol/sdk/types.js')
    ])
  const server = new Server({ name, version }, {
    capabilities: { tools: {} },
    ...(instructions !== undefined && { instructions })
  })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...collection.tools] }))
  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params }, { requestInfo, signal }): Promise<CallToolResult> => {
      const caller = { ...requestInfo as RequestInfo, signal }
      const result = await collection.call(params.name, params.arguments ?? {}, caller)
      if (result === null) throw new McpError(rpcCode.invalidParams, 'Unknown tool')
      return result
    }
  )
  return server
}
