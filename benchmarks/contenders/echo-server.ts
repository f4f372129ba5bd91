import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as ModernServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { echo } from '../frame/contender.ts'

const inputSchema = { text: z.string() }
const run = async ({ text }: { text: string }) => ({
  content: [{ type: 'text' as const, text: echo(text) }]
})

/** Creates the SDK 1.x server of all contenders that have one. */
export function createEchoServer (moreTools = 0): McpServer {
  const server = new McpServer({ name: 'echo', version: '1.0.0' })
  server.registerTool('echo', { inputSchema }, run)
  for (let number = 0; number < moreTools; number++) {
    server.registerTool(`tool-${number}`, { description: 'Does nothing', inputSchema }, run)
  }
  return server
}

/** Creates the SDK 2.x server of all contenders that have one. */
export function createModernEchoServer (): ModernServer {
  const server = new ModernServer({ name: 'echo', version: '1.0.0' })
  server.registerTool('echo', { inputSchema: z.object(inputSchema) }, run)
  return server
}
