import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { redisStore } from '../../lib/store/redis.ts'

// The process of one broker: its options without a store, and the port of a Redis.

const { redis, ...options } = JSON.parse(process.argv[2] ?? '') as McpOAuthOptions & {
  redis: number
}
const app = Fastify({ trustProxy: '127.0.0.1' })
await app.register(mcpOAuth, { ...options, store: redisStore(new Redis(redis, '127.0.0.1')) })
process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }))
