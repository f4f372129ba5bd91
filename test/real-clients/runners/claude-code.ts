import type { Runner } from '../child.ts'
import { startModel } from '../model.ts'
import { runProgram, terminalOf } from '../program.ts'
import { probes } from '../proxy.ts'

const program = '@anthropic-ai/claude-code-linux-x64/claude'

export const run: Runner = async (context) => {
  const { origin, seen } = await startModel()
  Object.assign(process.env, {
    ANTHROPIC_API_KEY: 'none',
    ANTHROPIC_BASE_URL: origin,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    // The model is offered every tool in its first request.
    ENABLE_TOOL_SEARCH: 'false'
  })
  const claude = (home: string, ...args: string[]) => runProgram(context, home, [program, ...args])
  const add = (home: string) =>
    claude(home, 'mcp', 'add', '--scope=user', '--transport=http', 'server', context.mcpUrl)
  const logIn = (home: string) =>
    runProgram(context, home, terminalOf(context, [program, 'mcp', 'login', 'server']))
  for (const probe of Object.keys(probes)) {
    await context.begin(probe)
    await add(probe)
    await logIn(probe).catch(() => {})
  }
  await context.begin('log in')
  await add('home')
  // It connects, and reports that a login is needed.
  await claude('home', 'mcp', 'list')
  await logIn('home')
  const prompt = () =>
    claude('home', '--print', '--allowedTools=mcp__server__whoami', 'Call the tool whoami.')
  await context.begin('call')
  await prompt()
  const { tools: list, result: call } = seen
  await context.begin('refresh')
  await prompt()
  return { list, call }
}
