/** Which routes of the app are tools, and what do they look like to a client? */

import { randomUUID } from 'node:crypto'
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { startupError } from '../../errors.ts'
import { type InjectTokens, type MarkedConfig, routeMark } from './inject.ts'
import { type RouteSchema, buildInput, parsePath } from './input.ts'
import {
  type Inject,
  type ToolCaller,
  type ToolRoute,
  callRoute,
  forwardedHeaders
} from './call.ts'
import type { ToolOptions } from '../../options/mcp.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import { scopesMember } from '../access/scopes.ts'
import { type Operation, filterOperations, filterProblems, nameProblems } from './filter.ts'
import { buildOutput } from './output.ts'

/** Routes as tools. */
export type ToolCollection = ReturnType<ReturnType<typeof createToolCollector>['build']>

interface ToolBuildOptions {
  options: ToolOptions
  /** Headers of the MCP request that reach the routes. */
  headers: readonly string[]
  inject: Inject
}

/** A route's description of itself as a tool. */
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

  // The same names and types as those of @fastify/swagger.
  interface FastifySchema {
    hide?: boolean
    tags?: readonly string[]
    description?: string
    summary?: string
    operationId?: string
  }
}

interface Candidate extends Operation {
  method: ToolRoute['method']
  mark: string
  route: RouteOptions
  schema: RouteSchema
  /** The scope of the route. The route may refer to the shared schemas of this scope only. */
  scope: FastifyInstance
}

/**
 * Starts collecting routes. A route is a tool if its schema has an `operationId`, or its
 * `config.mcp` a `name`.
 *
 * @param tokens identify the calls of the tools to their routes
 */
export function createToolCollector (tokens: InjectTokens) {
  const candidates: Candidate[] = []
  return {
    /** For Fastify's `onRoute` hook. It collects the routes that are added later. */
    onRoute (this: FastifyInstance, route: RouteOptions): void {
      candidates.push(...candidatesOf(route, this))
    },
    /**
     * Builds the tools, at `onReady`.
     *
     * @throws {McpOAuthError} invalidTools, with every problem of every route
     */
    build ({ options, headers, inject }: ToolBuildOptions) {
      const operations = candidates.filter(({ route }) =>
        !route.url.includes('*') && !isSlashTwin(route, candidates)
      )
      const chosen = filterOperations(operations, options)
      const problems = [
        ...filterProblems(operations, options),
        ...nameProblems(chosen),
        ...chosen.flatMap(configProblems)
      ]
      const built = chosen.flatMap(candidate => {
        try {
          return [buildTool(candidate, options)]
        } catch (error) {
          problems.push(`${candidate.label}: ${(error as Error).message}`)
          return []
        }
      })
      if (problems.length > 0) throw startupError('invalidTools', ...problems)

      const routes = new Map(built.map(({ tool, route }) => [tool.name, route]))
      const transport = { inject, tokens, headers: forwardedHeaders(headers) }
      return {
        /** The tools, by name. */
        tools: built.map(({ tool }) => tool).sort((a, b) => a.name < b.name ? -1 : 1),
        /** Calls a tool. Resolves to `null` for an unknown name. */
        async call (
          name: string,
          args: Readonly<Record<string, unknown>>,
          caller: ToolCaller
        ): Promise<CallToolResult | null> {
          const route = routes.get(name)
          return route === undefined ? null : await callRoute(route, args, caller, transport)
        }
      }
    }
  }
}

function candidatesOf (route: RouteOptions, scope: FastifyInstance): Candidate[] {
  const config = route.config as MarkedConfig | undefined
  const schema = (route.schema ?? {}) as RouteSchema
  const name = config?.mcp?.name ?? schema.operationId
  if (config?.mcpOAuth !== undefined || typeof name !== 'string' || schema.hide === true) return []

  const mark = config?.[routeMark] ?? randomUUID()
  route.config = { ...config, [routeMark]: mark } as typeof route.config & object
  const tags = Array.isArray(schema.tags) ? schema.tags.map(String) : []
  return [route.method].flat()
    .filter(method => method !== 'HEAD' && method !== 'OPTIONS')
    .map(method => ({
      name,
      tags,
      label: `${method} ${route.url}`,
      method: method as ToolRoute['method'],
      mark,
      route,
      schema,
      scope
    }))
}

/** For `/` in a prefixed scope Fastify adds two routes, `/prefix` and `/prefix/`. */
function isSlashTwin ({ url, handler }: RouteOptions, candidates: readonly Candidate[]): boolean {
  return url.endsWith('/') &&
    candidates.some(({ route }) => route.handler === handler && `${route.url}/` === url)
}

/** Read when the tools are built: a later `onRoute` hook of the app may set or replace `config`. */
function toolConfigOf ({ route }: Candidate): RouteTool {
  return (route.config as MarkedConfig | undefined)?.mcp ?? {}
}

/** A mistyped member would leave the tool open. TypeScript does not check a route's `config`. */
function configProblems (candidate: Candidate): string[] {
  const { name: _name, scopes = [], ...unknown } = toolConfigOf(candidate)
  const problem = problemOfScopes(scopes)
  return [
    ...Object.keys(unknown).map(member => `${member} is unknown. Use name or scopes`),
    ...(problem === null ? [] : [`scopes: ${problem}`])
  ].map(sentence => `${candidate.label}: config.mcp.${sentence}`)
}

function buildTool (candidate: Candidate, options: ToolOptions): { tool: Tool, route: ToolRoute } {
  const { name, method, mark, route, schema, scope } = candidate
  const { scopes } = toolConfigOf(candidate)
  const shared = scope.getSchemas()
  const path = parsePath(route.url)
  const { inputSchema, places } = buildInput(schema, path, shared)
  const { description, outputSchema } = buildOutput(schema, options, shared)
  const { version } = Object(route.constraints) as { version?: unknown }
  return {
    tool: {
      name,
      ...(description !== undefined && { description }),
      inputSchema: inputSchema as Tool['inputSchema'],
      ...(outputSchema !== undefined && { outputSchema: outputSchema as Tool['inputSchema'] }),
      annotations: annotations[method] ?? { readOnlyHint: false },
      ...(scopes && { _meta: { [scopesMember]: scopes } })
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

/** The properties of methods (RFC 9110 §9.2). */
const annotations: Readonly<Record<string, Tool['annotations']>> = {
  GET: { readOnlyHint: true },
  PUT: { readOnlyHint: false, idempotentHint: true },
  DELETE: { readOnlyHint: false, destructiveHint: true, idempotentHint: true }
}
