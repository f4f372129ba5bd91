import type { Context, Report, Runner } from '../child.ts'
import { runLibrary } from '../user.ts'

export const run: Runner = context => runAiSdk(context, '@ai-sdk/mcp')

export async function runAiSdk (context: Context, name: string): Promise<Report> {
  const { auth, createMCPClient } = await context.load(name)
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
