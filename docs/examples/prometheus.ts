import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthEvent } from 'fastify-mcp-oauth'
import { Counter, Histogram, Registry } from 'prom-client'

export const registry = new Registry()
const registers = [registry]

const events = new Counter({
  name: 'mcp_oauth_events_total',
  help: 'Logins, tokens, refusals and faults',
  labelNames: ['type', 'error'],
  registers
})
const calls = new Histogram({
  name: 'mcp_tool_call_seconds',
  help: 'Calls of tools',
  labelNames: ['tool', 'outcome'],
  buckets: [0.01, 0.05, 0.25, 1, 5, 30],
  registers
})

// Each value of a label is a series. Clients choose the names that they call, and users, clients
// and addresses have no bound: those belong in the audit log.
const tools = new Set<string>()
const labelOf = (tool: string, isTool: boolean) => {
  if (isTool && tools.size < 100) tools.add(tool)
  return tools.has(tool) ? tool : 'other'
}

function count (event: McpOAuthEvent) {
  events.inc({ type: event.type, error: 'error' in event ? event.error : '' })
  if (event.type !== 'tool.called') return
  const { tool, outcome, ms } = event
  calls.observe({ tool: labelOf(tool, outcome === 'ok'), outcome }, ms / 1000)
}

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  mcp: { tools: true },
  onEvent: count
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async () => [])

// Serve it on a port of its own if strangers reach this one.
app.get(
  '/metrics',
  { config: { mcp: false } },
  async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics())
)

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
