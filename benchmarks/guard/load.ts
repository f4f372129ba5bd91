import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { stayAwake } from '../frame/start.ts'
import type { Order } from './compare.ts'

// The process that sends the requests: ready-made bytes over kept-alive connections, so that it
// costs the machine little beside the server. It receives an order, and returns the number of
// responses by status.

const connections = 16

process.on('message', async ({ port, requests, count }: Order) => {
  const statuses: Record<string, number> = {}
  let sent = 0
  const sleep = stayAwake()
  await Promise.all(Array.from({ length: connections }, async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    await once(socket, 'connect')
    const responses = readResponses(socket)
    while (sent < count) {
      socket.write(requests[sent++ % requests.length] ?? '')
      const status = await responses()
      statuses[status] = (statuses[status] ?? 0) + 1
    }
    socket.destroy()
  }))
  sleep()
  process.send?.(statuses)
})

/** Returns a function that resolves to the status of the next response of a connection. */
function readResponses (socket: Socket): () => Promise<string> {
  let received = ''
  let resolve = (_status: string): void => {}
  let reject = (_error: Error): void => {}
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
    const end = received.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = received.slice(0, end)
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
    const isChunked = /\r\ntransfer-encoding: chunked/i.test(head)
    const isComplete = isChunked
      ? received.endsWith('0\r\n\r\n')
      : received.length >= end + 4 + Number(length ?? 0)
    if (!isComplete) return
    received = ''
    resolve(head.slice(9, 12))
  }).on('close', () => reject(new Error(`The connection was closed: ${received}`)))
  return () =>
    new Promise((...functions) => {
      ;[resolve, reject] = functions
    })
}
