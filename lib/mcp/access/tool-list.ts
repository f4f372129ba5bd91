/** Which tools does a server have, and which scopes do they declare? */

import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import { LRUCache } from 'lru-cache'
import { failure } from '../../errors.ts'
import {
  maxListedTools,
  maxToolListPages,
  toolListLifetimeMs,
  toolListTimeoutMs,
  unknownToolMs
} from '../../limits.ts'
import {
  type McpRequest,
  type McpResponse,
  type ScopelessEndpoint,
  messagesOf,
  metaOf,
  rpcCode
} from '../rpc/messages.ts'
import { sendInternalRequest } from '../rpc/responses.ts'
import { identityOf } from './sessions.ts'

/** The members of a tool that decide who may call it, and how. */
export interface ScopedTool {
  name: string
  title?: string
  inputSchema?: unknown
  annotations?: ToolAnnotations | undefined
  _meta?: Record<string, unknown> | undefined
}

/** A page of `tools/list`. */
interface ToolPage {
  tools: ScopedTool[]
  nextCursor?: string | null
}

/**
 * Caches the tools of a server.
 *
 * @param handle sends a request to the server, without any check of scopes
 * @param shared whether one server serves all callers, and thus lists the same tools to all
 * @param onUpdate receives the tools of each update
 */
export function createToolList (
  handle: ScopelessEndpoint['handle'],
  shared: boolean,
  onUpdate: (tools: ScopedTool[]) => void
) {
  const cache = new Map<string, { tool: ScopedTool, expiresAt: number }>()
  /** Whole lists, by caller: tools that are not in them are not looked for again at once. */
  const lists = new LRUCache<string, Map<string, ScopedTool>>({
    maxSize: maxListedTools,
    sizeCalculation: ({ size }) => size + 1,
    ttl: unknownToolMs
  })
  const callerOf = ({ authInfo }: McpRequest) => shared ? '' : identityOf(authInfo)
  // The JSON of a caller has no line feed.
  const keyOf = (name: string, request: McpRequest) =>
    shared ? name : `${callerOf(request)}\n${name}`

  /**
   * Lists one page. A server that refuses the caller (4xx) would have refused the call as well.
   *
   * @throws {McpOAuthError} internal: without the list the scopes of the tools are unknown
   */
  async function listPage (
    caller: McpRequest,
    cursor: string | undefined,
    signal: AbortSignal
  ) {
    const { 'mcp-name': _name, 'last-event-id': _event, ...headers } = caller.headers
    const { result, error, response, id } = await sendInternalRequest(handle, caller, {
      method: 'tools/list',
      params: { ...protocolMeta(caller.body), ...(cursor !== undefined && { cursor }) },
      headers: {
        ...headers,
        ...(headers['mcp-method'] !== undefined && { 'mcp-method': 'tools/list' })
      },
      signal
    })
    if (isToolPage(result)) return result
    if (error?.code === rpcCode.methodNotFound) return { tools: [] }
    const { status, body } = response
    if (status >= 400 && status < 500 && typeof body === 'string') {
      const { id: callId = null } = Object(caller.body)
      return { ...response, body: body.replace(JSON.stringify(id), () => JSON.stringify(callId)) }
    }
    const code = error === undefined ? '' : ` and code ${error.code}`
    throw failure('internal', `the MCP server did not list its tools: status ${status}${code}`)
  }

  const toolList = {
    /** Returns tools from the cache, by name; `null` unless all are in it. */
    cached (names: string[], request: McpRequest) {
      const tools = new Map<string, ScopedTool>()
      for (const name of names) {
        const entry = cache.get(keyOf(name, request))
        if (entry === undefined || performance.now() >= entry.expiresAt) return null
        tools.set(name, entry.tool)
      }
      return tools
    },
    /**
     * Lists all tools, unless that was done a moment ago.
     *
     * @returns the tools by name, or the response of a server that refuses to list them
     */
    async get (request: McpRequest) {
      const recent = lists.get(callerOf(request))
      if (recent) return recent
      const tools = await toolList.list(request)
      if ('status' in tools) return tools
      const listed = byName(tools)
      lists.set(callerOf(request), listed)
      return listed
    },
    /** Lists all tools of the server, as its caller would. */
    async list (request: McpRequest): Promise<ScopedTool[] | McpResponse> {
      const tools: ScopedTool[] = []
      const signal = AbortSignal.any([
        request.cancellation.signal,
        AbortSignal.timeout(toolListTimeoutMs)
      ])
      let cursor: string | undefined
      for (let count = 0; count < maxToolListPages; count++) {
        const page = await listPage(request, cursor, signal)
        if ('status' in page) return page
        tools.push(...page.tools)
        cursor = page.nextCursor ?? undefined
        if (cursor !== undefined) continue
        toolList.update(tools, request)
        return tools
      }
      throw failure('internal', `the list of tools has more than ${maxToolListPages} pages`)
    },
    /** Caches tools that the server has listed for a caller. */
    update (tools: ScopedTool[], request: McpRequest) {
      if (cache.size + tools.length > maxListedTools) cache.clear()
      const expiresAt = performance.now() + toolListLifetimeMs
      for (const tool of tools) cache.set(keyOf(tool.name, request), { tool, expiresAt })
      onUpdate(tools)
    }
  }
  return toolList
}

const byName = (tools: ScopedTool[]) => new Map(tools.map(tool => [tool.name, tool]))

/** Checks whether a result is a list of tools. Tools are identified by their names. */
export function isToolPage (result: unknown): result is ToolPage {
  const { tools, nextCursor = null } = Object(result)
  return Array.isArray(tools) && tools.every(tool => typeof Object(tool).name === 'string') &&
    (nextCursor === null || typeof nextCursor === 'string')
}

/** The version and the client in the `_meta` of a modern request, without the rest of it. */
function protocolMeta (body: unknown) {
  const [message = {}] = messagesOf(body)
  const members = Object.entries(metaOf(message)).filter(([name]) =>
    /^io\.modelcontextprotocol\/(?:protocolVersion|client)/.test(name)
  )
  return members.length === 0 ? {} : { _meta: Object.fromEntries(members) }
}
