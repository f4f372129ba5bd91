import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'
import { redisStore } from 'fastify-mcp-oauth/redis'
import { Redis } from 'ioredis'

export const app = Fastify({ logger: true })

// Connects with the first command. Without a limit, commands would wait for a lost connection
// instead of failing.
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', {
  lazyConnect: true,
  maxRetriesPerRequest: 1
})
redis.on('error', (err) => app.log.error({ err }, 'Redis'))
app.addHook('onClose', async () => redis.disconnect())

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  publicUrl: 'https://mcp.example.com',
  // The same on every instance. While it is replaced: first [old, new], then [new, old].
  secret: process.env.MCP_OAUTH_SECRET,
  store: redisStore(redis),
  mcp: { tools: true }
})

app.get('/items', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listItems', summary: 'Lists the items' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
