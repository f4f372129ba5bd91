/** What does the app wait for when it closes, and which connections end then? */
import type { Server } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { closePollMs } from '../limits.ts'
import { internal } from './internals.ts'

/** A request without a complete response, or other work. */
export interface Running {
  reply?: FastifyReply
  /** Whether the app waits: not for a stream of events, nor for a request that came too late. */
  isAwaited: boolean
  /** Ends a stream of events at once, and a request at the limit. Default: it goes on. */
  end?: () => void
  /** Called once the response was sent, or the client has disconnected. */
  onClose?: () => void
}

const closings = new WeakMap<Server, ReturnType<typeof createClosing>>()

/** Returns the closing of the app that an instance belongs to. All registrations share it. */
export function closingOf (instance: FastifyInstance) {
  const closing = closings.get(instance.server) ?? createClosing(instance)
  closings.set(instance.server, closing)
  return closing
}

function createClosing (instance: FastifyInstance) {
  const running = new Set<Running>()
  const closing = {
    /** Requests that arrive now are refused. */
    hasBegun: false,
    /** The longest `closeTimeout` of all registrations. */
    timeoutSeconds: 0,
    /** The app waits for these. */
    running
  }

  const servers: Server[] = []
  const connections = new Set<Socket | Http2Session>()
  let isOver = false
  watch(instance.server)
  // Fastify has further servers for the other addresses of `localhost`.
  instance.addHook('onListen', async () => {
    for (const server of internal(instance, 'fastify.serverBindings') as Server[]) watch(server)
  })
  // The hook that is added last runs first. After Fastify's own, requests and in-process calls are
  // refused, and hooks of `preClose` have no more time than `pluginTimeout`.
  instance.addHook('onReady', async () => {
    instance.addHook('onClose', close)
  })
  return closing

  function watch (server: Server) {
    servers.push(server)
    for (const event of ['connection', 'secureConnection', 'session']) {
      server.on(event, (connection: Socket) => {
        if (isOver) connection.destroy()
        connections.add(connection)
        connection.once('close', () => connections.delete(connection))
      })
    }
  }

  async function close () {
    closing.hasBegun = true
    endAll(false)
    const limit = performance.now() + 1000 * closing.timeoutSeconds
    const isBusy = () => [...running].some(({ isAwaited }) => isAwaited)
    while (isBusy() && performance.now() < limit) await sleep(closePollMs)
    endAll(true)
    // From now on Fastify refuses requests, without their ids.
    isOver = true
    endUnused()
    const timer = setInterval(() => {
      if (instance.server.listening) return
      sweep()
      if (connections.size === 0) clearInterval(timer)
    }, closePollMs).unref()
  }

  function endAll (areAwaited: boolean) {
    for (const { isAwaited, end } of running) if (isAwaited === areAwaited) end?.()
  }

  /** Ends the connections without a request. Node.js ends none that had no request yet. */
  function endUnused () {
    for (const server of servers) server.closeIdleConnections?.()
    for (const connection of connections) {
      if (!('bytesRead' in connection)) connection.close()
      // Clients open spare connections.
      else if (connection.bytesRead === 0) connection.destroy()
    }
  }

  /** Node.js ends the connections that are idle when the server closes, but none later. */
  function sweep () {
    endUnused()
    // Clients that do not send the rest of their request, or do not read the response.
    for (const { reply } of running) {
      if (reply?.raw.headersSent || reply?.request.raw.complete === false) reply.raw.destroy()
    }
  }
}
