import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { redisStore } from '../../lib/store/redis.ts'
import { mcpOAuth } from '../../lib/index.ts'
import { announce } from '../frame/contender.ts'
import { brokerOptions, type InstanceOrder } from './order.ts'

// The process of one broker, which shares an address, a secret and perhaps a store with others.

const { port, publicUrl, issuer, redis } = JSON.parse(process.argv[2] ?? '') as InstanceOrder

const app = Fastify()
await app.register(mcpOAuth, {
  ...brokerOptions,
  issuer,
  publicUrl,
  mcp: { tools: true },
  ...(redis !== null && { store: redisStore(new Redis(redis, '127.0.0.1')) })
})
app.get('/whoami', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'whoami', summary: 'Says who is calling' }
}, async ({ mcpAuth }) => ({ subject: mcpAuth?.subject ?? null }))

await app.listen({ host: '127.0.0.1', port })
announce(publicUrl)
