import type { IncomingHttpHeaders } from 'node:http'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { injectTokenHeader, withInjectToken, type Call } from './inject.ts'
import type { ToolInput } from './input.ts'
import { type PathPart, fillPath } from './path.ts'

/** The in-process call of Fastify. */
export type Inject = FastifyInstance['inject']

/** A route that is a tool. */
export interface ToolRoute {
  method: NonNullable<InjectOptions['method']>
  /** Tells it from all other routes. */
  mark: string
  path: readonly PathPart[]
  places: ToolInput['places']
  hasOutputSchema: boolean
  /** The value of a `version` constraint. */
  version: string | undefined
}

/** Who is calling, and from where. */
export interface ToolCaller {
  /** Headers of the MCP request; those of `forwarded` reach the route. */
  headers: IncomingHttpHeaders
  remoteAddress: string
  signal: AbortSignal
  proof?: Call['proof']
}

/**
 * Say something about the connection or the body of the MCP request, which are not those of the
 * call.
 */
const neverForwarded = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'content-length',
  'content-type',
  'content-encoding',
  'accept-encoding',
  injectTokenHeader
])

/** The headers that may travel with a call: lower case, and nothing that would falsify it. */
export function forwardedHeaders (headers: readonly string[]): string[] {
  return headers.map((name) => name.toLowerCase()).filter((name) => !neverForwarded.has(name))
}

/**
 * Calls a route with a tool's arguments, inside this process: the route's own hooks, validation and
 * serialization run.
 */
export async function callRoute (
  route: ToolRoute,
  args: Readonly<Record<string, unknown>>,
  caller: ToolCaller,
  forwarded: readonly string[],
  inject: Inject
): Promise<CallToolResult> {
  for (const name of Object.keys(args)) {
    if (!route.places.has(name)) return failure('There is an argument this tool does not have.')
  }
  const path = fillPath(route.path, args)
  if (path === null) {
    return failure('An argument that is part of the address is missing or cannot be part of one.')
  }
  const query = queryOf(route, args)
  if (query === null) {
    return failure(
      'An argument that is part of the query is neither a plain value nor a list of them.'
    )
  }

  const body = payloadOf(route, args)
  const headers = headersOf(route, caller, forwarded)
  const { statusCode, payload } = await withInjectToken(
    { mark: route.mark, proof: caller.proof },
    ticket =>
      inject({
        method: route.method,
        url: query === '' ? path : `${path}?${query}`,
        headers: {
          ...headers,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          [injectTokenHeader]: ticket
        },
        remoteAddress: caller.remoteAddress,
        signal: caller.signal,
        ...(body !== undefined && { payload: body })
      })
  )
  if (statusCode >= 300) {
    return failure(payload === '' ? `HTTP ${statusCode}` : `HTTP ${statusCode}: ${payload}`)
  }
  const result: CallToolResult = { content: [{ type: 'text', text: payload }] }
  if (!route.hasOutputSchema) return result
  const structuredContent = parseObject(payload)
  if (structuredContent === undefined) {
    return failure(`The answer is not the object it should be: ${payload}`)
  }
  return { ...result, structuredContent }
}

function headersOf (
  { version }: ToolRoute,
  caller: ToolCaller,
  forwarded: readonly string[]
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {
    host: caller.headers.host ?? 'localhost',
    accept: 'application/json'
  }
  for (const name of forwarded) {
    const value = caller.headers[name]
    if (value !== undefined) headers[name] = value
  }
  if (version !== undefined) headers['accept-version'] = version
  return headers
}

function queryOf ({ places }: ToolRoute, args: Readonly<Record<string, unknown>>): string | null {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(args)) {
    if (places.get(name) !== 'query' || value === undefined || value === null) continue
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === 'object') return null
      query.append(name, String(item))
    }
  }
  return query.toString()
}

/** The body in JSON; `undefined` for a route that takes none. */
function payloadOf (
  { places }: ToolRoute,
  args: Readonly<Record<string, unknown>>
): string | undefined {
  const body: Record<string, unknown> = {}
  let hasBody = false
  for (const [name, place] of places) {
    if (place === 'wholeBody') return JSON.stringify(args[name])
    if (place !== 'body') continue
    hasBody = true
    if (Object.hasOwn(args, name)) body[name] = args[name]
  }
  return hasBody ? JSON.stringify(body) : undefined
}

function parseObject (payload: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(payload)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined
  } catch {
    return undefined
  }
}

function failure (text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] }
}
