import { createWriteStream } from 'node:fs'
import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

// Lines are only ever added. Give the directory to a user who may not change files.
const audit = createWriteStream(process.env.AUDIT_LOG ?? 'audit.log', { flags: 'a', mode: 0o600 })
audit.on('error', err => app.log.error({ err }, 'Could not write the audit log'))
app.addHook('onClose', () => new Promise(resolve => audit.end(resolve)))

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  mcp: { tools: true },
  onEvent (event) {
    audit.write(`${JSON.stringify({ ...event, time: new Date(event.time).toISOString() })}\n`)
  }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async () => [])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
