import type { Runner } from '../child.ts'
import { probes } from '../proxy.ts'

export const run: Runner = async ({ mcpUrl, folder, load, begin }) => {
  const { createRuntime } = await load('mcporter')
  const open = (home: string) =>
    createRuntime({
      rootDir: folder,
      servers: [{
        name: 'server',
        auth: 'oauth',
        tokenCacheDir: `${folder}/${home}`,
        command: { kind: 'http', url: new URL(mcpUrl) }
      }]
    })
  for (const probe of Object.keys(probes)) {
    await begin(probe)
    const runtime = await open(probe)
    await runtime.listTools('server').catch(() => {})
  }
  await begin('log in')
  const runtime = await open('home')
  const list = await runtime.listTools('server')
  await begin('call')
  const call = await runtime.callTool('server', 'whoami', { args: {} })
  await begin('refresh')
  await runtime.callTool('server', 'whoami', { args: {} })
  return { list, call }
}
