import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { redisStore } from '../../lib/store/redis.ts'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { whoami } from './guarded.ts'

// How does a server behave with a heap of 128 MB? Run as a process, this file is that server.

export interface SmallHeap {
  launch(options: McpOAuthOptions): Promise<string>
  /** Null while it runs. */
  exit(): string | number | null
}

const heap = '--max-old-space-size=128'

/** Runs a program with a heap of 128 MB. Resolves to its output. */
export async function runInSmallHeap (file: string): Promise<string> {
  const child = spawn(process.execPath, [
    heap,
    '--import',
    'tsx',
    new URL(file, import.meta.url).pathname
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (code !== 0) throw new Error(`${file} ended with code ${code}`)
  return printed
}

/** @param redis port of the Redis server. Default: the store in memory */
export function smallHeap (t: TestContext, redis?: number): SmallHeap {
  let exit: string | number | null = null
  return {
    exit: () => exit,
    async launch (options) {
      const child = fork(import.meta.filename, [
        JSON.stringify({ options: { ...options, mcp: undefined }, redis })
      ], { execArgv: [heap, '--import', 'tsx'] })
      child.once('exit', (code, signal) => {
        exit = signal ?? code
      })
      t.after(() => {
        child.kill('SIGKILL')
      })
      const [origin] = await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(() => {
          throw new Error('it did not start')
        })
      ])
      return origin as string
    }
  }
}

async function serve (
  { options, redis }: { options: McpOAuthOptions, redis?: number }
): Promise<void> {
  const app = Fastify({ requestTimeout: 30_000 })
  await app.register(mcpOAuth, {
    ...options,
    mcp: { server: whoami() },
    ...(redis !== undefined && { store: redisStore(new Redis(redis)) })
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  process.send?.(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
}

if (process.argv[1] === import.meta.filename) await serve(JSON.parse(process.argv[2] ?? ''))
