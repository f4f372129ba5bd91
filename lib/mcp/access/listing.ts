/** Which tools and resources are in the lists that a caller gets? */

import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { McpOAuthError } from '../../errors.ts'
import { logRefusal } from '../../host/replies.ts'
import { mergeScopes } from '../../oauth/scope.ts'
import { isModern } from '../rpc/era.ts'
import {
  type McpRequest,
  type RpcMessage,
  type ScopelessEndpoint,
  rpcCode,
  rpcError
} from '../rpc/messages.ts'
import { mapMessages } from '../rpc/responses.ts'
import { createKeptLists } from './kept-lists.ts'
import type { createPolicy } from './policy.ts'
import { type ScopedTool, isToolPage } from './tool-list.ts'
import type { createToolScopes } from './tool-scopes.ts'
import type { IsVisible } from './visible.ts'

/**
 * Creates the function that serves requests with lists, which it gets beside them.
 *
 * @param decide the policy of the operator, if there is one
 * @param onTools receives the tools that a caller is listed
 */
export function createListing (
  server: ScopelessEndpoint,
  toolScopes: ReturnType<typeof createToolScopes>,
  decide: ReturnType<typeof createPolicy> | null,
  isVisible: IsVisible,
  onTools: (tools: ScopedTool[], request: McpRequest) => void
) {
  const keptLists = createKeptLists(
    server,
    tool => toolScopes.inspect(tool).scopes,
    isVisible,
    decide === null ? null : isAllowed
  )

  /** Creates a check of many tools, which mostly need the same few scopes. */
  function listedTo (request: McpRequest) {
    const visible = new Map<string, boolean>()
    return (tool: ScopedTool) => {
      const { scopes } = toolScopes.inspect(tool)
      if (scopes === null) return false
      const key = scopes.join(' ')
      const isSeen = visible.get(key) ?? isVisible(request.authInfo, scopes)
      visible.set(key, isSeen)
      return isSeen && (decide === null || isAllowed(tool, scopes, request))
    }
  }

  async function isAllowed (tool: ScopedTool, scopes: readonly string[], request: McpRequest) {
    if (decide === null) return true
    const { reason, scopes: more } = await decide(tool, undefined, request)
    return reason === null && isVisible(request.authInfo, mergeScopes(scopes, more))
  }

  const resources = new Map<string, ScopedTool | undefined>()

  /** A template of resources is read like any of its URIs. */
  function toolOf (entry: unknown, member: string) {
    if (member === 'tools') return entry as ScopedTool
    if (!server.callOf) return undefined
    const { uri: given, uriTemplate: uri = given } = Object(entry)
    const known = resources.get(uri)
    if (known) return known
    const tool = server.callOf({ method: 'resources/read', params: { uri } })?.tool
    resources.set(uri, tool)
    return tool
  }

  /**
   * Removes the tools and resources that the caller may not see. In the modern era the list is
   * marked private, so that no cache shows it to another caller (MCP 2026-07-28, "Caching").
   */
  function filterLists (request: McpRequest, listIds: unknown[], isStream: boolean) {
    const modern = isModern(request)
    return async (message: RpcMessage): Promise<RpcMessage> => {
      const { id } = message
      const isList = listIds.includes(id)
      if (!isList && request.http.method !== 'GET') return message
      const result = Object(message.result) as Record<string, unknown>
      const member = listMembers.find(name => Array.isArray(result[name]))
      if (member === undefined || (member === 'tools' && !isToolPage(result))) {
        return isList && message.result !== undefined
          ? rpcError(id, rpcCode.internalError, 'The list is invalid')
          : message
      }
      const entries = result[member] as unknown[]
      // In a batch or on a stream, the result of a tool may have the form of a list.
      if (isToolPage(result) && isList && !Array.isArray(request.body)) {
        onTools(result.tools, request)
      }
      try {
        const isListed = listedTo(request)
        const verdicts = entries.map(entry => {
          const tool = toolOf(entry, member)
          return !tool || isListed(tool)
        })
        const listed = decide === null ? verdicts : await Promise.all(verdicts)
        const kept = entries.filter((_entry, index) => listed[index])
        // A handler may have written what another parser reads otherwise.
        const isOurs = server.listedToAll !== undefined
        if (isOurs && !modern && kept.length === entries.length) return message
        return {
          ...message,
          result: { ...result, [member]: kept, ...(modern && { cacheScope: 'private' }) }
        }
      } catch (error) {
        if (!isStream) throw error
        // The status has been sent.
        logRefusal(request.http, error as McpOAuthError)
        return rpcError(id, rpcCode.unavailable, 'The list is not available at the moment')
      }
    }
  }

  return async (request: McpRequest, lists: RpcMessage[]) => {
    const known = keptLists.get(request)
    const kept = known && await known
    const { version } = server.listedToAll?.() ?? {}
    // In a batch, results of tools may look like the list, but cannot guess this.
    const marker = Array.isArray(request.body) ? randomUUID() : undefined
    const response = kept === null
      ? await server.handle(request)
      : await keptLists.fill(
        kept,
        await server.handle({ ...request, wantsEmptyList: marker ?? true }),
        request,
        marker
      )
    if (kept === null && version !== undefined) keptLists.keep(request, response, version)
    if (request.authInfo === undefined) return response
    const listIds = lists.filter(({ method }) => kept === null || method !== 'tools/list')
      .map(({ id }) => id)
    if (listIds.length === 0 && request.http.method !== 'GET') return response
    const isStream = response.body instanceof Readable
    return await mapMessages(response, filterLists(request, listIds, isStream))
  }
}

/** The members of results that are lists. */
const listMembers = ['tools', 'resources', 'resourceTemplates']
