/** What does an app have that Fastify's API does not list? */
import type { FastifyInstance, RouteOptions } from 'fastify'

/** Lists the routes that an app has by now. Fastify announces only those added later. */
export function listRoutes (root: FastifyInstance) {
  const trail: string[] = []
  return root.printRoutes().split('\n').flatMap(line => {
    const node = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, -]+)\).*)?$/.exec(line)
    if (node === null) return []
    const [, indent = '', path = '', methods] = node
    trail.splice(indent.length / 4, Infinity, path.replace('(empty root node)', ''))
    return methods?.split(', ').map(method => ({ method, url: trail.join('') })) ?? []
  })
}

/** Returns the hooks that run before the handler of a route, `null` if Fastify hides them. */
export function hooksBefore (
  scope: FastifyInstance,
  route: RouteOptions
): readonly unknown[] | null {
  const hooks = internal(scope, 'fastify.hooks') as RouteOptions | undefined
  if (hooks === undefined) return null
  return (['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const)
    .flatMap(phase => [hooks[phase], route[phase]].flat())
    .filter(hook => typeof hook === 'function')
}

/** Checks whether the app reads `a[b]=1` in a query as an object. */
export function readsBrackets (root: FastifyInstance) {
  const options = Object(internal(root, 'fastify.options'))
  const parse = Object(options.routerOptions).querystringParser ?? options.querystringParser
  try {
    return String(parse('a[b]=1').a.b) === '1'
  } catch {
    return false
  }
}

/** A member of Fastify's own, which another release may not have. */
export function internal (instance: object | null, name: string): unknown {
  if (instance === null) return undefined
  const symbol = Object.getOwnPropertySymbols(instance).find(key => key.description === name)
  return symbol
    ? instance[symbol as never]
    : internal(Object.getPrototypeOf(instance), name)
}
