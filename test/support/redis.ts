import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Store } from '../../lib/types.ts'
import type { Cleanup } from './app.ts'
import { redisStore } from '../../lib/store/redis.ts'
import { freePort } from './broker.ts'

/** A client of Redis. */
export const servers = ['redis-server', 'valkey-server'] as const

export type Server = typeof servers[number]

const missing = Object.fromEntries(
  servers.map(
    server => [
      server,
      spawnSync(server, ['--version']).status !== 0 &&
      `${server} is missing: apt-get install ${server}`
    ]
  )
) as Record<Server, string | false>

/**
 * The reason why tests that need a server are skipped on a developer's machine. In continuous
 * integration they fail instead.
 */
export const skipWithout = (server: Server): string | false =>
  process.env['CI'] !== 'true' && missing[server]

export const skip = skipWithout('redis-server')

export interface RedisServer {
  port: number
  process: ChildProcess
}

interface Spawned {
  child: ChildProcess
  exited: Promise<unknown>
  folder: string
}

/** A server without persistence, ready for commands. */
async function spawnRedis (server: Server, args: string[]): Promise<Spawned> {
  if (missing[server]) throw new Error(missing[server])
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const child = spawn(server, [
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
    ...args.map(arg => arg.replace('{folder}', folder))
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  for await (const output of child.stdout) {
    if (/eady to accept connections/.test(String(output))) break
  }
  child.stdout.resume()
  return { child, exited, folder }
}

async function end ({ child, exited, folder }: Spawned): Promise<void> {
  child.ref()
  child.kill('SIGCONT')
  child.kill('SIGKILL')
  await exited
  rmSync(folder, { recursive: true, force: true })
}

/** A server for one test alone, which may stop or block it. */
export async function startRedis (
  t: Cleanup,
  options: { server?: Server, port?: number, args?: string[] } = {}
): Promise<RedisServer> {
  const port = options.port ?? await freePort()
  const spawned = await spawnRedis(options.server ?? 'redis-server', [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    ...options.args ?? []
  ])
  t.after(() => end(spawned))
  return { port, process: spawned.child }
}

/** A client that reconnects within 50 ms. */
export async function connect (
  t: Cleanup,
  port: number,
  options: object = {},
  Client = Redis
): Promise<Redis> {
  const client = new Client({ port, host: '127.0.0.1', retryStrategy: () => 50, ...options })
  client.on('error', () => {})
  t.after(async () => {
    client.disconnect()
  })
  if (client.status !== 'wait') await eventOf(client, 'ready')
  return client
}

/** Errors of attempts to connect do not matter. */
export function eventOf (
  client: { once(event: string, listener: () => void): unknown },
  event: string
): Promise<void> {
  return new Promise(resolve => {
    client.once(event, resolve)
  })
}

/** One server for all tests of a file: started on demand, stopped when the process ends. */
let shared: Promise<Spawned> | undefined

async function spawnShared (): Promise<Spawned> {
  const spawned = await spawnRedis('redis-server', [
    '--port',
    '0',
    '--unixsocket',
    '{folder}/redis.sock'
  ])
  // The server must not keep the process running after the tests.
  spawned.child.unref()
  ;(spawned.child.stdout as Socket).unref()
  process.on('exit', () => {
    spawned.child.kill('SIGKILL')
    rmSync(spawned.folder, { recursive: true, force: true })
  })
  return spawned
}

/**
 * A store in the Redis of this file, on its own connection. Keys separate it from the other stores.
 */
export async function openRedis (t: Cleanup): Promise<Store> {
  shared ??= spawnShared()
  const { folder } = await shared
  const client = new Redis(join(folder, 'redis.sock'))
  client.on('error', () => {})
  await once(client, 'ready')
  t.after(async () => {
    client.disconnect()
  })
  return redisStore(client)
}
