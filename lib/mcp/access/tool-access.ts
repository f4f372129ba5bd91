/** Which scopes does a tool need, and which tools may a caller list and call? */

import { failure, startupError } from '../../errors.ts'
import type { Guards } from '../../guard/guard.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import { mapMessages } from '../rpc/responses.ts'
import {
  type McpRequest,
  type McpResponse,
  type RpcMessage,
  type ScopelessEndpoint,
  disconnectedResponse,
  messagesOf,
  rejectBatch,
  rpcCode,
  rpcError
} from '../rpc/messages.ts'
import { isModern, parameterMismatch } from '../rpc/era.ts'
import { type ScopedTool, createToolList, isToolPage } from './tool-list.ts'

/** Member of a tool's `_meta` in which a server declares the scopes of the tool. */
export const scopesMember = 'fastify-mcp-oauth/scopes'

/** Receives the tools when the app starts. Throws if it must not start. */
export type OnStart = (tools: ScopedTool[]) => void

/** An MCP server as the MCP route uses it. */
export type McpEndpoint = ReturnType<typeof withToolAccess>

/**
 * Puts the scopes of tools in front of a server. A call is checked before it reaches the server,
 * and the list of tools has the ones that its caller may call.
 *
 * @param toolScopes the option `mcp.toolScopes`
 * @param holds checks whether a caller has scopes
 * @param onStart for one server that serves all callers. Then clients can request the scopes of
 *   tools with their first login
 */
export function withToolAccess (
  server: ScopelessEndpoint,
  toolScopes: Config['mcp']['toolScopes'],
  holds: Guards['holds'],
  onStart: OnStart | null
) {
  const known = new Set(typeof toolScopes === 'object' ? Object.values(toolScopes).flat() : [])
  const toolList = createToolList(server.handle, onStart !== null, tools => {
    for (const scope of tools.flatMap(tool => inspect(tool).scopes ?? [])) known.add(scope)
  })

  /**
   * Returns the scopes of a tool beyond those of the route. The option overrides the scopes that a
   * tool declares itself.
   *
   * @throws {McpOAuthError} internal for an invalid scope list: the tool cannot be called
   */
  function scopesOf ({ name, annotations = {}, _meta: meta = {} }: ScopedTool): readonly string[] {
    const label = `the tool ${JSON.stringify(name)}`
    const override = typeof toolScopes === 'function'
      ? toolScopes(name, annotations)
      : toolScopes && Object.hasOwn(toolScopes, name)
      ? toolScopes[name]
      : undefined
    if (override !== undefined) return validScopes(override, `mcp.toolScopes for ${label}`)
    const mistyped = Object.keys(meta).find(member =>
      member.startsWith('fastify-mcp-oauth/') && member !== scopesMember
    )
    if (mistyped !== undefined) {
      throw failure(
        'internal',
        `${label}: ${mistyped} in its _meta is unknown. Use ${scopesMember}`
      )
    }
    return validScopes(meta[scopesMember] ?? [], `${label}: ${scopesMember} in its _meta`)
  }

  /** The scopes of a tool, `null` with a problem for an invalid scope list. */
  function inspect (tool: ScopedTool) {
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
  function filterLists (request: McpRequest, listIds: unknown[]) {
    const modern = isModern(request)
    return (message: RpcMessage): RpcMessage => {
      const { id, result } = message
      const isList = listIds.includes(id)
      if (!isList && request.http.method !== 'GET') return message
      if (!isToolPage(result)) {
        return isList && result !== undefined
          ? rpcError(id, rpcCode.internalError, 'The list of tools is invalid')
          : message
      }
      // In a batch or on a stream, the result of a tool may have the form of a list.
      if (isList && !Array.isArray(request.body)) toolList.update(result.tools, request)
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
    /**
     * Finds the scopes that a request needs beyond those of the route.
     *
     * @returns the scopes, or the response to a request that must not reach the server
     */
    async requiredScopes (request: McpRequest): Promise<readonly string[] | McpResponse> {
      const version = request.headers['mcp-protocol-version']?.toString()
      const rejection = rejectBatch(request.body, version)
      if (rejection !== null) return rejection
      const names = calledTools(request.body)
      if (names.length === 0) return []
      const tools = await toolList.get(names, request).catch((error: unknown) => {
        if (request.signal.aborted) return disconnectedResponse
        throw error
      })
      if ('status' in tools) return tools
      const mismatch = isModern(request)
        ? parameterMismatch(request, tools.get(names[0] ?? '')?.inputSchema)
        : null
      return mismatch ?? [...new Set(names.flatMap(name => scopesOf(tools.get(name) ?? { name })))]
    },
    /** The scopes of its tools, as far as they are known by now. */
    knownScopes: () => [...known],
    async handle (request: McpRequest) {
      const response = await server.handle(request)
      const listIds = messagesOf(request.body)
        .filter(({ method }) => method === 'tools/list').map(({ id }) => id)
      const hasLists = request.http.method === 'GET' || listIds.length > 0
      return hasLists && request.authInfo !== undefined
        ? mapMessages(response, filterLists(request, listIds))
        : response
    }
  }
}

function validScopes (scopes: unknown, place: string): readonly string[] {
  const problem = problemOfScopes(scopes)
  if (problem !== null) throw failure('internal', `${place}: ${problem}`)
  return scopes as readonly string[]
}

/** The names of the tools that a body calls. A batch counts as one request with all its calls. */
function calledTools (body: unknown) {
  const names = messagesOf(body).flatMap(({ method, params }) => {
    const { name } = Object(params)
    return method === 'tools/call' && typeof name === 'string' ? [name] : []
  })
  return [...new Set(names)]
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
