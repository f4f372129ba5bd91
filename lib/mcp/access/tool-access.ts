/** Which tools may a caller list and call? */

import type { McpAuth } from '../../types.ts'
import { startupError } from '../../errors.ts'
import { type MapMessage, mapMessages } from '../rpc/responses.ts'
import {
  type McpRequest,
  type McpEndpoint,
  type McpResponse,
  type ScopelessEndpoint,
  disconnectedResponse,
  rpcCode,
  rpcError
} from '../rpc/types.ts'
import { rejectBatch } from '../rpc/parse.ts'
import { isModern, parameterMismatch } from '../rpc/era.ts'
import {
  type ScopedTool,
  type ToolScopesOption,
  calledTools,
  createToolScopes,
  listRequestIds
} from './scopes.ts'
import { createToolList, isToolPage } from './tool-list.ts'

/** Checks whether a caller has scopes. */
export type Holds = (authInfo: McpAuth | undefined, scopes: readonly string[]) => boolean

/** Receives the tools when the app starts. */
export type OnStart = (tools: readonly ScopedTool[]) => void

/**
 * Puts the scopes of tools in front of a server. A call is checked before it reaches the server,
 * and the list of tools has the ones that its caller may call.
 *
 * @param onStart for one server that serves all callers. Then clients can request the scopes of
 *   tools with their first login. Throws if the app must not start
 */
export function withToolAccess (
  server: ScopelessEndpoint,
  { toolScopes, holds }: { toolScopes: ToolScopesOption | undefined, holds: Holds },
  onStart: OnStart | null
): McpEndpoint {
  const scopesOf = createToolScopes(toolScopes)
  const known = new Set(typeof toolScopes === 'object' ? Object.values(toolScopes).flat() : [])
  const toolList = createToolList(server.handle, onStart !== null, tools => {
    for (const scope of tools.flatMap(tool => inspect(tool).scopes ?? [])) known.add(scope)
  })

  /** The scopes of a tool, `null` with a problem for an invalid scope list. */
  function inspect (tool: ScopedTool): { scopes: readonly string[] | null, problems: string[] } {
    try {
      return { scopes: scopesOf(tool), problems: [] }
    } catch (error) {
      const { cause = error } = error as Error
      return { scopes: null, problems: [String((cause as Error | undefined)?.message ?? error)] }
    }
  }

  /**
   * Removes the tools that the caller may not call. In the modern era the list is marked private,
   * so that no cache shows it to another caller (MCP 2026-07-28, "Caching").
   */
  function filterLists (request: McpRequest): MapMessage {
    const modern = isModern(request)
    const listIds = listRequestIds(request.body)
    const isBatch = Array.isArray(request.body)
    return message => {
      const { id, result } = message
      const isList = listIds.includes(id)
      if (!isList && request.http.method !== 'GET') return message
      if (!isToolPage(result)) {
        return isList && result !== undefined
          ? rpcError(id, rpcCode.internalError, 'The list of tools is invalid')
          : message
      }
      // In a batch or on a stream, the result of a tool may have the form of a list.
      if (isList && !isBatch) toolList.update(result.tools, request)
      const tools = result.tools.filter(tool => {
        const { scopes } = inspect(tool)
        return scopes !== null && holds(request.authInfo, scopes)
      })
      return { ...message, result: { ...result, tools, ...(modern && { cacheScope: 'private' }) } }
    }
  }

  return {
    ...server,
    async ready () {
      await server.ready()
      if (onStart === null) return
      // A server that lists its tools only for some callers is asked with their requests.
      const tools = await toolList.list(startRequest).catch(() => null)
      if (tools === null || 'status' in tools) return
      const problems = tools.flatMap(tool => inspect(tool).problems)
      if (problems.length > 0) throw startupError('invalidTools', ...problems)
      onStart(tools)
    },
    async requiredScopes (request) {
      const version = request.headers['mcp-protocol-version']?.toString()
      const rejection = rejectBatch(request.body, version)
      if (rejection !== null) return rejection
      const names = calledTools(request.body)
      if (names.length === 0) return []
      const tools = await toolList.get(names, request).catch((error: unknown): McpResponse => {
        if (request.signal.aborted) return disconnectedResponse
        throw error
      })
      if ('status' in tools) return tools
      const mismatch = isModern(request)
        ? parameterMismatch(request, tools.get(names[0] ?? '')?.inputSchema)
        : null
      return mismatch ?? [...new Set(names.flatMap(name => scopesOf(tools.get(name) ?? { name })))]
    },
    knownScopes: () => [...known],
    async handle (request) {
      const response = await server.handle(request)
      const hasLists = request.authInfo !== undefined &&
        (request.http.method === 'GET' || listRequestIds(request.body).length > 0)
      return hasLists ? mapMessages(response, filterLists(request)) : response
    }
  }
}

/** A request without a caller, for the list of tools at start-up. */
const startRequest: McpRequest = {
  http: { method: 'POST', headers: {}, ip: '127.0.0.1' } as McpRequest['http'],
  headers: {},
  body: undefined,
  rawBody: '',
  authInfo: undefined,
  signal: new AbortController().signal
}
