import { cpus } from 'node:os'
import { type Plan, measure } from './slices.ts'
import { table } from './table.ts'

// npm run bench [rounds] [seconds per slice]. About a minute and a half by default.

const [rounds = 5, seconds = 1] = process.argv.slice(2).map(Number)

const params = { name: 'echo', arguments: { text: 'hello' } }
const callOf = (more: object) => ({
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { ...params, ...more }
  })
})
const modern = {
  ...callOf({
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {}
    }
  }),
  headers: {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'echo'
  }
}
const call = { rounds, seconds, call: callOf({}), expected: 'You said hello' }

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
  'clients of MCP 2026-07-28, without a guard': {
    ...call,
    contenders: {
      'SDK on Express, stateless as documented (an earlier client)': ['express-stateless'],
      'one McpServer, an earlier client': ['server'],
      'one McpServer, a modern client': ['server', '', modern],
      'a route as the tool, an earlier client': ['tools'],
      'a route as the tool, a modern client': ['tools', '', modern]
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
