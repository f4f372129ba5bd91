import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runner } from '../child.ts'
import { probes } from '../proxy.ts'

export const run: Runner = async ({ mcpUrl, folder, load, begin }) => {
  const core = '@google/gemini-cli-core/dist/src'
  const { connectToMcpServer } = await load(`${core}/tools/mcp-client.js`)
  const { MCPOAuthProvider } = await load(`${core}/mcp/oauth-provider.js`)
  const logIn = (name: string) => new MCPOAuthProvider().authenticate(name, {}, mcpUrl)
  const connect = () =>
    connectToMcpServer(
      '0.61.0',
      'server',
      { httpUrl: mcpUrl, oauth: { enabled: true } },
      false,
      { getDirectories: () => [], onDirectoriesChanged: () => () => {} },
      { emitMcpDiagnostic () {} }
    )
  for (const probe of Object.keys(probes)) {
    await begin(probe)
    await logIn(probe).catch(() => {})
  }
  await begin('log in')
  // It asks whether it may open a browser.
  process.stdin.push('y\n')
  await logIn('server')
  const client = await connect()
  await begin('list')
  const list = await client.listTools()
  await begin('call')
  const call = await client.callTool({ name: 'whoami', arguments: {} })
  // It refreshes tokens that expire soon, not those that are refused.
  const file = join(folder, '.gemini/mcp-oauth-tokens.json')
  const tokens = JSON.parse(await readFile(file, 'utf8'))
  for (const { token } of tokens) token.expiresAt = Date.now()
  await writeFile(file, JSON.stringify(tokens))
  await begin('refresh')
  await (await connect()).listTools()
  return { list, call }
}
