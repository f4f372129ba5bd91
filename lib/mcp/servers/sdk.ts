import { finished } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { McpOAuthError } from '../../errors.ts'
import type { SdkServer } from '../../options/schema.ts'
import type { McpResponse, McpRequest, ScopelessEndpoint } from '../rpc/types.ts'
import { parseBody } from '../rpc/parse.ts'
import { type InFlight, type Multiplexer, createMultiplexer } from './multiplexer.ts'

/** Makes the server for one request. */
export type SdkServerFactory = (request: FastifyRequest) => SdkServer | Promise<SdkServer>

const methods = ['POST']

/**
 * Serves one SDK server to all callers. The server stays connected; tools tell callers apart by
 * `extra.authInfo`. Anything a caller of it must not share with others belongs behind a factory.
 */
export function createSharedEndpoint (
  server: SdkServer | (() => Promise<SdkServer>)
): ScopelessEndpoint {
  const multiplexer = createMultiplexer({ shared: true, inFlight: new Set() })
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

    handle: (call) => serve(call, async () => multiplexer),

    async close () {
      // A server that never started was reported by ready() already.
      const instance = await connected?.catch(() => undefined)
      await instance?.close()
    }
  }
}

/**
 * Serves every HTTP request with a server of its own, which is closed when the answer has been
 * sent, or the client has gone.
 */
export function createPerRequestEndpoint (factory: SdkServerFactory): ScopelessEndpoint {
  const inFlight: InFlight = new Set()
  const open = new Set<SdkServer>()

  async function close (server: SdkServer): Promise<void> {
    if (open.delete(server)) await server.close()
  }

  return {
    methods,

    async ready () {},

    async handle (call) {
      let server: SdkServer | undefined
      let streaming = false
      try {
        const answer = await serve(call, async () => {
          const made = await factory(call.request)
          if (typeof Object(made).connect !== 'function') {
            throw new McpOAuthError('internal', {
              cause: new TypeError('mcp.server returned no server for this request')
            })
          }
          server = made
          open.add(server)
          const multiplexer = createMultiplexer({ shared: false, inFlight })
          await server.connect(multiplexer.transport)
          return multiplexer
        })
        const { body } = answer
        if (server !== undefined && body !== null && typeof body !== 'string' && 'pipe' in body) {
          const used = server
          streaming = true
          // A failure to close has no one left to hear of it.
          finished(body, () => {
            close(used).catch(() => {})
          })
        }
        return answer
      } finally {
        if (server !== undefined && !streaming) await close(server)
      }
    },

    async close () {
      await Promise.all([...open].map(close))
    }
  }
}

async function serve (call: McpRequest, connect: () => Promise<Multiplexer>): Promise<McpResponse> {
  const version = call.headers['mcp-protocol-version']
  const envelope = parseBody(call.body, Array.isArray(version) ? version.join() : version)
  return 'status' in envelope ? envelope : (await connect()).handle(envelope, call)
}
