import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Redis } from 'ioredis'
import type { Store } from '../../lib/contracts.ts'
import { memoryStore } from '../../lib/broker/store/memory.ts'
import { redisStore } from '../../lib/broker/store/redis.ts'

/** The stores that tests of shared state run on: in memory, and in Redis where there is one. */
export const stores: Array<[name: string, open: (t: TestContext) => Promise<Store>]> = [
  ['memory', async () => memoryStore()]
]

// Where it must not be missing, it fails instead of passing unseen.
if (process.env['CI'] || spawnSync('redis-server', ['--version']).status === 0) stores.push(['redis', openRedis])

async function openRedis (t: TestContext): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const socket = join(folder, 'redis.sock')
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(server, 'exit')
  for await (const output of server.stdout) if (/eady to accept connections/.test(String(output))) break
  server.stdout.resume()
  const client = new Redis(socket)
  client.on('error', () => {})
  await once(client, 'ready')
  t.after(async () => {
    client.disconnect()
    server.kill('SIGKILL')
    await gone
    rmSync(folder, { recursive: true, force: true })
  })
  return redisStore(client)
}
