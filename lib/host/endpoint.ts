/** How does an endpoint of an authorization server of ours become routes of the host's app? */

import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { parameters, type RequestParameters } from '../oauth/parameters.ts'
import { maxOAuthBodyBytes } from '../limits.ts'
import { allowAnyOrigin, replyToPreflight } from './cors.ts'
import { publicRoute, rejectOtherMethods } from './isolate.ts'
import { acceptForm, acceptJson } from './parsers.ts'

/**
 * One endpoint. Routes, preflights, 405 answers, the metadata document and the redirect URIs that
 * clients cannot register all follow from it.
 */
export interface Endpoint<Server> {
  /** The path is `/oauth/{name}`. */
  name: string
  methods: ReadonlyArray<'GET' | 'HEAD' | 'POST'>
  /** Whether pages of any origin may read responses: only without credentials of the browser. */
  anyOrigin: boolean
  /** Member of the metadata document that holds the URL (RFC 8414 §2). */
  metadata?: `${string}_endpoint` | 'jwks_uri'
  /** Whether MCP 2025-03-26 clients look for it at `/{name}` when they find no metadata. */
  legacy?: boolean
  /** Media type of the body. Absent: a body is not read. */
  body?: 'form' | 'json'
  /** In bytes. Default: that of all our endpoints. */
  bodyLimit?: number
  /** Default: errors are OAuth JSON. */
  errorHandler?: RouteOptions['errorHandler'] & object
  /** Default: always. */
  isServed?(server: Server): boolean
  /** Adds the route. Default: the scope does. */
  addRoute?(scope: FastifyInstance, route: RouteOptions): void
  handle(server: Server, request: FastifyRequest, reply: FastifyReply): unknown
}

/** Path of an endpoint below the prefix. */
export function pathOf ({ name }: Pick<Endpoint<never>, 'name'>): string {
  return `/oauth/${name}`
}

/** The endpoints among `endpoints` that a server serves. */
export function servedBy<Server> (
  server: Server,
  endpoints: ReadonlyArray<Endpoint<Server>>
): Array<Endpoint<Server>> {
  return endpoints.filter(({ isServed }) => isServed === undefined || isServed(server))
}

/**
 * The members of a metadata document that hold URLs of endpoints (RFC 8414 §2).
 *
 * @param base URL below which the endpoints are
 */
export function endpointUrls<Server> (
  base: string,
  endpoints: ReadonlyArray<Endpoint<Server>>
): Record<string, string> {
  return Object.fromEntries(
    endpoints.flatMap(({ name, metadata }) => metadata ? [[metadata, base + pathOf({ name })]] : [])
  )
}

/**
 * Serves an endpoint in a scope that is isolated from the host.
 *
 * @param path below the prefix of the scope. Default: that of the endpoint
 */
export function serve<Server> (
  scope: FastifyInstance,
  server: Server,
  endpoint: Endpoint<Server>,
  path = pathOf(endpoint)
): void {
  const { methods, anyOrigin, body, bodyLimit = maxOAuthBodyBytes, errorHandler } = endpoint
  scope.register(async (scope) => {
    if (body === 'form') acceptForm(scope)
    if (body === 'json') acceptJson(scope)
    if (anyOrigin) allowAnyOrigin(scope)
    const addRoute = endpoint.addRoute ?? ((scope, route) => scope.route(route))
    addRoute(scope, {
      url: path,
      method: [...methods],
      config: publicRoute,
      exposeHeadRoute: false,
      bodyLimit,
      ...(errorHandler && { errorHandler }),
      handler: (request, reply) => endpoint.handle(server, request, reply)
    })
  })
  if (anyOrigin) replyToPreflight(scope, path, methods)
  rejectOtherMethods(scope, path, methods)
}

/**
 * The parameters of a form, each with all its values.
 *
 * @throws {McpOAuthError} `invalidRequest` if the request has no form
 */
export function formOf ({ body }: FastifyRequest): RequestParameters {
  if (typeof body !== 'string') throw new McpOAuthError('invalidRequest')
  return parameters(body)
}
