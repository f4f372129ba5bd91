import { randomUUID } from 'node:crypto'
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, RouteOptions, onRequestHookHandler } from 'fastify'
import { startupError } from '../../errors.ts'
import { checkInjectToken, routeMark } from './inject.ts'
import { type RouteSchema, type ToolInput, buildInput } from './input.ts'
import {
  type Inject,
  type ToolCaller,
  type ToolRoute,
  callRoute,
  forwardedHeaders
} from './call.ts'
import type { ToolOptions } from '../../options/schema.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import { scopesMember } from '../access/scopes.ts'
import { filterOperations, filterProblems } from './filter.ts'
import { type ToolOutput, buildOutput } from './output.ts'
import { parsePath } from './path.ts'

/** Routes as tools: what `tools/list` shows, by name, and what `tools/call` does. */
export interface ToolCollection {
  tools: readonly Tool[]
  /** Resolves to `null` for a name no tool has. A route that fails is a result with `isError`. */
  call(
    name: string,
    args: Readonly<Record<string, unknown>>,
    caller: ToolCaller
  ): Promise<CallToolResult | null>
}

export interface ToolBuildOptions {
  options?: ToolOptions
  /** Headers of the MCP request that reach the routes. Default `['authorization']`. */
  headers?: readonly string[]
  inject: Inject
}

export interface ToolCollector {
  /** For Fastify's `onRoute` hook. Only routes added after it are seen. */
  onRoute(this: FastifyInstance, route: CollectedRoute): void
  /**
   * For an `onRequest` hook of the root: in-process calls must not reach the routes that `onRoute`
   * has not seen either.
   */
  onRequest: onRequestHookHandler
  /** At `onReady`: every problem of every route in one `invalidTools` error. */
  build(options: ToolBuildOptions): ToolCollection
}

/** What the `onRoute` hook hands over. */
export type CollectedRoute = RouteOptions & { routePath?: string, path?: string, prefix?: string }

/** What a route may say about itself as a tool, in `config.mcp`. */
interface RouteConfig {
  mcpOAuth?: unknown
  mcp?: RouteTool
  [routeMark]?: string
}

interface RouteTool {
  /** Name of the tool. Defaults to the route's `operationId`. */
  name?: string
  /** Scopes a caller of the tool needs. */
  scopes?: readonly string[]
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** This route as a tool. */
    mcp?: RouteTool
  }

  // The same words, and the same types, as those of @fastify/swagger.
  interface FastifySchema {
    hide?: boolean
    tags?: readonly string[]
    description?: string
    summary?: string
    operationId?: string
  }
}

interface Candidate {
  name: string
  tags: readonly string[]
  method: ToolRoute['method']
  mark: string
  route: CollectedRoute
  schema: RouteSchema
  /** Where the route was added: its shared schemas are the ones the route may refer to. */
  scope: FastifyInstance
}

const namePattern = /^[A-Za-z0-9_.-]{1,128}$/

/**
 * Starts collecting routes. A route is a tool if it has a schema with an `operationId`, or a name
 * in `config.mcp.name`.
 */
export function createToolCollector (): ToolCollector {
  const candidates: Candidate[] = []

  return {
    onRoute (route) {
      const config = route.config as RouteConfig | undefined
      if (config?.mcpOAuth !== undefined) return

      const schema = (route.schema ?? {}) as RouteSchema
      const name = config?.mcp?.name ?? schema.operationId
      if (typeof name !== 'string' || schema.hide === true) return
      const mark = config?.[routeMark] ?? randomUUID()
      route.config = { ...config, [routeMark]: mark } as typeof route.config & object
      const tags = Array.isArray(schema.tags) ? schema.tags.map(String) : []
      for (const method of [route.method].flat()) {
        if (method === 'HEAD' || method === 'OPTIONS') continue
        candidates.push({
          name,
          tags,
          method: method as ToolRoute['method'],
          mark,
          route,
          schema,
          scope: this
        })
      }
    },

    onRequest: checkInjectToken,

    build ({ options = {}, headers = ['authorization'], inject }) {
      const operations = candidates.filter(({ route }) =>
        !route.url.includes('*') && !isSlashTwin(route, candidates)
      )
      const chosen = filterOperations(operations, options)
      const problems = [
        ...filterProblems(operations, options),
        ...nameProblems(chosen),
        ...chosen.flatMap(configProblems)
      ]
      const built = chosen.flatMap((candidate) => {
        try {
          return [buildTool(candidate, options)]
        } catch (error) {
          problems.push(`${label(candidate)}: ${(error as Error).message}`)
          return []
        }
      })
      if (problems.length > 0) throw startupError('invalidTools', ...problems)
      return createCollection(built, forwardedHeaders(headers), inject)
    }
  }
}

function createCollection (
  built: BuiltTool[],
  forwarded: string[],
  inject: Inject
): ToolCollection {
  const routes = new Map(built.map(({ tool, route }) => [tool.name, route]))
  return {
    tools: built.map(({ tool }) => tool).sort((a, b) => a.name < b.name ? -1 : 1),
    async call (name, args, caller) {
      const route = routes.get(name)
      return route === undefined ? null : await callRoute(route, args, caller, forwarded, inject)
    }
  }
}

/**
 * Mistyped scopes would leave the tool open, and TypeScript does not see them in a route's
 * `config`.
 */
function configProblems (candidate: Candidate): string[] {
  const { name: _name, scopes = [], ...unknown } = mcpConfigOf(candidate)
  const problem = problemOfScopes(scopes)
  const problems = Object.keys(unknown).map(member =>
    `${member}: there is no such member. There are name, scopes`
  )
  return [...problems, ...(problem === null ? [] : [`scopes: ${problem}`])].map(sentence =>
    `${label(candidate)}: config.mcp.${sentence}`
  )
}

function mcpConfigOf ({ route }: Candidate): RouteTool {
  return (route.config as RouteConfig | undefined)?.mcp ?? {}
}

interface BuiltTool {
  tool: Tool
  route: ToolRoute
}

function buildTool (candidate: Candidate, options: ToolOptions): BuiltTool {
  const { name, method, mark, route, schema, scope } = candidate
  const [shared, own] = [scope.getSchemas(), mcpConfigOf(candidate).scopes]
  const path = parsePath(route.url) ?? []
  const { inputSchema, places }: ToolInput = buildInput(schema, path, shared)
  const { description, outputSchema }: ToolOutput = buildOutput(schema, options, shared)
  const version = (route.constraints as { version?: unknown } | undefined)?.version
  return {
    tool: {
      name,
      ...(description !== undefined && { description }),
      inputSchema: inputSchema as Tool['inputSchema'],
      ...(outputSchema !== undefined &&
        { outputSchema: outputSchema as NonNullable<Tool['outputSchema']> }),
      annotations: annotationsOf(method),
      ...(own && { _meta: { [scopesMember]: own } })
    },
    route: {
      method,
      mark,
      path,
      places,
      hasOutputSchema: outputSchema !== undefined,
      version: typeof version === 'string' ? version : undefined
    }
  }
}

/** What RFC 9110 §9.2 says about a method. */
function annotationsOf (method: string): NonNullable<Tool['annotations']> {
  if (method === 'GET') return { readOnlyHint: true }
  if (method === 'DELETE') {
    return { readOnlyHint: false, destructiveHint: true, idempotentHint: true }
  }
  return method === 'PUT' ? { readOnlyHint: false, idempotentHint: true } : { readOnlyHint: false }
}

/** For `/` in a prefixed scope Fastify adds `/prefix` and `/prefix/`: one route to its author. */
function isSlashTwin ({ url, handler }: CollectedRoute, candidates: readonly Candidate[]): boolean {
  return url.endsWith('/') &&
    candidates.some(({ route }) => route.handler === handler && `${route.url}/` === url)
}

function nameProblems (operations: readonly Candidate[]): string[] {
  const first = new Map<string, Candidate>()
  return operations.flatMap((candidate) => {
    const { name } = candidate
    if (!namePattern.test(name)) {
      return [
        `${label(candidate)}: ${
          JSON.stringify(name)
        } is not a tool name (1 to 128 of A-Z a-z 0-9 _ - .)`
      ]
    }
    const other = first.get(name)
    first.set(name, candidate)
    return other === undefined
      ? []
      : [`${label(candidate)} and ${label(other)} are both named ${JSON.stringify(name)}`]
  })
}

function label ({ method, route }: Candidate): string {
  return `${method} ${route.url}`
}
