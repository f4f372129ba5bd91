import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { rpcCode } from '../rpc/types.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'
import type { SdkServer } from '../../options/schema.ts'
import type { ToolCollection } from './collect.ts'

export interface ToolServerOptions {
  name: string
  version: string
  /** Told to the model by clients that do. */
  instructions?: string | undefined
}

/**
 * An SDK 1.x server whose tools are routes. The SDK is loaded here and only here, so that apps
 * without tools of this kind never load it.
 */
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
      const { headers, remoteAddress, proof } = requestInfo as RequestInfo
      const result = await collection.call(params.name, params.arguments ?? {}, {
        headers,
        remoteAddress,
        signal,
        proof
      })
      if (result === null) throw new McpError(rpcCode.invalidParams, 'Unknown tool')
      return result
    }
  )
  return server
}
