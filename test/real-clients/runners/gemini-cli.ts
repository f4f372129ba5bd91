import type { Runner } from '../child.ts'
import { probes } from '../proxy.ts'

export const run: Runner = async ({ mcpUrl, load, begin }) => {
  const { coreEvents, CoreEvent, MCPOAuthProvider } = await load('@google/gemini-cli-core')
  coreEvents.on(CoreEvent.ConsentRequest, ({ onConfirm }: any) => onConfirm(true))
  for (const probe of Object.keys(probes)) {
    await begin(probe)
    await new MCPOAuthProvider().authenticate(probe, {}, mcpUrl).catch(() => {})
  }
  await begin('log in')
  const provider = new MCPOAuthProvider()
  await provider.authenticate('server', {}, mcpUrl)
  return { list: '', call: '' }
}
