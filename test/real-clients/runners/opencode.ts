import type { Runner } from '../child.ts'
import { startModel } from '../model.ts'
import { runProgram } from '../program.ts'
import { probes } from '../proxy.ts'

export const run: Runner = async (context) => {
  const { origin, seen } = await startModel()
  Object.assign(process.env, {
    OPENCODE_DISABLE_AUTOUPDATE: 'true',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: 'true',
    OPENCODE_DISABLE_LSP_DOWNLOAD: 'true',
    OPENCODE_DISABLE_MODELS_FETCH: 'true',
    OPENCODE_CONFIG_CONTENT: JSON.stringify({
      autoupdate: false,
      share: 'disabled',
      mcp: { server: { type: 'remote', url: context.mcpUrl } },
      model: 'scripted/model',
      provider: {
        scripted: {
          npm: '@ai-sdk/openai-compatible',
          options: { baseURL: `${origin}/v1`, apiKey: 'none' },
          models: { model: { tool_call: true } }
        }
      }
    })
  })
  const opencode = (home: string, ...args: string[]) =>
    runProgram(context, home, ['opencode-linux-x64/bin/opencode', ...args])
  for (const probe of Object.keys(probes)) {
    await context.begin(probe)
    await opencode(probe, 'mcp', 'auth', 'server')
  }
  await context.begin('log in')
  await opencode('home', 'mcp', 'auth', 'server')
  await context.begin('call')
  await opencode('home', 'run', 'Call the tool whoami.')
  const { tools: list, result: call } = seen
  await context.begin('refresh')
  await opencode('home', 'run', 'Call the tool whoami.')
  return { list, call }
}
