import { randomInt } from 'node:crypto'
import { createServer } from 'node:http'

/**
 * A free port, for servers whose URL is needed before they listen. It is below the range of
 * ephemeral ports, so that no other process receives it meanwhile.
 */
export async function freePort (): Promise<number> {
  const port = randomInt(12_000, 32_000)
  const server = createServer()
  const free = await new Promise<boolean>(resolve => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!free) return await freePort()
  await new Promise(resolve => server.close(resolve))
  return port
}
