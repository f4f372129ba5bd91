import type { Implementation, ServerCapabilities } from '@modelcontextprotocol/sdk/types.js'
import type { Log } from '../../types.ts'
import type { RpcMessage } from '../rpc/responses.ts'
import { type McpResponse, type McpRequest, type ScopelessEndpoint, rpcCode } from '../rpc/types.ts'
import { isModern } from '../rpc/era.ts'
import { webResponse, webRequest } from './fetch.ts'
import { sendInternalRequest } from '../rpc/internal-request.ts'

type Sdk = typeof import('@modelcontextprotocol/server')

/** The revision in which the server behind is spoken to. */
const spoken = '2025-11-25'

/**
 * What may be asked of a server, by capability. Subscriptions are not there: nothing stays open to
 * a server that knows no modern era.
 */
const methods = {
  tools: ['tools/list', 'tools/call'],
  prompts: ['prompts/list', 'prompts/get'],
  resources: ['resources/list', 'resources/templates/list', 'resources/read'],
  completions: ['completion/complete']
} as const

/**
 * Earlier eras have a code of their own for a resource that is not there, which the modern era does
 * not know.
 */
const resourceNotFound = -32002

/**
 * Lets a server of earlier eras serve the modern one as well, where `@modelcontextprotocol/server`
 * 2.x is installed: that one speaks the protocol, and each request becomes one of the server's own.
 * Without it clients of the modern era are told which versions there are, and those that know both
 * eras take one.
 */
export function withModernEra (
  legacy: ScopelessEndpoint,
  resource: () => string,
  log?: Log
): ScopelessEndpoint {
  let modern: ReturnType<typeof modernHandler> | null = null
  return {
    ...legacy,
    async ready () {
      await legacy.ready()
      const sdk = await importModern()
      modern = sdk && modernHandler(sdk, legacy)
      if (modern === null) {
        log?.info(
          {},
          'the revision 2026-07-28 is not spoken: install @modelcontextprotocol/server for it'
        )
      }
    },
    async handle (call) {
      return modern === null || !isModern(call)
        ? await legacy.handle(call)
        : await modern.answer(call, webRequest(call, resource()))
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
  { handle }: ScopelessEndpoint
) {
  const calls = new WeakMap<Request, McpRequest>()
  /**
   * Faults of the server behind. The protocol has its own words for what goes wrong, and would say
   * too much in them.
   */
  const faults = new WeakMap<McpRequest, { error: unknown }>()

  async function answerOf (
    call: McpRequest,
    method: string,
    params: object,
    notify?: (message: never) => unknown
  ): Promise<unknown> {
    const { result, error } = await sendInternalRequest(handle, call, {
      method,
      params,
      headers: legacyHeaders(call),
      ...(notify &&
        { notify: ({ method, params }: RpcMessage) => notify({ method, params } as never) })
    }).catch((error: unknown) => {
      faults.set(call, { error })
      throw error
    })
    if (result !== undefined) return result
    if (error === undefined) {
      throw new ProtocolError(rpcCode.internalError, 'The server did not answer')
    }
    throw new ProtocolError(
      error.code === resourceNotFound ? rpcCode.invalidParams : error.code,
      error.message,
      error.data
    )
  }

  const handler = createMcpHandler(async ({ requestInfo }) => {
    const call = calls.get(requestInfo as Request) as McpRequest
    const { serverInfo, capabilities, instructions } = await answerOf(call, 'initialize', {
      protocolVersion: spoken,
      capabilities: {},
      clientInfo: { name: 'fastify-mcp-oauth', version: '1.0.0' }
    }) as Introduction
    const served = (Object.keys(methods) as Array<keyof typeof methods>).filter(name =>
      capabilities[name] !== undefined
    )
    const server = new Server(serverInfo as never, {
      capabilities: Object.fromEntries(served.map(name => [name, {}])),
      ...(instructions !== undefined && { instructions })
    })
    for (const method of served.flatMap(name => [...methods[name]])) {
      server.setRequestHandler(
        method as 'tools/list',
        async ({ params = {} }, { mcpReq }) =>
          await answerOf(call, method, legacyParams(params), mcpReq.notify) as never
      )
    }
    return server
  }, { legacy: 'reject' })

  return {
    close: handler.close,
    async answer (call: McpRequest, request: Request): Promise<McpResponse> {
      calls.set(request, call)
      const { authInfo, body } = call
      const response = await handler.fetch(request, {
        parsedBody: body,
        ...(authInfo !== undefined && { authInfo })
      })
      const fault = faults.get(call)
      if (fault !== undefined && !call.signal.aborted) throw fault.error
      return await webResponse(response)
    }
  }
}

/** How a server of earlier eras introduces itself. */
interface Introduction {
  serverInfo: Implementation
  capabilities: ServerCapabilities
  instructions?: string
}

/** What the modern era says in every request, and earlier ones do not know, stays behind. */
function legacyHeaders ({ headers }: McpRequest): McpRequest['headers'] {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('mcp-'))
  return {
    ...Object.fromEntries(kept),
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': spoken
  }
}

function legacyParams ({ _meta: meta = {}, ...params }: { _meta?: object | undefined }): object {
  const kept = Object.entries(meta).filter(([name]) => !name.startsWith('io.modelcontextprotocol/'))
  return kept.length === 0 ? params : { ...params, _meta: Object.fromEntries(kept) }
}
