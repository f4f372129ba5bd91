/** How does a tool call become a request to its route, and the response a result? */

import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { parseJsonObject } from '../../util/json.ts'
import { connectionHeaders } from '../rpc/types.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'
import { injectTokenHeader, type InjectTokens } from './inject.ts'
import { type PathPart, type ToolInput, fillPath } from './input.ts'

/** Fastify's in-process call. */
export type Inject = FastifyInstance['inject']

/** A route that is a tool. */
export interface ToolRoute {
  method: NonNullable<InjectOptions['method']>
  /** Identifies the route. */
  mark: string
  path: readonly PathPart[]
  places: ToolInput['places']
  hasOutputSchema: boolean
  /** The value of a `version` constraint. */
  version: string | undefined
}

/** The MCP request behind a tool call. */
export interface ToolCaller extends RequestInfo {
  signal: AbortSignal
}

/** The means of calling routes. */
interface ToolTransport {
  inject: Inject
  tokens: InjectTokens
  /** Lower-case names of the headers that the route gets from the MCP request. */
  headers: readonly string[]
}

type Arguments = Readonly<Record<string, unknown>>

/** Headers of the connection or the body of the MCP request, which the call does not share. */
const neverForwarded = new Set([
  ...connectionHeaders,
  'proxy-authorization',
  'content-type',
  'content-encoding',
  'accept-encoding',
  injectTokenHeader
])

/** Removes the headers that a call must not take from the MCP request. */
export function forwardedHeaders (headers: readonly string[]): string[] {
  return headers.map((name) => name.toLowerCase()).filter((name) => !neverForwarded.has(name))
}

/**
 * Calls a route in this process. Its own hooks, validation and serialization run.
 *
 * @returns the result; a failure of the route is a result with `isError`
 */
export async function callRoute (
  route: ToolRoute,
  args: Arguments,
  caller: ToolCaller,
  { inject, tokens, headers: forwarded }: ToolTransport
): Promise<CallToolResult> {
  if (Object.keys(args).some(name => !route.places.has(name))) {
    return failure('The tool does not have one of the arguments.')
  }
  const path = fillPath(route.path, args)
  if (path === null) return failure('An argument of the path is missing or invalid.')
  const query = queryOf(route, args)
  if (query === null) {
    return failure('An argument of the query is neither a plain value nor a list of them.')
  }
  const payload = payloadOf(route, args)
  const headers: Record<string, string | string[]> = {
    host: caller.headers.host ?? 'localhost',
    accept: 'application/json'
  }
  for (const name of forwarded) {
    const value = caller.headers[name]
    if (value !== undefined) headers[name] = value
  }
  if (route.version !== undefined) headers['accept-version'] = route.version
  if (payload !== undefined) headers['content-type'] = 'application/json'
  const response = await tokens.run({ mark: route.mark, proof: caller.proof }, token =>
    inject({
      method: route.method,
      url: query === '' ? path : `${path}?${query}`,
      headers: { ...headers, [injectTokenHeader]: token },
      remoteAddress: caller.remoteAddress,
      signal: caller.signal,
      ...(payload !== undefined && { payload })
    }))
  return resultOf(route, response.statusCode, response.payload)
}

function resultOf (route: ToolRoute, status: number, payload: string): CallToolResult {
  if (status >= 300) return failure(`HTTP ${status}${payload === '' ? '' : `: ${payload}`}`)
  const result: CallToolResult = { content: [{ type: 'text', text: payload }] }
  if (!route.hasOutputSchema) return result
  const structuredContent = parseJsonObject(payload)
  return structuredContent === null
    ? failure(`The response does not match the output schema: ${payload}`)
    : { ...result, structuredContent }
}

function queryOf ({ places }: ToolRoute, args: Arguments): string | null {
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

/** The body as JSON; `undefined` for a route without one. */
function payloadOf ({ places }: ToolRoute, args: Arguments): string | undefined {
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

function failure (text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] }
}
