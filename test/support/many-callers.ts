import { Readable } from 'node:stream'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'

// Run as a process, this is a server whose tools have the largest answers.

const limit = 4 * 1024 * 1024
const app = Fastify()
await app.register(mcpOAuth, { auth: false, mcp: { tools: { answerLimit: limit } } })

/** Each character is six in JSON, so that the result of a tool is six times as large. */
const escaped = Buffer.alloc(limit, 1)
const answers: Record<string, () => unknown> = {
  buffer: () => escaped,
  streamed: () => Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(limit / 64, 'x'))),
  over: () => Buffer.alloc(16 * limit),
  streamedOver: () => {
    let sent = 0
    return new Readable({
      read () {
        sent += 65_536
        this.push(sent > 150 * limit ? null : Buffer.alloc(65_536, 'x'))
      }
    })
  },
  small: () => 'ok'
}
for (const [operationId, answer] of Object.entries(answers)) {
  app.get(
    `/${operationId}`,
    { schema: { operationId } as object },
    async (_request, reply) => reply.type('text/plain').send(answer())
  )
}
await app.listen({ host: '127.0.0.1', port: 0 })
process.send?.(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
