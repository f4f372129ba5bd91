import type { Runner } from '../child.ts'
import { connectionOf, runLibrary } from '../user.ts'

export const run: Runner = async (context) => {
  const { Client } = await context.load('@modelcontextprotocol/sdk/client/index.js')
  const { StreamableHTTPClientTransport } = await context.load(
    '@modelcontextprotocol/sdk/client/streamableHttp.js'
  )
  let transport: any
  return await runLibrary(context, 'SDK 1.x application', {
    async connect (authProvider) {
      transport = new StreamableHTTPClientTransport(new URL(context.mcpUrl), { authProvider })
      return await connectionOf(new Client({ name: 'application', version: '1.0.0' }), transport)
    },
    finish: (_user, callback) => transport.finishAuth(callback.get('code'))
  })
}
