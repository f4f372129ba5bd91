import type { McpCall, ScopelessEndpoint } from './call.ts'
import { rpcCode } from './call.ts'
import { isModern } from './era.ts'
import { webAnswer, webRequest } from './fetch-handler.ts'
import type { ToolServerOptions } from './tool-server.ts'
import type { ToolCollection } from './tools.ts'

/**
 * Serves the modern era with `@modelcontextprotocol/server` 2.x where it is installed, and everything else, or everything, with `legacy`. Clients of the
 * modern era that find no 2.x are told which versions there are, and those that know both eras take one of them.
 *
 * @param collection the tools, once they are known
 */
export function withModernTools (legacy: ScopelessEndpoint, options: ToolServerOptions, collection: () => ToolCollection, resource: () => string): ScopelessEndpoint {
  let modern: ReturnType<typeof modernHandler> | null = null
  return {
    ...legacy,
    async ready () {
      await legacy.ready()
      const sdk = await importModern()
      modern = sdk && modernHandler(sdk, options, collection())
    },
    async handle (call) {
      if (modern === null || !isModern(call)) return await legacy.handle(call)
      const { authInfo, body } = call
      const request = webRequest(call, resource())
      modern.calls.set(request, call)
      return await webAnswer(await modern.fetch(request, { parsedBody: body, ...(authInfo !== undefined && { authInfo }) }))
    },
    async close () {
      await Promise.all([legacy.close(), modern?.close()])
    }
  }
}

type Sdk = typeof import('@modelcontextprotocol/server')

async function importModern (): Promise<Sdk | null> {
  try {
    return await import('@modelcontextprotocol/server')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return null
    throw error
  }
}

function modernHandler ({ Server, ProtocolError, createMcpHandler }: Sdk, { name, version, instructions }: ToolServerOptions, { tools, call: callTool }: ToolCollection) {
  const calls = new WeakMap<Request, McpCall>()
  const { fetch, close } = createMcpHandler(({ requestInfo }) => {
    const server = new Server({ name, version }, { capabilities: { tools: {} }, ...(instructions !== undefined && { instructions }) })
    // The two generations of the SDK write the same types in their own ways.
    server.setRequestHandler('tools/list', async () => ({ tools: tools as never }))
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      const { headers, request } = calls.get(requestInfo as Request) as McpCall
      const result = await callTool(params.name, params.arguments ?? {}, { headers, remoteAddress: request.ip, signal: mcpReq.signal })
      if (result === null) throw new ProtocolError(rpcCode.invalidParams, 'Unknown tool')
      return result as never
    })
    return server
  }, { legacy: 'reject' })
  return { calls, fetch, close }
}
