/** Which instance is the root of the host's app, and where may the app listen? */
import type { AddressInfo, Server } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import { isLoopbackHost } from '../oauth/url.ts'
import type { Log } from '../types.ts'

/**
 * Finds the root instance: discovery documents belong to the root of the host, whatever the prefix
 * of a registration.
 *
 * Fastify has no public way to it from a prefixed scope. It creates a child with
 * `Object.create(parent)`, so every ancestor in the prototype chain that has Fastify's methods is
 * an instance.
 *
 * @throws {McpOAuthError} `rootNotFound` if the topmost instance has a prefix: the host wraps
 *   instances
 */
export function findRoot (instance: FastifyInstance): FastifyInstance {
  const parent = Object.getPrototypeOf(instance)
  if (typeof parent?.register === 'function') return findRoot(parent)
  if (instance.prefix === '') return instance
  throw startupError(
    'rootNotFound',
    'root: the topmost instance has a prefix. ' +
      'Pass the instance that was created with fastify() as the option root'
  )
}

/**
 * Whether only this machine can connect. An app that does not listen (yet) is reached through
 * `inject`, from this machine too.
 */
export function isBoundToLoopback (server: Server) {
  const address = server.address()
  return address === null || typeof address === 'string' ||
    isLoopbackHost(address.address.replace(/^::ffff:/, ''))
}

const guarded = new WeakSet<Server>()

/**
 * Makes `listen()` reject if the app listens on an address other than loopback: without
 * `publicUrl`, only the URL of loopback is known.
 */
export function rejectPublicAddress (server: Server) {
  // Several registrations share the server, and Fastify handles only its first error.
  if (guarded.has(server)) return
  guarded.add(server)
  server.prependListener('listening', () => {
    if (isBoundToLoopback(server)) return
    const { address } = server.address() as AddressInfo
    // Fastify still reads the address when it handles this event, so close the server after that.
    setImmediate(() => server.close())
    // Fastify has no hook between bind and the end of listen(), and only logs errors of onListen.
    // But listen() waits for the first 'listening' or 'error' of the server, so an error makes it
    // reject, and the app does not start.
    const error = startupError(
      'publicUrlRequired',
      `publicUrl: missing, and the app listens on ${address}. Set publicUrl to the address ` +
        "clients use ('https://mcp.example.com'), or listen on 127.0.0.1"
    )
    server.emit('error', error)
  })
}

/**
 * Loads modules once the app listens: the start does not wait for them, the first request need not,
 * and a missing one is in the log before it is needed.
 */
export function loadOnListen (
  instance: FastifyInstance,
  log: Log,
  ...loads: ReadonlyArray<() => Promise<unknown>>
) {
  instance.addHook('onListen', async () => {
    Promise.all(loads.map(load => load())).catch(err =>
      log.error({ err }, 'Could not load a dependency')
    )
  })
}
