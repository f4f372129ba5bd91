import type { IncomingHttpHeaders } from 'node:http'
import { McpOAuthError } from '../../errors.ts'
import { type McpResponse, type McpRequest, type ScopelessEndpoint, rpcCode } from '../rpc/types.ts'
import { messagesOf, metaOf } from '../rpc/messages.ts'
import { sendInternalRequest } from '../rpc/internal-request.ts'
import type { ScopedTool } from './scopes.ts'
import { identityOf } from './sessions.ts'

/** What a server says about its tools. Only asking it tells: tools come and go while it runs. */
export interface ToolList {
  /**
   * The tools of these names, as the server showed them to the caller a moment ago, or shows them
   * now; it is asked once. Or how it refuses.
   */
  get(
    names: readonly string[],
    call: McpRequest
  ): Promise<ReadonlyMap<string, ScopedTool> | McpResponse>
  /** Asks for all tools. */
  list(call: McpRequest): Promise<readonly ScopedTool[] | McpResponse>
  /** Notes tools that were shown to the caller. */
  update(tools: readonly ScopedTool[], call: McpRequest): void
}

/**
 * Milliseconds what a server said about a tool is taken for true, and that it may take to say so.
 */
const [lifetime, patience] = [10_000, 5_000]

/** Tools remembered at most, and pages of a list that are read. */
const [maxTools, maxPages] = [10_000, 100]

/** A page of `tools/list`. */
export interface ToolPage {
  tools: readonly ScopedTool[]
  nextCursor?: string | null
}

/**
 * @param handle the server itself: what is asked here is asked by us
 * @param shared whether one server serves everyone, and so says the same to everyone
 * @param onLearn told the tools whenever some were shown
 */
export function createToolList (
  handle: ScopelessEndpoint['handle'],
  shared: boolean,
  onLearn: (tools: readonly ScopedTool[]) => void
): ToolList {
  const known = new Map<string, { tool: ScopedTool, until: number }>()
  const keyOf = (name: string, { authInfo }: McpRequest) =>
    JSON.stringify([shared ? null : identityOf(authInfo), name])

  const directory: ToolList = {
    async get (names, call) {
      const fresh = names.flatMap(name => {
        const found = known.get(keyOf(name, call))
        return found !== undefined && performance.now() < found.until ? [found.tool] : []
      })
      const tools = fresh.length === names.length ? fresh : await directory.list(call)
      return 'status' in tools ? tools : new Map(tools.map(tool => [tool.name, tool]))
    },
    async list (call) {
      const tools: ScopedTool[] = []
      const signal = AbortSignal.any([call.signal, AbortSignal.timeout(patience)])
      let cursor: string | undefined
      for (let count = 0; count < maxPages; count++) {
        const page = await pageOf(handle, call, cursor, signal)
        if ('status' in page) return page
        tools.push(...page.tools)
        cursor = page.nextCursor ?? undefined
        if (cursor === undefined) break
      }
      if (cursor !== undefined) {
        throw new McpOAuthError('internal', {
          cause: new Error(`the list of tools has more than ${maxPages} pages`)
        })
      }
      directory.update(tools, call)
      return tools
    },
    update (tools, call) {
      if (known.size + tools.length > maxTools) known.clear()
      const until = performance.now() + lifetime
      for (const tool of tools) known.set(keyOf(tool.name, call), { tool, until })
      onLearn(tools)
    }
  }
  return directory
}

/**
 * A page of the list, as the caller would get it; or the answer of a server that refuses the
 * caller: then it would have refused the call as well. Throws `internal` for everything else:
 * nobody knows then what the tools ask of callers.
 */
async function pageOf (
  handle: ScopelessEndpoint['handle'],
  call: McpRequest,
  cursor: string | undefined,
  signal: AbortSignal
): Promise<ToolPage | McpResponse> {
  const meta = protocolMeta(call.body)
  const params = { ...(meta && { _meta: meta }), ...(cursor !== undefined && { cursor }) }
  const { result, error, answer, id } = await sendInternalRequest(handle, call, {
    method: 'tools/list',
    params,
    headers: headersFor(call.headers),
    signal
  })
  if (isToolPage(result)) return result
  if (error?.code === rpcCode.methodNotFound) return { tools: [] }
  const { status, body } = answer
  if (status >= 400 && status < 500 && typeof body === 'string') {
    return { ...answer, body: body.replace(JSON.stringify(id), JSON.stringify(idOf(call.body))) }
  }
  throw new McpOAuthError('internal', {
    cause: new Error(
      `the MCP server did not list its tools: it answered with status ${status}${
        error === undefined ? '' : ` and code ${error.code}`
      }`
    )
  })
}

/** Tools are told apart by their names; a list of anything else is no list of tools. */
export function isToolPage (result: unknown): result is ToolPage {
  const { tools, nextCursor = null } = Object(result) as { tools?: unknown, nextCursor?: unknown }
  return Array.isArray(tools) && tools.every(tool => typeof Object(tool).name === 'string') &&
    (nextCursor === null || typeof nextCursor === 'string')
}

function idOf (body: unknown): unknown {
  return (Object(body) as { id?: unknown }).id ?? null
}

/**
 * What a request of the modern era says about itself; nothing of what the caller wants with this
 * one.
 */
function protocolMeta (body: unknown): Record<string, unknown> | null {
  const [message = {}] = messagesOf(body)
  const kept = Object.entries(metaOf(message)).filter(([name]) =>
    /^io\.modelcontextprotocol\/(?:protocolVersion|client)/.test(name)
  )
  return kept.length === 0 ? null : Object.fromEntries(kept)
}

function headersFor (
  { 'mcp-name': _name, 'last-event-id': _event, ...headers }: IncomingHttpHeaders
): IncomingHttpHeaders {
  return {
    ...headers,
    accept: 'application/json, text/event-stream',
    ...(headers['mcp-method'] !== undefined && { 'mcp-method': 'tools/list' })
  }
}
