import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ready } from '../frame/slices.ts'
import type { InstanceOrder } from './order.ts'

export interface Sent {
  method: 'GET' | 'POST'
  path: string
  headers?: Record<string, string>
  body?: string
}

/** A response. `cut`: an instance was killed during the request, and another one responded. */
export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: string
  instance: number
  cut: boolean
}

/** Two brokers with one address, and their provider. */
export interface Fleet {
  readonly publicUrl: string
  /** Sends a request to an instance; if that is down, to the other one, as a load balancer does. */
  send(sent: Sent, instance: number): Promise<Reply>
  /** Kills an instance (SIGKILL) and starts it again. Resolves when it listens. */
  restart(instance: number): Promise<void>
  /** How often `send` used the other instance: the first was down, or killed during the request. */
  readonly detours: { refused: number, cut: number }
  close(): Promise<void>
}

const count = 2

/**
 * @param redis whether the instances share a Redis, which is started for them, or only the secret
 */
export async function startFleet ({ redis }: { redis: boolean }): Promise<Fleet> {
  const children = new Set<ChildProcess>()
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })
  const detours = { refused: 0, cut: 0 }

  function start (file: string, argument = ''): ChildProcess {
    return kept(fork(new URL(file, import.meta.url), [argument], { execArgv: ['--import', 'tsx'] }))
  }

  function kept (child: ChildProcess): ChildProcess {
    children.add(child)
    child.once('exit', () => {
      children.delete(child)
    })
    return child
  }

  async function startRedis (): Promise<number> {
    const port = await freePort()
    kept(
      spawn('redis-server', [
        '--port',
        String(port),
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        '--appendonly',
        'no'
      ], { stdio: 'ignore' })
    )
    await listening(port)
    return port
  }

  async function startInstance (order: InstanceOrder): Promise<ChildProcess> {
    const child = start('instance.ts', JSON.stringify(order))
    await ready(child)
    return child
  }

  async function close (): Promise<void> {
    agent.destroy()
    await Promise.all([...children].map(async (child) => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }))
  }

  try {
    const publicUrl = `http://localhost:${await freePort()}`
    const { url: issuer } = await ready(start('provider.ts'))
    const shared = redis ? await startRedis() : null
    const orders = await Promise.all(
      Array.from(
        { length: count },
        async () => ({ port: await freePort(), publicUrl, issuer, redis: shared })
      )
    )
    const instances = await Promise.all(orders.map(startInstance))
    return {
      publicUrl,
      detours,
      close,
      async restart (instance) {
        const child = instances[instance] as ChildProcess
        child.kill('SIGKILL')
        await once(child, 'exit')
        instances[instance] = await startInstance(orders[instance] as InstanceOrder)
      },
      async send (sent, instance) {
        let cut = false
        for (let attempt = 0; attempt < 50; attempt++, instance = (instance + 1) % count) {
          try {
            const answer = await ask(
              agent,
              (orders[instance] as InstanceOrder).port,
              new URL(publicUrl).host,
              sent
            )
            return { ...answer, instance, cut }
          } catch (error) {
            const refused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
            cut ||= !refused
            detours[refused ? 'refused' : 'cut']++
            if (attempt > 0) await sleep(100)
          }
        }
        throw new Error('no instance answers')
      }
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function ask (
  agent: Agent,
  port: number,
  host: string,
  { method, path, headers = {}, body }: Sent
): Promise<Pick<Reply, 'status' | 'headers' | 'body'>> {
  const asked = request({
    host: '127.0.0.1',
    port,
    agent,
    method,
    path,
    headers: { ...headers, host },
    timeout: 20_000
  })
  asked.once('timeout', () => {
    asked.destroy(new Error('no answer within 20 seconds'))
  })
  asked.end(body)
  const [response] = await once(asked, 'response')
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

/** The first message of a child. Throws if the child ends instead. */
async function ready (child: ChildProcess): Promise<Ready> {
  const abandoned = new AbortController()
  try {
    return await Promise.race([
      once(child, 'message', abandoned).then(([message]) => message as Ready),
      once(child, 'exit', abandoned).then(([code]) => {
        throw new Error(`${child.spawnargs.at(-2)} ended with code ${code}`)
      })
    ])
  } finally {
    abandoned.abort()
  }
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listening (port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await sleep(50)
    } finally {
      socket.destroy()
    }
  }
  throw new Error(`nothing listens at port ${port}`)
}
