import type { Context, Report, Runner } from '../child.ts'
import { connectionOf, runLibrary } from '../user.ts'

export const run: Runner = context => runSdk2(context, {})

export async function runSdk2 (context: Context, options: object): Promise<Report> {
  const { Client, StreamableHTTPClientTransport } = await context.load(
    '@modelcontextprotocol/client'
  )
  let transport: any
  return await runLibrary(context, 'SDK 2.x application', {
    async connect (authProvider) {
      transport = new StreamableHTTPClientTransport(new URL(context.mcpUrl), { authProvider })
      const client = new Client({ name: 'application', version: '1.0.0' }, options)
      return await connectionOf(client, transport)
    },
    finish: (_user, callback) => transport.finishAuth(callback)
  })
}
