/** How are callers listed the tools of a server that does not make the list for each of them? */

import { LRUCache } from 'lru-cache'
import { maxKeptListChars, policyListMs, toolListLifetimeMs } from '../../limits.ts'
import { isModern, versionMember } from '../rpc/era.ts'
import {
  type McpRequest,
  type McpResponse,
  type ScopelessEndpoint,
  metaOf
} from '../rpc/messages.ts'
import { identityOf } from './sessions.ts'
import { type ScopedTool, isToolPage } from './tool-list.ts'
import type { IsVisible } from './visible.ts'

/** All tools of a server, as its list in one revision has them. */
interface KeptList {
  version: number
  expiresAt: number
  tools: Array<{ tool: ScopedTool, text: string, scopes: Scopes }>
  /** The different values of `scopes` in `tools`. */
  scopes: Scopes[]
}

/** Null: they are invalid, and callers do not see the tool. */
type Scopes = readonly string[] | null

type IsAllowed = (
  tool: ScopedTool,
  scopes: readonly string[],
  request: McpRequest
) => Promise<boolean>

/** The beginning of a response with an empty list, but the end of the list. */
const head = '{"result":{"tools":['
/** Members of the result that do not come from the server. */
const ownMembers = ['tools', 'resultType', 'ttlMs', 'cacheScope', '_meta']

/**
 * Keeps the JSON of the tools, if the server lists the same ones to all callers. Then it is asked
 * for an empty list, and the tools that the caller sees are put into its response.
 *
 * @param scopesOf returns the scopes of a tool; `null` if they are invalid
 * @param isVisible checks whether the caller sees tools with these scopes
 * @param isAllowed checks what else decides, if anything does. It is kept for each caller
 */
export function createKeptLists (
  server: ScopelessEndpoint,
  scopesOf: (tool: ScopedTool) => Scopes,
  isVisible: IsVisible,
  isAllowed: IsAllowed | null
) {
  const lists = new Map<string, KeptList>()
  const texts = new LRUCache<string, string>({
    maxSize: maxKeptListChars,
    sizeCalculation: ({ length }, key) => length + key.length,
    ...(isAllowed && { ttl: policyListMs })
  })

  async function textFor (list: KeptList, request: McpRequest) {
    const { authInfo } = request
    const visible = list.scopes.map(scopes =>
      authInfo === undefined || (scopes !== null && isVisible(authInfo, scopes))
    )
    const caller = isAllowed && [identityOf(authInfo), authInfo?.token]
    const key = JSON.stringify([kindOf(request), list.version, list.expiresAt, visible, caller])
    const known = texts.get(key)
    if (known !== undefined) return known
    const seen = list.tools.filter(({ scopes }) => visible[list.scopes.indexOf(scopes)])
    const allowed = isAllowed && authInfo
      ? await Promise.all(
        seen.map(({ tool, scopes }) => isAllowed(tool, scopes ?? [], request))
      )
      : []
    const text = seen.filter((_tool, index) => allowed[index] ?? true)
      .map(({ text }) => text)
      .join(',')
    texts.set(key, text)
    return text
  }

  return {
    /** Returns the list that a request asks for, if it is kept. */
    get (request: McpRequest) {
      const list = isPlain(request) ? lists.get(kindOf(request)) : undefined
      return list && list.version === server.listedToAll?.()?.version &&
          performance.now() < list.expiresAt
        ? list
        : null
    },
    /** Puts the tools that the caller sees into the response with the empty list. */
    async fill (list: KeptList, response: McpResponse, request: McpRequest) {
      const { body } = response
      if (typeof body !== 'string' || !body.startsWith(`${head}]`)) return response
      const text = await textFor(list, request)
      return { ...response, body: head + text + body.slice(head.length) }
    },
    /**
     * Keeps the list in the response of the server.
     *
     * @param version of the tools before the request
     */
    keep (request: McpRequest, { status, body }: McpResponse, version: number | undefined) {
      const all = server.listedToAll?.() ?? null
      if (all === null || all.version !== version || !isPlain(request)) return
      if (status !== 200 || typeof body !== 'string' || !body.startsWith(head)) return
      const { result } = JSON.parse(body)
      if (
        !isToolPage(result) || Object.keys(result).some(name => !ownMembers.includes(name))
      ) { return }
      const names = all.names()
      if (names.length !== result.tools.length) return
      if (result.tools.some(({ name }, index) => name !== names[index])) return
      const known = new Map<string, Scopes>()
      const tools = result.tools.map(tool => {
        const needed = scopesOf(tool)
        const scopes = known.get(String(needed)) ?? needed
        known.set(String(scopes), scopes)
        return { tool, text: JSON.stringify(tool), scopes }
      })
      const scopes = [...known.values()]
      const expiresAt = performance.now() + toolListLifetimeMs
      lists.set(kindOf(request), { version, expiresAt, tools, scopes })
    }
  }
}

/** Checks for a single request for the first page of the list. */
function isPlain ({ http: { method }, body }: McpRequest) {
  if (method !== 'POST' || Array.isArray(body)) return false
  const { method: name, params = {} } = Object(body)
  return name === 'tools/list' && Object.keys(params).every(member => member === '_meta')
}

/** Tells requests apart whose lists may differ: by revision, and whether there is a caller. */
function kindOf (request: McpRequest) {
  const { headers: { 'mcp-protocol-version': header }, body, authInfo } = request
  const version = isModern(request) ? [header, metaOf(Object(body))[versionMember]] : []
  return JSON.stringify([authInfo !== undefined, ...version])
}
