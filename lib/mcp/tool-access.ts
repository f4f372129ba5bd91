import type { McpAuth } from '../contracts.ts'
import { type RpcMessage, mapMessages } from './answer-messages.ts'
import type { McpAnswer, McpCall, McpEndpoint, ScopelessEndpoint } from './call.ts'
import { isModern, parameterMismatch } from './era.ts'
import { type ScopedTool, type ToolScopesOption, asksForTools, toolScopesOf, toolsCalledBy } from './scopes.ts'
import { createToolDirectory, isPage } from './tool-directory.ts'

/** Whether a caller has scopes. */
export type Holds = (authInfo: McpAuth | undefined, scopes: readonly string[]) => boolean

export interface ToolAccess {
  /** What the operator says about the scopes of tools. */
  toolScopes: ToolScopesOption | undefined
  holds: Holds
}

/**
 * Puts the scopes of tools in front of a server: what a call needs is known before it is made, and the list shows each caller the tools they may call.
 *
 * @param atStart asked for its tools when the app starts, if one server serves everyone: then clients can ask for their scopes from the first login on
 */
export function withToolAccess (server: ScopelessEndpoint, { toolScopes, holds }: ToolAccess, atStart: ((tools: readonly ScopedTool[]) => void) | null): McpEndpoint {
  const scopesOf = toolScopesOf(toolScopes)
  const catalog = new Set(typeof toolScopes === 'object' ? Object.values(toolScopes).flat() : [])
  const directory = createToolDirectory(server.handle, tools => {
    for (const tool of tools) for (const scope of scopesIfWritten(tool)) catalog.add(scope)
  })

  /** A tool whose scopes nobody can tell is shown to no one. */
  function scopesIfWritten (tool: ScopedTool): readonly string[] {
    try {
      return scopesOf(tool)
    } catch {
      return []
    }
  }

  function isShown (tool: ScopedTool, authInfo: McpAuth | undefined): boolean {
    try {
      return holds(authInfo, scopesOf(tool))
    } catch {
      return false
    }
  }

  /** Lists are of this caller alone. In the modern era they say so: what is kept of them must not be shown to others (MCP 2026-07-28, "Caching"). */
  function shownTo (authInfo: McpAuth | undefined, modern: boolean): (message: RpcMessage) => RpcMessage {
    return message => {
      const { result } = message
      if (!isPage(result)) return message
      directory.learn(result.tools)
      return { ...message, result: { ...result, tools: result.tools.filter(tool => isShown(tool, authInfo)), ...(modern && { cacheScope: 'private' }) } }
    }
  }

  async function refuseParameters (call: McpCall): Promise<McpAnswer | null> {
    const [name] = isModern(call) ? toolsCalledBy(call.body) : []
    return name === undefined ? null : parameterMismatch(call, (await directory.find(name, call))?.inputSchema)
  }

  return {
    ...server,
    async ready () {
      await server.ready()
      if (atStart === null) return
      // A server may need a caller to show its tools: then it is asked when there is one.
      const tools = await directory.list(startCall()).catch(() => null)
      if (tools === null) return
      tools.forEach(scopesOf)
      atStart(tools)
    },
    async scopes (call) {
      const needed = new Set<string>()
      for (const name of toolsCalledBy(call.body)) {
        for (const scope of scopesOf(await directory.find(name, call) ?? { name })) needed.add(scope)
      }
      return [...needed]
    },
    catalog: () => [...catalog],
    async handle (call) {
      const refused = await refuseParameters(call)
      if (refused !== null) return refused
      const answer = await server.handle(call)
      const lists = call.authInfo !== undefined && (asksForTools(call.body) || call.request.method === 'GET')
      return lists ? mapMessages(answer, shownTo(call.authInfo, isModern(call))) : answer
    }
  }
}

/** Stands for a caller where there is none yet. */
function startCall (): McpCall {
  const request = { method: 'POST', headers: {}, ip: '127.0.0.1' } as McpCall['request']
  return { request, headers: {}, body: undefined, rawBody: '', authInfo: undefined, signal: new AbortController().signal }
}
