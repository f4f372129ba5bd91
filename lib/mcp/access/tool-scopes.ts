/** Which scopes does a tool need beyond those of the route? */

import { failure } from '../../errors.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import type { ScopedTool } from './tool-list.ts'

/** Member of a tool's `_meta` in which a server declares the scopes of the tool. */
export const scopesMember = 'fastify-mcp-oauth/scopes'

/**
 * Reads the scopes of tools.
 *
 * @param option `mcp.toolScopes`, which overrides the scopes that a tool declares itself
 */
export function createToolScopes (option: Config['mcp']['toolScopes']) {
  const toolScopes = {
    /** The scopes in the option; `undefined` leaves it to the tool. */
    inOption ({ name, annotations = {} }: ScopedTool) {
      if (typeof option === 'function') return option(name, annotations)
      return option && Object.hasOwn(option, name) ? option[name] : undefined
    },
    /** @throws {McpOAuthError} internal for an invalid scope list: the tool cannot be called */
    of (tool: ScopedTool): readonly string[] {
      const { name, _meta: meta = {} } = tool
      const override = toolScopes.inOption(tool)
      if (override !== undefined) return validScopes(override, name, 'the option mcp.toolScopes')
      for (const member in meta) {
        if (!member.startsWith('fastify-mcp-oauth/') || member === scopesMember) continue
        throw invalid(name, `${member} in its _meta is unknown. Use ${scopesMember}`)
      }
      return validScopes(meta[scopesMember] ?? [], name, `${scopesMember} in its _meta`)
    },
    /** The scopes of a tool, `null` with a problem for an invalid scope list. */
    inspect (tool: ScopedTool) {
      try {
        return { scopes: toolScopes.of(tool), problems: [] }
      } catch (error) {
        const { cause = error } = error as Error
        return { scopes: null, problems: [String((cause as Error | undefined)?.message ?? error)] }
      }
    }
  }
  return toolScopes
}

function validScopes (scopes: unknown, name: string, place: string) {
  const problem = problemOfScopes(scopes)
  if (problem !== null) throw invalid(name, `${place} ${problem}`)
  return scopes as readonly string[]
}

const invalid = (name: string, problem: string) =>
  failure('internal', `the tool ${JSON.stringify(name)}: ${problem}`)
