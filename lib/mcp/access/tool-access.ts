/** Which tools may a caller list and call? */

import { quoted, startupError } from '../../errors.ts'
import { mergeScopes } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import type { ListedTool } from '../../options/page-details.ts'
import { Cancellation } from '../../util/cancellation.ts'
import {
  type McpRequest,
  type McpResponse,
  type RouteCall,
  type RpcMessage,
  type ScopelessEndpoint,
  disconnectedResponse,
  messagesOf,
  rpcCode,
  rpcFailure
} from '../rpc/messages.ts'
import { isModern, parameterMismatch } from '../rpc/era.ts'
import { parseMessages } from '../rpc/parse.ts'
import { createListing } from './listing.ts'
import { createPolicy, refuse } from './policy.ts'
import { type ScopedTool, createToolList } from './tool-list.ts'
import { createToolScopes } from './tool-scopes.ts'
import type { IsVisible } from './visible.ts'

/** Receives the tools when the app starts. Throws if it must not start. */
export type OnStart = (tools: ScopedTool[]) => void

/** An MCP server as the MCP route uses it. */
export type McpEndpoint = ReturnType<typeof withToolAccess>

/**
 * Puts the scopes and the policy of tools in front of a server. A call is checked before it reaches
 * the server, and the list of tools has those that its caller may call or can request scopes for.
 *
 * @param isVisible checks whether a caller sees a tool that needs scopes
 * @param onStart for one server that serves all callers. Then clients can request the scopes of
 *   tools with their first login
 */
export function withToolAccess (
  server: ScopelessEndpoint,
  options: Pick<Config['mcp'], 'toolScopes' | 'authorizeTool'>,
  isVisible: IsVisible,
  onStart: OnStart | null
) {
  const toolScopes = createToolScopes(options.toolScopes)
  const decide = createPolicy(options.authorizeTool)
  const known = new Set(
    typeof options.toolScopes === 'object' ? Object.values(options.toolScopes).flat() : []
  )
  const toolList = createToolList(server.handle, onStart !== null, tools => {
    for (const scope of tools.flatMap(tool => toolScopes.inspect(tool).scopes ?? [])) {
      known.add(scope)
    }
  })

  let listed: readonly ListedTool[] = []

  const freeLists = new WeakMap<ReadonlyMap<string, ScopedTool>, boolean>()
  const handleLists = createListing(
    server,
    toolScopes,
    options.authorizeTool === undefined ? null : decide,
    isVisible,
    toolList.update
  )

  return {
    ...server,
    async ready () {
      await server.ready()
      if (onStart === null) return
      // A server may list its tools for some callers only: their requests update the list.
      const tools = await toolList.list(startRequest).catch(() => null)
      if (tools === null || 'status' in tools) return
      const problems = tools.flatMap(tool => toolScopes.inspect(tool).problems)
      if (problems.length > 0) throw startupError('invalidTools', ...problems)
      onStart(tools)
      listed = tools.map(describe)
    },
    /**
     * The tools at start-up of a server that lists the same ones to all callers: the consent page,
     * which anyone can read, must not tell which tools a single caller has.
     */
    listedTools: () => server.listedToAll?.() ? listed : [],
    /**
     * Checks the types of all messages, and whether the caller may make all calls in them.
     *
     * @param requireScopes throws the challenge for scopes that the caller does not have
     * @returns the response to a request that must not reach the server, or `null`
     */
    async authorize (
      request: McpRequest,
      requireScopes: (scopes: readonly string[]) => Promise<void>
    ): Promise<McpResponse | null> {
      if (request.http.method !== 'POST') return null
      const version = request.headers['mcp-protocol-version']?.toString()
      const parsed = parseMessages(request.body, version)
      if ('status' in parsed) return parsed
      request.parsed = parsed
      const messages = messagesOf(request.body)
      const calls = messages.filter(({ method }) => method === 'tools/call')
      const names = calls.map(({ params }) => (params as CallParameters).name)
      const cached = toolList.cached(names, request)
      const listed = cached ?? await toolList.get(request).catch((error: unknown) => {
        if (request.cancellation.isCancelled) return disconnectedResponse
        throw error
      })
      if ('status' in listed) return listed
      const tools = names.map(name => listed.get(name) ?? { name })
      const mismatch = isModern(request) ? parameterMismatch(request, tools[0]?.inputSchema) : null
      if (mismatch !== null) return mismatch
      if (!canJudge(tools, listed)) {
        const unknown = names.find(name => !listed.has(name))
        const message = `Unknown tool: ${quoted(unknown)}`
        return rpcFailure(200, rpcCode.invalidParams, message, messages[0]?.id)
      }

      const judged: Array<{ message: RpcMessage } & RouteCall> = []
      for (const message of messages) {
        const index = calls.indexOf(message)
        const call = index < 0
          ? server.callOf?.(message)
          : {
            tool: tools[index] as ScopedTool,
            arguments: (message.params as CallParameters).arguments ?? {}
          }
        if (call) judged.push({ message, tool: call.tool, arguments: call.arguments })
      }
      const scopes = mergeScopes(...judged.map(({ tool }) => toolScopes.of(tool)))
      if (scopes.length > 0) await requireScopes(scopes)
      if (options.authorizeTool === undefined) return null
      const decisions = new Map(
        await Promise.all(
          judged.map(async ({ message, tool, arguments: args }) =>
            [message, await decide(tool, args, request)] as const
          )
        )
      )
      await requireScopes(
        mergeScopes(scopes, ...[...decisions.values()].map(({ scopes }) => scopes))
      )
      return refuse(request, decisions)
    },
    /** The scopes of its tools and resources, as far as they are known by now. */
    knownScopes: () => [...known, ...server.knownScopes?.() ?? []],
    handle (request: McpRequest) {
      const lists = messagesOf(request.body)
        .filter(({ method }) => /^(tools|resources)\/(.*\/)?list$/.test(String(method)))
      return lists.length === 0 && request.http.method !== 'GET'
        ? server.handle(request)
        : handleLists(request, lists)
    }
  }

  function describe (tool: ScopedTool): ListedTool {
    const hints: NonNullable<ScopedTool['annotations']> = Object(tool.annotations)
    const { readOnlyHint, destructiveHint, title } = hints
    return {
      title: String(tool.title ?? title ?? tool.name),
      effect: readOnlyHint ? 'reads' : destructiveHint ? 'deletes' : 'changes',
      scopes: toolScopes.of(tool)
    }
  }

  /**
   * Where some calls are restricted, a tool that the server does not list cannot be judged: it may
   * be another spelling of one that is.
   */
  function canJudge (tools: ScopedTool[], listed: ReadonlyMap<string, ScopedTool>) {
    return tools.every(tool => listed.has(tool.name) || toolScopes.inOption(tool) !== undefined) ||
      ((options.toolScopes ?? options.authorizeTool) === undefined && isFree(listed))
  }

  /** Whether no tool of a list needs scopes. */
  function isFree (listed: ReadonlyMap<string, ScopedTool>) {
    const known = freeLists.get(listed) ??
      [...listed.values()].every(tool => toolScopes.inspect(tool).scopes?.length === 0)
    freeLists.set(listed, known)
    return known
  }
}

/** The parameters of a valid call. Its further members are not verified. */
interface CallParameters {
  name: string
  arguments?: Record<string, unknown>
}

/** A request without a caller, for the list of tools at start-up. */
const startRequest: McpRequest = {
  http: { method: 'POST', headers: {}, ip: '127.0.0.1' } as McpRequest['http'],
  headers: {},
  body: undefined,
  rawBody: '',
  authInfo: undefined,
  cancellation: new Cancellation()
}
