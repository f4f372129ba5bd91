import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { McpOAuthError } from '../errors.ts'
import { type RpcMessage, mapMessages } from './answer-messages.ts'
import { type McpCall, type ScopelessEndpoint, rpcCode } from './call.ts'
import type { ScopedTool } from './scopes.ts'

/** What a server says about its tools. Only asking it tells: tools come and go while it runs. */
export interface ToolDirectory {
  /** A tool, as the server showed it a moment ago, or shows it now. `undefined` if it does not show it. */
  find (name: string, call: McpCall): Promise<ScopedTool | undefined>
  /** Asks for all tools. */
  list (call: McpCall): Promise<readonly ScopedTool[]>
  /** Notes tools that were shown to somebody. */
  learn (tools: readonly ScopedTool[]): void
}

/** Milliseconds what a server said about a tool is taken for true. */
const lifetime = 10_000

/** Tools remembered at most, and pages of a list that are read. */
const [maxTools, maxPages] = [10_000, 100]

interface Page { tools: readonly ScopedTool[], nextCursor?: string }

/**
 * @param handle the server itself: what is asked here is asked by us
 * @param onLearn told the tools whenever some were shown
 */
export function createToolDirectory (handle: ScopelessEndpoint['handle'], onLearn: (tools: readonly ScopedTool[]) => void): ToolDirectory {
  const known = new Map<string, { tool: ScopedTool, until: number }>()
  const directory: ToolDirectory = {
    async find (name, call) {
      const found = known.get(name)
      if (found !== undefined && performance.now() < found.until) return found.tool
      const tools = await directory.list(call)
      return tools.find(tool => tool.name === name)
    },
    async list (call) {
      const tools: ScopedTool[] = []
      let cursor: string | undefined
      for (let count = 0; count < maxPages; count++) {
        const page = await ask(handle, call, cursor)
        tools.push(...page.tools)
        if (page.nextCursor === undefined) break
        cursor = page.nextCursor
      }
      directory.learn(tools)
      return tools
    },
    learn (tools) {
      if (known.size + tools.length > maxTools) known.clear()
      const until = performance.now() + lifetime
      for (const tool of tools) known.set(tool.name, { tool, until })
      onLearn(tools)
    }
  }
  return directory
}

/** Asks for a page of the list as the caller would. Throws `internal` if the server fails: nobody knows then what its tools ask of callers. */
async function ask (handle: ScopelessEndpoint['handle'], call: McpCall, cursor: string | undefined): Promise<Page> {
  const id = randomUUID()
  const meta = protocolMeta(call.body)
  const body = { jsonrpc: '2.0', id, method: 'tools/list', params: { ...(meta && { _meta: meta }), ...(cursor !== undefined && { cursor }) } }
  const answer = await handle({ ...call, headers: headersFor(call.headers), body, rawBody: JSON.stringify(body) })
  const replies: RpcMessage[] = []
  const { body: answered } = mapMessages(answer, message => {
    if (message['id'] === id) replies.push(message)
    return message
  })
  // The events of a stream are seen as they are read.
  if (typeof answered === 'object' && answered !== null) for await (const { length } of answered) if (length === 0 || replies.length > 0) break

  const { result, error } = Object(replies[0]) as { result?: unknown, error?: { code?: unknown } }
  if (isPage(result)) return result
  // Whom the server refuses its list, it refuses its tools too; and some servers have none.
  if (answer.status < 500 && (error === undefined || error.code === rpcCode.methodNotFound || answer.status >= 400)) return { tools: [] }
  throw new McpOAuthError('internal', { cause: new Error('the MCP server failed to list its tools') })
}

/** Tools are told apart by their names; a list of anything else is no list of tools. */
export function isPage (result: unknown): result is Page {
  const { tools, nextCursor } = Object(result) as { tools?: unknown, nextCursor?: unknown }
  return Array.isArray(tools) && tools.every(tool => typeof Object(tool).name === 'string') && ['string', 'undefined'].includes(typeof nextCursor)
}

/** What a request of the modern era says about itself; nothing of what the caller wants with this one. */
function protocolMeta (body: unknown): Record<string, unknown> | null {
  const [message] = [body].flat()
  const { params } = Object(message) as { params?: unknown }
  const { _meta: meta } = Object(params) as { _meta?: unknown }
  const kept = Object.entries(Object(meta)).filter(([name]) => /^io\.modelcontextprotocol\/(?:protocolVersion|client)/.test(name))
  return kept.length === 0 ? null : Object.fromEntries(kept)
}

function headersFor ({ 'mcp-name': _name, 'last-event-id': _event, ...headers }: IncomingHttpHeaders): IncomingHttpHeaders {
  return { ...headers, accept: 'application/json, text/event-stream', ...(headers['mcp-method'] !== undefined && { 'mcp-method': 'tools/list' }) }
}
