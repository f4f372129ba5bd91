import type { Runner } from '../child.ts'
import { runLibrary } from '../user.ts'

export const run: Runner = async (context) => {
  const { MCPServerStreamableHttp } = await context.load('@openai/agents-core')
  const { auth } = await context.load('@modelcontextprotocol/client')
  return await runLibrary(context, 'OpenAI Agents application', {
    async connect (authProvider) {
      const server = new MCPServerStreamableHttp({ url: context.mcpUrl, authProvider })
      await server.connect()
      return { list: () => server.listTools(), call: () => server.callTool('whoami', {}) }
    },
    finish: (user, callback) =>
      auth(user, {
        serverUrl: context.mcpUrl,
        authorizationCode: callback.get('code'),
        iss: callback.get('iss')
      })
  })
}
