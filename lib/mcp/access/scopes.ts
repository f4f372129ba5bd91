import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import { McpOAuthError } from '../../errors.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import { messagesOf } from '../rpc/messages.ts'

/** Member of a tool's `_meta` in which a server says what callers of the tool need. */
export const scopesMember = 'fastify-mcp-oauth/scopes'

/** What a server says about a tool, as far as who may call it and how is concerned. */
export interface ScopedTool {
  name: string
  inputSchema?: unknown
  annotations?: ToolAnnotations | undefined
  _meta?: Record<string, unknown> | undefined
}

/** The option `mcp.toolScopes`. */
export type ToolScopesOption =
  | Readonly<Record<string, readonly string[]>>
  | ((tool: string, annotations: Readonly<ToolAnnotations>) => readonly string[] | undefined)

/**
 * The scopes a tool needs beyond those of the route. Throws `internal` for something else than
 * scopes: a slip must not leave a tool open.
 */
export type ToolScopes = (tool: ScopedTool) => readonly string[]

/** Reads the option `toolScopes`, whose word about a tool comes before the tool's own. */
export function toolScopesOf (option: ToolScopesOption | undefined): ToolScopes {
  return (tool) => {
    const said = typeof option === 'function'
      ? option(tool.name, tool.annotations ?? {})
      : option && Object.hasOwn(option, tool.name)
      ? option[tool.name]
      : undefined
    if (said !== undefined) {
      return scopesIn(said, `mcp.toolScopes for the tool ${JSON.stringify(tool.name)}`)
    }
    const mistyped = Object.keys(tool._meta ?? {}).find(member =>
      member.startsWith('fastify-mcp-oauth/') && member !== scopesMember
    )
    if (mistyped !== undefined) {
      throw new McpOAuthError('internal', {
        cause: new TypeError(
          `the tool ${
            JSON.stringify(tool.name)
          }: there is no ${mistyped} in _meta. There is ${scopesMember}`
        )
      })
    }
    return scopesIn(
      tool._meta?.[scopesMember] ?? [],
      `the tool ${JSON.stringify(tool.name)}: ${scopesMember} in its _meta`
    )
  }
}

function scopesIn (scopes: unknown, place: string): readonly string[] {
  const problem = problemOfScopes(scopes)
  if (problem !== null) {
    throw new McpOAuthError('internal', { cause: new TypeError(`${place}: ${problem}`) })
  }
  return scopes as readonly string[]
}

/**
 * The names of the tools that a JSON-RPC body calls. A batch is one request, with all of its calls.
 */
export function toolsCalledBy (body: unknown): string[] {
  return [
    ...new Set(
      messagesOf(body).flatMap(({ method, params }) => {
        const { name } = Object(params) as { name?: unknown }
        return method === 'tools/call' && typeof name === 'string' ? [name] : []
      })
    )
  ]
}

/** The ids under which a JSON-RPC body asks for the list of tools. */
export function listsAskedFor (body: unknown): unknown[] {
  return messagesOf(body).filter(({ method }) => method === 'tools/list').map(({ id }) => id)
}
