import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { waysToServe, type Way } from './ways.ts'

// The process of an instance, whose tool takes two seconds. It ends by itself after SIGTERM.

const { way, port } = JSON.parse(process.argv[2] ?? '') as { way: string, port: number }
const { mcp, routes } = waysToServe(async () => {
  await sleep(2_000)
  return 'done'
})[way] as Way
const app = Fastify()
app.addHook('onRequest', async ({ headers }) => {
  if (headers['x-counted'] !== undefined) process.send?.('arrived')
})
await app.register(mcpOAuth, { auth: false, mcp })
routes?.(app)
process.once('SIGTERM', () => {
  process.disconnect()
  app.close()
})
await app.listen({ host: '127.0.0.1', port })
process.send?.('ready')
