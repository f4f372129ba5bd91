/** How does a server of `@modelcontextprotocol/sdk` 1.x serve the MCP route? */

import { Readable, finished } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { SdkServer } from '../../options/mcp.ts'
import {
  type McpRequest,
  type McpResponse,
  type ScopelessEndpoint,
  serverFault
} from '../rpc/types.ts'
import { parseBody } from '../rpc/parse.ts'
import { type InProgress, type Multiplexer, createMultiplexer } from './multiplexer.ts'

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
  const multiplexer = createMultiplexer({ shared: true, inProgress: new Set() })
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
    handle: (request) => serve(request, async () => multiplexer),
    async close () {
      // `ready` has reported a server that did not start.
      const instance = await connected?.catch(() => undefined)
      await instance?.close()
    }
  }
}

/** Serves every HTTP request with a new server, which is closed after the response. */
export function createPerRequestEndpoint (factory: SdkServerFactory): ScopelessEndpoint {
  const inProgress: InProgress = new Set()
  const open = new Set<SdkServer>()

  async function connect (server: SdkServer): Promise<Multiplexer> {
    open.add(server)
    const multiplexer = createMultiplexer({ shared: false, inProgress })
    await server.connect(multiplexer.transport)
    return multiplexer
  }

  async function close (server: SdkServer | undefined): Promise<void> {
    if (server !== undefined && open.delete(server)) await server.close()
  }

  return {
    methods,
    async ready () {},
    async handle (request) {
      let server: SdkServer | undefined
      let streaming = false
      try {
        const response = await serve(request, async () => {
          const made = await factory(request.http)
          if (typeof Object(made).connect !== 'function') {
            throw serverFault('mcp.server returned no server for this request')
          }
          server = made
          return await connect(made)
        })
        if (response.body instanceof Readable) {
          streaming = true
          // The response has been sent, so a failure to close has no effect on the client.
          finished(response.body, () => {
            close(server).catch(() => {})
          })
        }
        return response
      } finally {
        if (!streaming) await close(server)
      }
    },
    async close () {
      await Promise.all([...open].map(close))
    }
  }
}

async function serve (
  request: McpRequest,
  connect: () => Promise<Multiplexer>
): Promise<McpResponse> {
  const messages = parseBody(request.body, request.headers['mcp-protocol-version']?.toString())
  return 'status' in messages ? messages : (await connect()).handle(messages, request)
}
