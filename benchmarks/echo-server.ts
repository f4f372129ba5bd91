import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'
import { echo } from './contender.ts'

/** Creates the SDK 1.x server of all contenders that have one. */
export function createEchoServer (): McpServer {
  const server = new McpServer({ name: 'echo', version: '1.0.0' })
  server.registerTool(
    'echo',
    { inputSchema: { text: z.string() } },
    async ({ text }) => ({ content: [{ type: 'text', text: echo(text) }] })
  )
  return server
}
