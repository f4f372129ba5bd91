/** How are callers listed the tools of a server that does not make the list for each of them? */

import { LRUCache } from 'lru-cache'
import { maxKeptListBytes, policyListMs, toolListLifetimeMs } from '../../limits.ts'
import { isModern, versionMember } from '../rpc/era.ts'
import {
  type McpRequest,
  type McpResponse,
  type ScopelessEndpoint,
  messagesOf,
  metaOf
} from '../rpc/messages.ts'
import { mapMessages } from '../rpc/responses.ts'
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
  const texts = new LRUCache<string, Buffer>({
    maxSize: maxKeptListBytes,
    sizeCalculation: ({ length }, key) => length + key.length,
    ...(isAllowed && { ttl: policyListMs })
  })

  async function textOf (list: KeptList, request: McpRequest) {
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
    const bytes = Buffer.from(text)
    texts.set(key, bytes)
    return bytes
  }

  return {
    /** Returns the tools that the caller sees, as JSON, if they are known. */
    get (request: McpRequest): Promise<Buffer> | null {
      const list = listIn(request) && lists.get(kindOf(request))
      return list && list.version === server.listedToAll?.()?.version &&
          performance.now() < list.expiresAt
        ? textOf(list, request)
        : null
    },
    /** Puts these tools into the response with the empty list. */
    async fill (
      tools: Buffer,
      response: McpResponse,
      request: McpRequest,
      marker: string | undefined
    ) {
      const { body } = response
      if (marker === undefined) {
        if (typeof body !== 'string' || !body.startsWith(`${head}]`)) return response
        const [start, end] = [head, body.slice(head.length)].map(text => Buffer.from(text))
        return {
          ...response,
          headers: { ...response.headers, 'content-type': 'application/json; charset=utf-8' },
          body: Buffer.concat([start, tools, end] as Buffer[])
        }
      }
      if (typeof body === 'string') {
        return { ...response, body: body.replace(JSON.stringify(marker), () => tools.toString()) }
      }
      const id = listIn(request)?.id
      return await mapMessages(
        response,
        message =>
          message.id === id && message.result !== undefined
            ? { ...message, result: { tools: JSON.parse(`[${tools}]`) } }
            : message
      )
    },
    /**
     * Keeps the list in the response of the server.
     *
     * @param version of the tools before the request
     */
    keep (request: McpRequest, { status, body }: McpResponse, version: number | undefined) {
      const all = server.listedToAll?.()
      if (!all || all.version !== version || !listIn(request)) return
      if (status !== 200 || typeof body !== 'string' || !body.startsWith(head)) return
      const { result } = JSON.parse(body)
      const areOwn = Object.keys(result).every(name => ownMembers.includes(name))
      if (!isToolPage(result) || !areOwn) return
      const names = result.tools.map(({ name }) => name)
      if (JSON.stringify(names) !== JSON.stringify(all.names())) return
      const known = new Map<string, Scopes>()
      const tools = result.tools.map(tool => {
        const needed = scopesOf(tool)
        const scopes = known.get(JSON.stringify(needed)) ?? needed
        known.set(JSON.stringify(scopes), scopes)
        return { tool, text: JSON.stringify(tool), scopes }
      })
      const scopes = [...known.values()]
      const expiresAt = performance.now() + toolListLifetimeMs
      lists.set(kindOf(request), { version, expiresAt, tools, scopes })
    }
  }
}

/** The message of a request that asks for the tools. A server with one page has no cursors. */
function listIn ({ http: { method }, body }: McpRequest) {
  if (method !== 'POST') return undefined
  const list = messagesOf(body).find(({ method }) => method === 'tools/list')
  const { cursor = '' } = Object(list?.params)
  return typeof cursor === 'string' ? list : undefined
}

/** Tells requests apart whose lists may differ: by revision, and whether there is a caller. */
function kindOf (request: McpRequest) {
  const { headers: { 'mcp-protocol-version': header }, body, authInfo } = request
  const version = isModern(request) ? [header, metaOf(Object(body))[versionMember]] : []
  return JSON.stringify([authInfo !== undefined, ...version])
}
