/** How does a tool call become a request to its route, and the response a result? */

import { randomUUID } from 'node:crypto'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyContextConfig, FastifyInstance, InjectOptions } from 'fastify'
import { type VerifiedProof, verifiedProofs } from '../../dpop/verifier.ts'
import { McpOAuthError } from '../../errors.ts'
import { inProcessRequests } from '../../guard/hooks.ts'
import { parseJsonObject } from '../../util/json.ts'
import { connectionHeaders } from '../rpc/messages.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'
import type { Input } from './input.ts'
import { type PathPart, fillPath } from './path.ts'

/** Identifies a route, also among those with its method and URL for another host or version. */
export const routeMark = Symbol('fastify-mcp-oauth.route')

/** The config of a route that is a tool. */
export type MarkedConfig = FastifyContextConfig & { [routeMark]?: unknown }

/** Carries the token of an in-process call. */
export const injectTokenHeader = 'x-fastify-mcp-oauth-ticket'

/** An in-process call. */
interface InjectedCall {
  /**
   * The mark of the route. The router may choose another route: `/items/:id` filled with `special`
   * is `/items/special`, which need not be a tool.
   */
  mark: unknown
  /** The verified proof of the MCP request. */
  proof: VerifiedProof | undefined
}

/** The inject tokens of an app. */
type InjectTokens = ReturnType<typeof createInjectTokens>

const tokensByApp = new WeakMap<FastifyInstance, InjectTokens>()

/**
 * Returns the inject tokens of an app. All its registrations share them, because each hook sees,
 * and would reject, the calls of every registration.
 */
export function injectTokensOf (root: FastifyInstance): InjectTokens {
  const tokens = tokensByApp.get(root) ?? createInjectTokens(root)
  tokensByApp.set(root, tokens)
  return tokens
}

/**
 * A guarded route gets the access token of the MCP request, but no DPoP proof: a proof is for one
 * URL and one use. The proof of the MCP request covers the call, which is a part of it. The guard
 * of the route still checks the token and its binding. A token is random, for one call, and spent
 * when the call arrives, so a logged token is worthless. It grants nothing without a proof.
 */
function createInjectTokens (root: FastifyInstance) {
  const calls = new Map<string, InjectedCall>()
  // Rejects unknown tokens, and calls that the router took to another route than their own.
  root.addHook('onRequest', (request, _reply, done) => {
    const token = request.headers[injectTokenHeader]
    if (token === undefined) return done()
    delete request.headers[injectTokenHeader]
    const call = calls.get(String(token))
    calls.delete(String(token))
    const config: MarkedConfig = request.routeOptions.config
    if (call === undefined || call.mark !== config[routeMark]) {
      return done(new McpOAuthError('notFound'))
    }
    inProcessRequests.add(request)
    if (call.proof !== undefined) verifiedProofs.set(request, call.proof)
    done()
  })
  return {
    /** Runs an in-process call with a token, which is valid until the call arrives or ends. */
    async run<T> (call: InjectedCall, inject: (token: string) => Promise<T>) {
      const token = randomUUID()
      calls.set(token, call)
      try {
        return await inject(token)
      } finally {
        calls.delete(token)
      }
    }
  }
}

/** A route that is a tool. */
export interface ToolRoute {
  method: NonNullable<InjectOptions['method']>
  /** Identifies the route. */
  mark: unknown
  path: PathPart[]
  places: Input['places']
  hasOutputSchema: boolean
  /** The value of a `version` constraint. */
  version: string | undefined
}

/** The MCP request behind a tool call. */
export interface ToolCaller extends RequestInfo {
  signal: AbortSignal
}

type Arguments = Record<string, unknown>

/** Headers of the connection or the body of the MCP request, which the call does not share. */
const neverForwarded = new Set([
  ...connectionHeaders,
  'proxy-authorization',
  'content-type',
  'content-encoding',
  'accept-encoding',
  injectTokenHeader
])

/**
 * Calls a route in this process. Its own hooks, validation and serialization run.
 *
 * @returns the result; a failure of the route is a result with `isError`
 */
export async function callRoute (
  route: ToolRoute,
  args: Arguments,
  caller: ToolCaller,
  { instance, tokens, headers: forwarded }: {
    instance: FastifyInstance
    tokens: InjectTokens
    /** Lower-case names of the headers that the route gets from the MCP request. */
    headers: readonly string[]
  }
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
    if (value !== undefined && !neverForwarded.has(name)) headers[name] = value
  }
  if (route.version !== undefined) headers['accept-version'] = route.version
  if (payload) headers['content-type'] = 'application/json'
  const { statusCode, payload: text } = await tokens.run(
    { mark: route.mark, proof: caller.proof },
    token =>
      instance.inject({
        method: route.method,
        url: query === '' ? path : `${path}?${query}`,
        headers: { ...headers, [injectTokenHeader]: token },
        remoteAddress: caller.remoteAddress,
        signal: caller.signal,
        ...(payload && { payload })
      })
  )
  if (statusCode >= 300) return failure(`HTTP ${statusCode}${text === '' ? '' : `: ${text}`}`)
  const content: CallToolResult['content'] = [{ type: 'text', text }]
  if (!route.hasOutputSchema) return { content }
  const structuredContent = parseJsonObject(text)
  return structuredContent === null
    ? failure(`The response does not match the output schema: ${text}`)
    : { content, structuredContent }
}

function queryOf ({ places }: ToolRoute, args: Arguments) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(args)) {
    if (places.get(name)?.in !== 'query' || value === undefined || value === null) continue
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === 'object') return null
      query.append(name, String(item))
    }
  }
  return query.toString()
}

/** The body as JSON; `undefined` for a route without one. */
function payloadOf ({ places }: ToolRoute, args: Arguments) {
  if (places.get('body')?.in === 'wholeBody') return JSON.stringify(args['body'])
  const body = Object.entries(args).filter(([name]) => places.get(name)?.in === 'body')
  const hasBody = [...places.values()].some(place => place.in === 'body')
  return hasBody ? JSON.stringify(Object.fromEntries(body)) : undefined
}

function failure (text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] }
}
