import type { Runner } from '../child.ts'
import { runLibrary } from '../user.ts'

export const run: Runner = async (context) => {
  const { auth, createMCPClient } = await context.load('@ai-sdk/mcp')
  return await runLibrary(context, 'AI SDK application', {
    async connect (user) {
      const client = await createMCPClient({
        transport: { type: 'http', url: context.mcpUrl, authProvider: user }
      })
      const { whoami } = await client.tools()
      return { list: () => client.listTools(), call: () => whoami.execute({}, {}) }
    },
    finish: (user, callback) =>
      auth(user, {
        serverUrl: context.mcpUrl,
        authorizationCode: callback.get('code'),
        callbackState: callback.get('state'),
        callbackIssuer: callback.get('iss')
      })
  })
}
