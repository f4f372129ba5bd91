import type { McpAuth } from '../../types.ts'
import { startupError } from '../../errors.ts'
import { type RpcMessage, mapMessages } from '../rpc/responses.ts'
import {
  type McpRequest,
  type McpEndpoint,
  type ScopelessEndpoint,
  emptyResponse,
  goneStatus,
  rpcCode
} from '../rpc/types.ts'
import { refuseBatch } from '../rpc/parse.ts'
import { isModern, parameterMismatch } from '../rpc/era.ts'
import {
  type ScopedTool,
  type ToolScopesOption,
  listsAskedFor,
  toolScopesOf,
  toolsCalledBy
} from './scopes.ts'
import { createToolList, isToolPage } from './tool-list.ts'

/** Whether a caller has scopes. */
export type Holds = (authInfo: McpAuth | undefined, scopes: readonly string[]) => boolean

export interface ToolAccess {
  /** What the operator says about the scopes of tools. */
  toolScopes: ToolScopesOption | undefined
  holds: Holds
}

/**
 * Puts the scopes of tools in front of a server: what a call needs is known before it is made, and
 * the list shows each caller the tools they may call.
 *
 * @param atStart told the tools when the app starts, if one server serves everyone: then clients
 *   can ask for their scopes from the first login on
 */
export function withToolAccess (
  server: ScopelessEndpoint,
  { toolScopes, holds }: ToolAccess,
  atStart: ((tools: readonly ScopedTool[]) => void) | null
): McpEndpoint {
  const scopesOf = toolScopesOf(toolScopes)
  const catalog = new Set(typeof toolScopes === 'object' ? Object.values(toolScopes).flat() : [])
  const directory = createToolList(server.handle, atStart !== null, tools => {
    for (const tool of tools) for (const scope of written(tool) ?? []) catalog.add(scope)
  })

  /** The scopes of a tool; `null` if nobody can tell. */
  function written (tool: ScopedTool): readonly string[] | null {
    try {
      return scopesOf(tool)
    } catch {
      return null
    }
  }

  function isShown (tool: ScopedTool, authInfo: McpAuth | undefined): boolean {
    const scopes = written(tool)
    return scopes !== null && holds(authInfo, scopes)
  }

  /**
   * Lists are of this caller alone. In the modern era they say so: what is kept of them must not be
   * shown to others (MCP 2026-07-28, "Caching").
   */
  function shownTo (call: McpRequest): (message: RpcMessage) => RpcMessage {
    const [modern, asked, sole] = [
      isModern(call),
      listsAskedFor(call.body),
      !Array.isArray(call.body)
    ]
    return message => {
      const { id, result } = message
      const answers = asked.includes(id)
      if (!answers && call.request.method !== 'GET') return message
      if (!isToolPage(result)) {
        return answers && result !== undefined
          ? {
            jsonrpc: '2.0',
            id,
            error: { code: rpcCode.internalError, message: 'The list of tools is not readable' }
          }
          : message
      }
      // What else may stand beside a list, in a batch or on a stream, may only look like one.
      if (answers && sole) directory.update(result.tools, call)
      return {
        ...message,
        result: {
          ...result,
          tools: result.tools.filter(tool => isShown(tool, call.authInfo)),
          ...(modern && { cacheScope: 'private' })
        }
      }
    }
  }

  return {
    ...server,
    async ready () {
      await server.ready()
      if (atStart === null) return
      // A server may need a caller to show its tools: then it is asked when there is one.
      const tools = await directory.list(startCall()).catch(() => null)
      if (tools === null || 'status' in tools) return
      const problems = tools.flatMap(tool => problemOf(() => scopesOf(tool)))
      if (problems.length > 0) throw startupError('invalidTools', ...problems)
      atStart(tools)
    },
    async admit (call) {
      const refused = refuseBatch(call.body, call.headers['mcp-protocol-version']?.toString())
      if (refused !== null) return refused
      const names = toolsCalledBy(call.body)
      if (names.length === 0) return []
      const tools = await directory.get(names, call).catch((error: unknown) => {
        if (call.signal.aborted) return emptyResponse(goneStatus)
        throw error
      })
      if ('status' in tools) return tools
      const mismatch = isModern(call)
        ? parameterMismatch(call, tools.get(names[0] ?? '')?.inputSchema)
        : null
      return mismatch ?? [...new Set(names.flatMap(name => scopesOf(tools.get(name) ?? { name })))]
    },
    catalog: () => [...catalog],
    async handle (call) {
      const answer = await server.handle(call)
      const lists = call.authInfo !== undefined &&
        (listsAskedFor(call.body).length > 0 || call.request.method === 'GET')
      return lists ? mapMessages(answer, shownTo(call)) : answer
    }
  }
}

function problemOf (check: () => unknown): string[] {
  try {
    check()
    return []
  } catch (error) {
    return [String(((error as Error).cause as Error | undefined)?.message ?? error)]
  }
}

/** Stands for a caller where there is none yet. */
function startCall (): McpRequest {
  const request = { method: 'POST', headers: {}, ip: '127.0.0.1' } as McpRequest['request']
  return {
    request,
    headers: {},
    body: undefined,
    rawBody: '',
    authInfo: undefined,
    signal: new AbortController().signal
  }
}
