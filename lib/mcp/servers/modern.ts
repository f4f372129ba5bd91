/** How does a server of earlier eras serve MCP 2026-07-28? */

import type { InitializeResult } from '@modelcontextprotocol/sdk/types.js'
import type { Log } from '../../types.ts'
import type { RpcMessage } from '../rpc/parse.ts'
import { type McpResponse, type McpRequest, type ScopelessEndpoint, rpcCode } from '../rpc/types.ts'
import { isModern } from '../rpc/era.ts'
import { callHandler, webRequest } from './fetch.ts'
import { sendInternalRequest } from '../rpc/internal-request.ts'

type Sdk = typeof import('@modelcontextprotocol/server')

/** The revision of the internal requests to the server. */
const legacyVersion = '2025-11-25'

/** Methods by capability, without subscriptions: earlier eras cannot keep one open. */
const methods = {
  tools: ['tools/list', 'tools/call'],
  prompts: ['prompts/list', 'prompts/get'],
  resources: ['resources/list', 'resources/templates/list', 'resources/read'],
  completions: ['completion/complete']
} as const

/** Code of earlier eras for an unknown resource. The modern era has `invalidParams` instead. */
const resourceNotFound = -32002

/**
 * Lets a server of earlier eras serve the modern one, if `@modelcontextprotocol/server` 2.x is
 * installed. That package implements the protocol, and each request becomes an internal request to
 * the server. Without it, modern clients get the list of supported versions.
 */
export function withModernEra (
  legacy: ScopelessEndpoint,
  resource: () => string,
  log: Log
): ScopelessEndpoint {
  let modern: ReturnType<typeof modernHandler> | null = null
  return {
    ...legacy,
    async ready () {
      await legacy.ready()
      const sdk = await importModern()
      modern = sdk && modernHandler(sdk, legacy)
      if (modern !== null) return
      log.info({}, 'MCP 2026-07-28 is disabled: install @modelcontextprotocol/server to enable it')
    },
    async handle (request) {
      return modern === null || !isModern(request)
        ? await legacy.handle(request)
        : await modern.handle(request, webRequest(request, resource()))
    },
    async close () {
      await Promise.all([legacy.close(), modern?.close()])
    }
  }
}

async function importModern (): Promise<Sdk | null> {
  try {
    return await import('@modelcontextprotocol/server')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return null
    throw error
  }
}

function modernHandler (
  { Server, ProtocolError, createMcpHandler }: Sdk,
  legacy: ScopelessEndpoint
) {
  const requests = new WeakMap<Request, McpRequest>()
  /** Faults of the server. The SDK would send their messages to the client. */
  const faults = new WeakMap<McpRequest, { error: unknown }>()

  async function forward (
    request: McpRequest,
    method: string,
    params: object,
    notify?: (message: never) => unknown
  ): Promise<unknown> {
    const { result, error } = await sendInternalRequest(legacy.handle, request, {
      method,
      params,
      headers: legacyHeaders(request),
      notify: ({ method, params }: RpcMessage) => notify?.({ method, params } as never)
    }).catch((error: unknown) => {
      faults.set(request, { error })
      throw error
    })
    if (result !== undefined) return result
    const { code, message, data } = error ??
      { code: rpcCode.internalError, message: 'The server did not respond' }
    throw new ProtocolError(code === resourceNotFound ? rpcCode.invalidParams : code, message, data)
  }

  const handler = createMcpHandler(async ({ requestInfo }) => {
    const request = requests.get(requestInfo as Request) as McpRequest
    const { serverInfo, capabilities, instructions } = await forward(request, 'initialize', {
      protocolVersion: legacyVersion,
      capabilities: {},
      clientInfo: { name: 'fastify-mcp-oauth', version: '1.0.0' }
    }) as InitializeResult
    const served = Object.entries(methods).filter(([name]) => Object.hasOwn(capabilities, name))
    const server = new Server(serverInfo as never, {
      capabilities: Object.fromEntries(served.map(([name]) => [name, {}])),
      ...(instructions !== undefined && { instructions })
    })
    for (const method of served.flatMap(([, names]) => [...names])) {
      server.setRequestHandler(
        method as 'tools/list',
        async ({ params = {} }, { mcpReq }) =>
          await forward(request, method, legacyParams(params), mcpReq.notify) as never
      )
    }
    return server
  }, { legacy: 'reject' })

  return {
    close: handler.close,
    async handle (request: McpRequest, web: Request): Promise<McpResponse> {
      requests.set(web, request)
      const response = await callHandler(handler, web, request)
      const fault = faults.get(request)
      if (fault !== undefined && !request.signal.aborted) throw fault.error
      return response
    }
  }
}

/** Earlier eras do not have the headers that repeat the body. */
function legacyHeaders ({ headers }: McpRequest): McpRequest['headers'] {
  return {
    ...without('mcp-', headers),
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': legacyVersion
  }
}

/** Earlier eras do not have the members in which modern requests describe themselves. */
function legacyParams ({ _meta: meta = {}, ...params }: { _meta?: object | undefined }): object {
  const _meta = without('io.modelcontextprotocol/', meta)
  return Object.keys(_meta).length === 0 ? params : { ...params, _meta }
}

function without<T extends object> (prefix: string, members: T): T {
  const kept = Object.entries(members).filter(([name]) => !name.startsWith(prefix))
  return Object.fromEntries(kept) as T
}
