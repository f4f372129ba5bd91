/** Which server is behind the MCP route? */

import { Readable, finished } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { failure, startupError } from '../errors.ts'
import { extensionsOf } from '../oauth/extensions.ts'
import type { Config } from '../options/config.ts'
import type { SdkServer } from '../options/mcp.ts'
import type { Log } from '../types.ts'
import { type McpEndpoint, type OnStart, withToolAccess } from './access/tool-access.ts'
import type { ScopedTool } from './access/tool-list.ts'
import type { IsVisible } from './access/visible.ts'
import type { McpRequest, ScopelessEndpoint } from './rpc/messages.ts'
import { parseBody } from './rpc/parse.ts'
import { directCallOf } from './servers/direct-call.ts'
import { withExtensions } from './servers/extensions.ts'
import { createFetchEndpoint } from './servers/fetch.ts'
import { withModernEra } from './servers/modern.ts'
import {
  type DirectCall,
  type RequestInProgress,
  createMultiplexer
} from './servers/multiplexer.ts'
import type { ToolCollection } from './tools/collect.ts'
import { createToolServer } from './tools/server.ts'

/**
 * Creates the server of the options `mcp.server`, `mcp.handler` or `mcp.tools`.
 *
 * @param isVisible checks whether a caller sees a tool or resource that needs scopes
 * @param tools builds the tools. Called once, by `ready()`
 * @returns the server, or `null` without one: then the user adds the route
 */
export function createEndpoint (
  { mcp, secrets, trustedIssuers, clients }: Pick<
    Config,
    'mcp' | 'secrets' | 'trustedIssuers' | 'clients'
  >,
  urls: () => { resource: string },
  isVisible: IsVisible,
  log: Log,
  tools: (() => ToolCollection) | undefined
): McpEndpoint | null {
  const { server, handler, toolScopes } = mcp
  const extensions = extensionsOf({ trustedIssuers, clients }).capabilities
  const withScopes = (endpoint: ScopelessEndpoint, onStart: OnStart | null) =>
    withToolAccess(withExtensions(endpoint, extensions), mcp, isVisible, onStart)
  const inBothEras = (legacy: ScopelessEndpoint, isShared = true) =>
    withModernEra(legacy, urls, log, isShared)

  if (handler !== undefined) return withScopes(createFetchEndpoint(handler, urls, secrets), null)
  if (typeof server === 'function') {
    return withScopes(inBothEras(createPerRequestEndpoint(server), false), null)
  }
  if (server !== undefined) {
    return withScopes(inBothEras(createSharedEndpoint(server)), checkNames)
  }
  return tools === undefined ? null : withScopes(ofRoutes(tools), checkNames)

  function ofRoutes (build: () => ToolCollection): ScopelessEndpoint {
    let resources: ToolCollection['resources'] | undefined
    let names: string[] = []
    const shared = createSharedEndpoint(async () => {
      const collection = build()
      resources = collection.resources
      names = collection.tools.map(({ name }) => name)
      return await createToolServer(mcp, collection)
    }, () => names)
    return {
      ...inBothEras(shared),
      callOf: message => resources?.callOf(message) ?? null,
      knownScopes: () => resources?.scopes ?? []
    }
  }

  /** A server may add tools later, so an unknown name may be valid. Routes are complete by now. */
  function checkNames (listed: ScopedTool[]) {
    const names = Object.keys(typeof toolScopes === 'object' ? toolScopes : {})
      .filter(name => !listed.some(tool => tool.name === name))
    if (names.length === 0) return
    if (server === undefined) {
      const problems = names.map(name =>
        `mcp.toolScopes: no tool is named ${JSON.stringify(name)}. Use the name of a tool`
      )
      throw startupError('invalidTools', ...problems)
    }
    log.warn(
      { option: 'mcp.toolScopes', names },
      'mcp.toolScopes names tools the server does not have. A mistyped name leaves the intended tool unprotected'
    )
  }
}

/**
 * Serves all callers with one server of the SDK 1.x, which stays connected. Its tools identify the
 * caller by `extra.authInfo`. State of a single caller needs a server per request.
 *
 * @param names returns those of its tools, if it lists the same ones to all callers
 */
export function createSharedEndpoint (
  server: SdkServer | (() => Promise<{ server: SdkServer, direct: DirectCall }>),
  names = registeredNames(server)
): ScopelessEndpoint {
  const multiplexer = createMultiplexer(true)
  let connected: Promise<SdkServer> | undefined

  async function connect () {
    const { transport, shorten } = multiplexer
    const own = typeof server === 'function' ? await server() : { server, direct: null }
    await own.server.connect(transport)
    shorten(own.direct ?? await directCallOf(own.server, transport))
    return own.server
  }

  return {
    methods: ['POST'],
    async ready () {
      await (connected ??= connect())
    },
    listedToAll () {
      const { tools: { version, dependOnCaller } } = multiplexer
      return names === null || dependOnCaller ? null : { version, names }
    },
    handle (request) {
      const messages = messagesIn(request)
      return 'status' in messages
        ? Promise.resolve(messages)
        : multiplexer.handle(messages, request)
    },
    async close () {
      // `ready` has reported a server that did not start.
      const instance = await connected?.catch(() => undefined)
      await instance?.close()
    }
  }
}

/** The names of the tools of an `McpServer`, which tells when they change. Others may not. */
function registeredNames (server: object): (() => string[]) | null {
  const { _registeredTools: tools } = server as {
    _registeredTools?: Record<string, { enabled: boolean }>
  }
  return tools === undefined
    ? null
    : () => Object.keys(tools).filter(name => tools[name]?.enabled)
}

/** Serves every HTTP request with a new server of the SDK 1.x, closed after the response. */
export function createPerRequestEndpoint (
  factory: (request: FastifyRequest) => SdkServer | Promise<SdkServer>
): ScopelessEndpoint {
  const inProgress = new Set<RequestInProgress>()
  const open = new Set<SdkServer>()

  async function close (server: SdkServer) {
    if (open.delete(server)) await server.close()
  }

  return {
    methods: ['POST'],
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

function messagesIn ({ body, headers, parsed }: McpRequest) {
  return parseBody(body, headers['mcp-protocol-version']?.toString(), parsed)
}
