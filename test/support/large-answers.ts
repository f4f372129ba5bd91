import { Readable } from 'node:stream'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'

// Calls tools with the largest answers, and prints the most memory that the process had, in bytes.

const size = 600 * 1024 * 1024
const app = Fastify()
await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
app.get('/streamed', { schema: { operationId: 'streamed' } as object }, async () => {
  let sent = 0
  return new Readable({
    read () {
      sent += 65_536
      this.push(sent > size ? null : Buffer.alloc(65_536, 'x'))
    }
  })
})
app.get('/whole', { schema: { operationId: 'whole' } as object }, async () => Buffer.alloc(size))
app.get('/fits', { schema: { operationId: 'fits' } as object }, async () => ({
  text: 'x'.repeat(4_000_000)
}))

async function call (name: string, isTooLarge: boolean): Promise<void> {
  const { body } = await app.inject({
    method: 'POST',
    url: '/mcp',
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }
  })
  if (body.includes('too large') !== isTooLarge) throw new Error(body.slice(0, 500))
}

await call('streamed', true)
await Promise.all(Array.from({ length: 8 }, () => call('fits', false)))
await Promise.all(Array.from({ length: 8 }, () => call('streamed', true)))
await call('whole', true)
process.stdout.write(String(process.resourceUsage().maxRSS * 1024))
await app.close()
