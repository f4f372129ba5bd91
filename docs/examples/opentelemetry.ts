import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ConsoleSpanExporter
} from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

// Before the app is ready. With @opentelemetry/sdk-node, its `start()` does all of this, and adds
// the propagators of traceparent and baggage.
const provider = new BasicTracerProvider({
  spanProcessors: [new BatchSpanProcessor(new ConsoleSpanExporter())]
})
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

export const app = Fastify({ logger: true })
app.addHook('onClose', () => provider.shutdown())

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  mcp: { tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async () => {
  // A child of the span of the call.
  return await trace.getTracer('notes').startActiveSpan('read notes', async span => {
    span.end()
    return []
  })
})

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
