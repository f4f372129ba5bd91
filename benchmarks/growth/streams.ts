import type { AddressInfo } from 'node:net'
import { mcpOAuth } from '../../lib/index.ts'
import { createEchoServer } from '../contenders/echo-server.ts'
import { audience } from '../frame/issuer.ts'
import Fastify from 'fastify'
import { call, issuer, mint, send } from './requests.ts'

// A process with event streams that stay open, at `GET /streams/mcp`. It tells its port and a
// token. Asked for a number of calls it returns the CPU time of one; asked for none, that of a
// second without calls. Both are in microseconds.

const opening = new TextEncoder().encode(': open\n\n')
const fetch = async () =>
  new Response(new ReadableStream({ start: controller => controller.enqueue(opening) }), {
    headers: { 'content-type': 'text/event-stream' }
  })
const token = await mint()
const app = Fastify()
await app.register(mcpOAuth, { issuer, audience, mcp: { server: createEchoServer() } })
await app.register(mcpOAuth, { issuer, audience, prefix: '/streams', mcp: { handler: { fetch } } })
await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })

process.on('message', async (count: number) => {
  const before = process.cpuUsage()
  if (count > 0) await send(app, count, () => call(token))
  else await new Promise(resolve => setTimeout(resolve, 1_000))
  const { user, system } = process.cpuUsage(before)
  process.send?.((user + system) / (count || 1))
})
process.on('disconnect', () => process.exit())
process.send?.({ port: (app.server.address() as AddressInfo).port, token })
