import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runner } from '../child.ts'
import { startModel } from '../model.ts'
import { runProgram } from '../program.ts'
import { probes } from '../proxy.ts'

const program = '@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex'

export const run: Runner = async (context) => {
  const { origin, seen } = await startModel()
  const codex = async (home: string, ...args: string[]) => {
    const folder = join(context.folder, home, '.codex')
    await mkdir(folder, { recursive: true })
    await writeFile(
      join(folder, 'config.toml'),
      `
model = "model"
model_provider = "scripted"
approval_policy = "never"
check_for_update_on_startup = false
mcp_oauth_credentials_store = "file"
analytics.enabled = false

[model_providers.scripted]
name = "scripted"
base_url = "${origin}/v1"
wire_api = "responses"

[mcp_servers.server]
url = "${context.mcpUrl}"
`
    )
    return await runProgram(context, home, [program, ...args])
  }
  for (const probe of Object.keys(probes)) {
    await context.begin(probe)
    await codex(probe, 'mcp', 'login', 'server').catch(() => {})
  }
  await context.begin('log in')
  await codex('home', 'mcp', 'login', 'server')
  const prompt = () => codex('home', 'exec', '--skip-git-repo-check', 'Call the tool whoami.')
  await context.begin('call')
  await prompt()
  const { tools: list, result: call } = seen
  await context.begin('refresh')
  await prompt()
  return { list, call }
}
