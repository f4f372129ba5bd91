/** Which routes of the app are tools, and what do they look like to a client? */

import type { Tool, ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { startupError } from '../../errors.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import { type ToolOptions, toolOptionsOf } from '../../options/mcp.ts'
import type { Log } from '../../types.ts'
import { scopesMember } from '../access/tool-scopes.ts'
import { resultOf } from './answer.ts'
import { type Caller, type ToolRoute, createCaller } from './call.ts'
import { type MarkedConfig, injectTokensOf, routeMark } from './in-process.ts'
import { buildInput } from './input.ts'
import type { RouteSchema } from './json-schema.ts'
import { buildOutput } from './output.ts'
import { parsePath } from './path.ts'

/** Routes as tools. */
export type ToolCollection = ReturnType<ReturnType<typeof collectTools>>

/** A route's description of itself as a tool. */
export interface RouteTool {
  /** Name of the tool. Default: the operation id, else method and path. */
  name?: string
  /** Title that clients show. Default: a short `summary`. */
  title?: string
  /** Description for models. Default: `summary` and `description` of the schema. */
  description?: string
  /** Properties of the tool that differ from those of the method. */
  annotations?: Readonly<ToolAnnotations>
  /** Scopes a caller of the tool needs. */
  scopes?: readonly string[]
  /** URI (template) of the route as a resource, such as `notes://{id}`. */
  resource?: string
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** This route as a tool, or `false` for none. */
    mcp?: boolean | RouteTool
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

type Candidate = ReturnType<typeof candidatesOf>[number]

/**
 * Collects the routes of the app from now on. A route is a tool if its schema has an `operationId`,
 * or its `config.mcp` a `name`.
 *
 * @returns a function that builds the tools, at `onReady`. It throws `invalidTools` with every
 *   problem of every route
 */
export function collectTools (
  instance: FastifyInstance,
  root: FastifyInstance,
  { headers, mcp, prefix }: Config,
  log: Log
) {
  const tokens = injectTokensOf(root)
  const candidates: Candidate[] = []
  instance.addHook('onRoute', function (route) {
    candidates.push(...candidatesOf(route, this))
  })
  return () => {
    const options = mcp.tools === true ? {} : mcp.tools ?? {}
    // For `/` in a prefixed scope Fastify adds two routes, `/prefix` and `/prefix/`.
    const eligible = candidates.filter(({ route: { url, handler } }) =>
      !url.includes('*') &&
      !candidates.some(({ route }) => route.handler === handler && `${route.url}/` === url)
    )
    const chosen = filterCandidates(eligible, options)
    const problems = [
      ...filterProblems(eligible, options),
      ...nameProblems(chosen),
      ...chosen.flatMap(configProblems)
    ]
    const built = chosen.flatMap(candidate => {
      try {
        return [buildTool(candidate, options, headers)]
      } catch (error) {
        problems.push(`${candidate.label}: ${(error as Error).message}`)
        return []
      }
    })
    if (problems.length > 0) throw startupError('invalidTools', ...problems)
    if (built.length === 0) {
      log.warn(
        { path: prefix + mcp.path },
        'No route became a tool: await app.register(mcpOAuth, …) must come before the routes, ' +
          'and each needs an operationId in its schema'
      )
    }
    const { answerLimit } = toolOptionsOf(mcp.tools)
    const callRoute = createCaller({ instance, tokens, headers, answerLimit })
    const routes = new Map(built.map(({ tool, route }) => [tool.name, route]))
    return {
      /** The tools, by name. */
      tools: built.map(({ tool }) => tool).sort((a, b) => a.name < b.name ? -1 : 1),
      /** Calls a tool. Resolves to `null` for an unknown name. */
      async call (name: string, args: Record<string, unknown>, caller: Caller) {
        const route = routes.get(name)
        return route ? await resultOf(route, callRoute(route, args, caller)) : null
      }
    }
  }
}

function candidatesOf (route: RouteOptions, scope: FastifyInstance) {
  const config = route.config as MarkedConfig | undefined
  const schema = (route.schema ?? {}) as RouteSchema
  const name = (Object(config?.mcp) as RouteTool).name ?? schema.operationId
  if (
    config?.mcpOAuth !== undefined || config?.mcp === false || typeof name !== 'string' ||
    schema.hide === true
  ) return []

  const mark = config?.[routeMark] ?? Symbol(route.url)
  route.config = { ...config, [routeMark]: mark } as typeof route.config & object
  const tags = Array.isArray(schema.tags) ? schema.tags.map(String) : []
  return [route.method].flat()
    .filter(method => method !== 'HEAD' && method !== 'OPTIONS')
    .map(method => ({
      name,
      tags,
      /** Method and URL, for error messages. */
      label: `${method} ${route.url}`,
      method: method as ToolRoute['method'],
      mark,
      route,
      schema,
      /** The scope of the route. The route may refer to the shared schemas of this scope only. */
      scope
    }))
}

/** Read when the tools are built: a later `onRoute` hook of the app may set or replace `config`. */
function toolConfigOf ({ route }: Candidate): RouteTool {
  const { mcp } = Object(route.config) as MarkedConfig
  return typeof mcp === 'object' ? mcp : {}
}

/** A mistyped member would leave the tool open. TypeScript does not check a route's `config`. */
function configProblems (candidate: Candidate) {
  const { name: _name, scopes = [], ...unknown } = toolConfigOf(candidate)
  const problem = problemOfScopes(scopes)
  return [
    ...Object.keys(unknown).map(member => `${member} is unknown. Use name or scopes`),
    ...(problem === null ? [] : [`scopes: ${problem}`])
  ].map(sentence => `${candidate.label}: config.mcp.${sentence}`)
}

function buildTool (
  candidate: Candidate,
  options: ToolOptions,
  headers: readonly string[]
): { tool: Tool, route: ToolRoute } {
  const { name, method, mark, route, schema, scope } = candidate
  const { scopes } = toolConfigOf(candidate)
  const shared = scope.getSchemas()
  const path = parsePath(route.url)
  const input = buildInput(schema, path, shared, {
    method: String(method),
    headerArguments: options.headerArguments,
    headers
  })
  const { description, outputSchema } = buildOutput(schema, options, shared)
  const { version } = Object(route.constraints)
  return {
    tool: {
      name,
      ...(description && { description }),
      inputSchema: input.inputSchema,
      ...(outputSchema && { outputSchema: outputSchema as Tool['inputSchema'] }),
      annotations: annotations[method] ?? { readOnlyHint: false },
      ...(scopes && { _meta: { [scopesMember]: scopes } })
    },
    route: {
      name,
      method,
      mark,
      path,
      input,
      outputSchema,
      version: typeof version === 'string' ? version : undefined
    }
  }
}

/** The properties of methods (RFC 9110 §9.2). */
const annotations: Record<string, Tool['annotations']> = {
  GET: { readOnlyHint: true },
  PUT: { readOnlyHint: false, idempotentHint: true },
  DELETE: { readOnlyHint: false, destructiveHint: true, idempotentHint: true }
}

/** Keeps the candidates that pass every filter. An empty include list excludes everything. */
function filterCandidates (candidates: Candidate[], options: ToolOptions) {
  const { includeOperations, excludeOperations = [], includeTags, excludeTags = [] } = options
  return candidates.filter(({ name, tags }) =>
    (includeOperations === undefined || includeOperations.includes(name)) &&
    (includeTags === undefined || tags.some(tag => includeTags.includes(tag))) &&
    !excludeOperations.includes(name) &&
    !tags.some(tag => excludeTags.includes(tag))
  )
}

/** Finds names in the filters that no route has: a mistyped exclusion would expose its route. */
function filterProblems (candidates: Candidate[], options: ToolOptions) {
  return Object.entries(options).flatMap(([option, filter]) => {
    const known = candidates.flatMap(({ name, tags }) => option.endsWith('Tags') ? tags : name)
    return (Array.isArray(filter) ? filter : [])
      .filter(value => !known.includes(value))
      .map(value => `mcp.tools.${option}: no route has ${JSON.stringify(value)}`)
  })
}

/** Finds names that are invalid for tools, or used twice. */
function nameProblems (candidates: Candidate[]) {
  const first = new Map<string, string>()
  return candidates.flatMap(({ name, label }) => {
    const quoted = JSON.stringify(name)
    if (!/^[A-Za-z0-9_.-]{1,128}$/.test(name)) {
      return [`${label}: ${quoted} is not a tool name (1 to 128 of A-Z a-z 0-9 _ - .)`]
    }
    const other = first.get(name)
    first.set(name, label)
    return other === undefined ? [] : [`${label} and ${other} are both named ${quoted}`]
  })
}
