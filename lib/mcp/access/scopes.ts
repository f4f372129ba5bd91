/** Which scopes does a tool need, and which tools does a request call or list? */

import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import type { McpOAuthOptions } from '../../options/schema.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import { messagesOf } from '../rpc/parse.ts'
import { serverFault } from '../rpc/types.ts'

/** Member of a tool's `_meta` in which a server declares the scopes of the tool. */
export const scopesMember = 'fastify-mcp-oauth/scopes'

/** The members of a tool that decide who may call it, and how. */
export interface ScopedTool {
  name: string
  inputSchema?: unknown
  annotations?: ToolAnnotations | undefined
  _meta?: Record<string, unknown> | undefined
}

/** The option `mcp.toolScopes`. */
export type ToolScopesOption = NonNullable<NonNullable<McpOAuthOptions['mcp']>['toolScopes']>

/**
 * Reads the option `mcp.toolScopes`, which overrides the scopes that a tool declares itself.
 *
 * @returns a function that returns the scopes of a tool beyond those of the route, and throws
 *   `internal` for an invalid scope list: a tool with an invalid scope list cannot be called
 */
export function createToolScopes (
  option: ToolScopesOption | undefined
): (tool: ScopedTool) => readonly string[] {
  const configured = ({ name, annotations = {} }: ScopedTool) =>
    typeof option === 'function'
      ? option(name, annotations)
      : option && Object.hasOwn(option, name)
      ? option[name]
      : undefined

  return (tool) => {
    const { _meta: meta = {} } = tool
    const label = `the tool ${JSON.stringify(tool.name)}`
    const override = configured(tool)
    if (override !== undefined) return validScopes(override, `mcp.toolScopes for ${label}`)
    const mistyped = Object.keys(meta).find(member =>
      member.startsWith('fastify-mcp-oauth/') && member !== scopesMember
    )
    if (mistyped !== undefined) {
      throw serverFault(`${label}: ${mistyped} in its _meta is unknown. Use ${scopesMember}`)
    }
    return validScopes(meta[scopesMember] ?? [], `${label}: ${scopesMember} in its _meta`)
  }
}

function validScopes (scopes: unknown, place: string): readonly string[] {
  const problem = problemOfScopes(scopes)
  if (problem !== null) throw serverFault(`${place}: ${problem}`)
  return scopes as readonly string[]
}

/** The names of the tools that a body calls. A batch counts as one request with all its calls. */
export function calledTools (body: unknown): string[] {
  const names = messagesOf(body).flatMap(({ method, params }) => {
    const { name } = Object(params) as { name?: unknown }
    return method === 'tools/call' && typeof name === 'string' ? [name] : []
  })
  return [...new Set(names)]
}

/** The ids of the `tools/list` requests in a body. */
export function listRequestIds (body: unknown): unknown[] {
  return messagesOf(body).filter(({ method }) => method === 'tools/list').map(({ id }) => id)
}
