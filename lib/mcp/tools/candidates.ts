/** Which routes does the app have, and what do their options declare? */

import type { FastifyInstance, InjectOptions, RouteOptions } from 'fastify'
import { routeGuards } from '../../guard/hooks.ts'
import { hooksBefore, listRoutes } from '../../host/internals.ts'
import { mergeScopes } from '../../oauth/scope.ts'
import type { RouteTool } from '../../options/mcp.ts'
import { isPlainObject } from '../../util/json.ts'
import { injectTokensOf, type MarkedConfig, routeMark } from './in-process.ts'
import type { RouteSchema } from './json-schema.ts'

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

/** A method of a route of the app. */
export interface Candidate {
  method: InjectOptions['method'] & string
  url: string
  /** The URL below the prefix of its scope. */
  routePath: string | undefined
  /** Method and URL, for messages. */
  label: string
  operationId: string | undefined
  handler: RouteOptions['handler']
  hooks: readonly unknown[] | null
  mark: unknown
  mcp: boolean | RouteTool | undefined
  config: RouteTool
  schema: RouteSchema
  constraints: RouteOptions['constraints']
  /** The scope of the route, which may refer to the shared schemas of this scope only. */
  scope: FastifyInstance
  isOlder: boolean
}

/**
 * Notes a route when it is announced. It is read when tools are built, because a later `onRoute`
 * hook of the app may set its schema and `config`.
 */
function candidatesOf (
  route: RouteOptions & { routePath?: string },
  scope: FastifyInstance,
  isOlder = false
) {
  const mark = (route.config as MarkedConfig | undefined)?.[routeMark] ?? Symbol(route.url)
  route.config = { ...route.config, [routeMark]: mark } as typeof route.config & object
  // Fastify changes the URL of a prefix to the one with a slash later.
  const { url, handler, routePath } = route
  return (): Candidate[] => {
    const { mcp, mcpOAuth } = route.config as MarkedConfig
    const schema: RouteSchema = Object(route.schema)
    const config: RouteTool = isPlainObject(mcp) ? mcp : {}
    const operationId = typeof schema['operationId'] === 'string'
      ? schema.operationId
      : undefined
    return (mcpOAuth === undefined ? [route.method].flat() : [])
      .filter(method => !['HEAD', 'OPTIONS', 'TRACE'].includes(method))
      .map(method => ({
        method: method as InjectOptions['method'] & string,
        url,
        routePath,
        label: `${method} ${url}`,
        operationId,
        handler,
        hooks: hooksBefore(scope, route),
        mark,
        mcp,
        config,
        schema,
        constraints: route.constraints,
        scope,
        isOlder
      }))
  }
}

/** Collects the routes of the app from now on. */
export function collectRoutes (
  instance: FastifyInstance,
  root: FastifyInstance
): Array<() => Candidate[]> {
  const routes = olderCandidates(root)
  injectTokensOf(root).receive()
  instance.addHook('onRoute', function (route) {
    routes.push(candidatesOf(route, this))
  })
  return routes
}

/** The routes that an app had before the plugin. Fastify lists only their methods and URLs. */
function olderCandidates (root: FastifyInstance) {
  // Later registrations would report the routes of earlier ones.
  return (root.mcpOAuthRegistry?.size > 1 ? [] : listRoutes(root)).map(route =>
    candidatesOf({ ...route, handler () {} }, root, true)
  )
}

/** The scopes that a tool needs: those in `config.mcp`, and those of the guards of its route. */
export function scopesOf ({ config: { scopes }, hooks }: Pick<Candidate, 'config' | 'hooks'>) {
  const ofGuards = (hooks ?? []).flatMap(hook => routeGuards.get(hook as object) ?? [])
  return scopes || ofGuards.length > 0 ? mergeScopes(scopes ?? [], ofGuards) : undefined
}
