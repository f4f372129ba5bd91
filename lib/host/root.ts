/** Which Fastify instance is the root of the app? */
import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'

/**
 * Finds the root instance: discovery documents belong to the root of the host, whatever the prefix
 * of a registration.
 *
 * Fastify has no public way to it from a prefixed scope. It creates a child with
 * `Object.create(parent)`, so every ancestor in the prototype chain that has Fastify's methods is
 * an instance.
 *
 * @param given the option `root`, for hosts that wrap instances
 * @throws {McpOAuthError} `rootNotFound` if the topmost instance has a prefix
 */
export function findRoot (
  instance: FastifyInstance,
  given: FastifyInstance | undefined
): FastifyInstance {
  if (given) return given
  let root = instance
  for (
    let parent = Object.getPrototypeOf(root);
    typeof parent?.register === 'function';
    parent = Object.getPrototypeOf(root)
  ) root = parent
  if (root.prefix !== '') {
    throw startupError(
      'rootNotFound',
      'root: the topmost instance has a prefix. ' +
        'Pass the instance that was created with fastify() as the option root'
    )
  }
  return root
}
