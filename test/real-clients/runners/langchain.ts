import type { Runner } from '../child.ts'
import { runLibrary } from '../user.ts'

export const run: Runner = async (context) => {
  const { MultiServerMCPClient } = await context.load('@langchain/mcp-adapters')
  const { auth } = await context.load('@modelcontextprotocol/sdk/client/auth.js')
  return await runLibrary(context, 'LangChain application', {
    async connect (authProvider) {
      const client = new MultiServerMCPClient({
        throwOnLoadError: true,
        mcpServers: { server: { transport: 'http', url: context.mcpUrl, authProvider } }
      })
      const tools = await client.getTools()
      const tool = tools.find(({ name }: { name: string }) => name === 'whoami')
      return {
        list: async () => tools.map(({ name }: { name: string }) => name),
        call: () => tool.invoke({})
      }
    },
    finish: (user, callback) =>
      auth(user, { serverUrl: context.mcpUrl, authorizationCode: callback.get('code') })
  })
}
