/** How does a server of `@modelcontextprotocol/sdk` 1.x serve the MCP route? */

import { Readable, finished } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { failure } from '../../errors.ts'
import type { SdkServer } from '../../options/mcp.ts'
import { type McpRequest, type ScopelessEndpoint, parseBody } from '../rpc/messages.ts'
import { type RequestInProgress, createMultiplexer } from './multiplexer.ts'

/** Makes the server for one request. */
export type SdkServerFactory = (request: FastifyRequest) => SdkServer | Promise<SdkServer>

const methods = ['POST']

/**
 * Serves all callers with one SDK server, which stays connected. Its tools identify the caller by
 * `extra.authInfo`. State of a single caller needs a server per request.
 */
export function createSharedEndpoint (
  server: SdkServer | (() => Promise<SdkServer>)
): ScopelessEndpoint {
  const multiplexer = createMultiplexer(true)
  let connected: Promise<SdkServer> | undefined

  async function connect (): Promise<SdkServer> {
    const instance = typeof server === 'function' ? await server() : server
    await instance.connect(multiplexer.transport)
    return instance
  }

  return {
    methods,
    async ready () {
      await (connected ??= connect())
    },
    async handle (request) {
      const messages = messagesIn(request)
      return 'status' in messages ? messages : await multiplexer.handle(messages, request)
    },
    async close () {
      // `ready` has reported a server that did not start.
      const instance = await connected?.catch(() => undefined)
      await instance?.close()
    }
  }
}

/** Serves every HTTP request with a new server, which is closed after the response. */
export function createPerRequestEndpoint (factory: SdkServerFactory): ScopelessEndpoint {
  const inProgress = new Set<RequestInProgress>()
  const open = new Set<SdkServer>()

  async function close (server: SdkServer): Promise<void> {
    if (open.delete(server)) await server.close()
  }

  return {
    methods,
    ready: async () => {},
    async handle (request) {
      const messages = messagesIn(request)
      if ('status' in messages) return messages
      const server = await factory(request.http)
      if (typeof Object(server).connect !== 'function') {
        throw failure('internal', 'mcp.server returned no server for this request')
      }
      open.add(server)
      let stream: Readable | null = null
      try {
        const { transport, handle } = createMultiplexer(false, inProgress)
        await server.connect(transport)
        const response = await handle(messages, request)
        if (response.body instanceof Readable) stream = response.body
        return response
      } finally {
        if (stream === null) await close(server)
        // The response has been sent, so a failure to close has no effect on the client.
        else finished(stream, () => close(server).catch(() => {}))
      }
    },
    close: async () => await Promise.all([...open].map(close))
  }
}

function messagesIn ({ body, headers }: McpRequest) {
  return parseBody(body, headers['mcp-protocol-version']?.toString())
}
