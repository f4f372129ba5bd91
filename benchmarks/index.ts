import { cpus } from 'node:os'
import { type Plan, measure } from './slices.ts'
import { table } from './table.ts'

// npm run bench [rounds] [seconds per slice]. About a minute and a half by default.

const [rounds = 5, seconds = 1] = process.argv.slice(2).map(Number)

const call = {
  rounds,
  seconds,
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'echo', arguments: { text: 'hello' } }
  }),
  expected: 'You said hello'
}

const plans: Record<string, Plan> = {
  'tools/call of an echo tool, without a guard': {
    ...call,
    contenders: {
      'SDK on Express, stateless as documented': ['express-stateless'],
      'this plugin, a server per request': ['server', 'per-request'],
      'this plugin, a route as the tool': ['tools'],
      'this plugin, one McpServer': ['server'],
      'floor: a route without any MCP server': ['floor']
    }
  },
  'the guard, on one McpServer': {
    ...call,
    contenders: {
      'no guard': ['guard', 'none'],
      'a token seen before': ['guard', 'known'],
      'a new token every time (RS256)': ['guard', 'unknown']
    }
  }
}

console.log(
  `Node ${process.version}, ${cpus().length} × ${
    cpus()[0]?.model ?? 'CPU'
  }, ${rounds} rounds of ${seconds} s`
)
for (const [title, plan] of Object.entries(plans)) {
  const measured = await measure(plan)
  console.log(`\n### ${title}\n\n${table(measured)}`)
}
