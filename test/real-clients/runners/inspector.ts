import type { Runner } from '../child.ts'
import { runProgram } from '../program.ts'
import { probes } from '../proxy.ts'

export const run: Runner = async (context) => {
  Object.assign(process.env, {
    MCP_AUTO_OPEN_ENABLED: 'true',
    MCP_INSPECTOR_SECRET_STORE: 'file'
  })
  const inspect = (home: string, ...args: string[]) =>
    runProgram(context, home, [
      '@modelcontextprotocol/inspector/clients/launcher/build/index.js',
      '--cli',
      ...['--server-url', context.mcpUrl, '--transport', 'http', '--format', 'json'],
      ...args
    ])
  for (const probe of Object.keys(probes)) {
    await context.begin(probe)
    await inspect(probe, '--method', 'tools/list').catch(() => {})
  }
  await context.begin('log in')
  const list = await inspect('home', '--method', 'tools/list')
  await context.begin('call')
  const call = await inspect('home', '--method', 'tools/call', '--tool-name', 'whoami')
  await context.begin('refresh')
  await inspect('home', '--method', 'tools/list')
  return { list, call }
}
