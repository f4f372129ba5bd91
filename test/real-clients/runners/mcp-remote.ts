import type { Runner } from '../child.ts'
import { startProgram, stdioClient } from '../program.ts'
import { probes } from '../proxy.ts'

const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'application', version: '1.0.0' }
}

export const run: Runner = async (context) => {
  const start = (home: string) =>
    stdioClient(
      startProgram(context, home, ['mcp-remote/dist/proxy.js', context.mcpUrl, '--allow-http'])
    )
  for (const probe of Object.keys(probes)) {
    await context.begin(probe)
    await start(probe).request('initialize', initialize).catch(() => {})
  }
  await context.begin('log in')
  const client = start('home')
  await client.request('initialize', initialize)
  client.notify('notifications/initialized')
  await context.begin('list')
  const list = await client.request('tools/list')
  await context.begin('call')
  const call = await client.request('tools/call', { name: 'whoami', arguments: {} })
  await context.begin('refresh')
  await client.request('tools/list')
  return { list, call }
}
