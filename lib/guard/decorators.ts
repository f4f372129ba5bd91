/** What does a registration add to the host's instances and requests? */
import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import { problemOfScopes } from '../oauth/scope.ts'
import type { Config } from '../options/config.ts'
import { isPlainObject } from '../util/json.ts'
import { guardFor, type Guard, type GuardOptions, type Guards } from './guard.ts'
import type { McpOAuthRegistration } from './registrations.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Returns a hook that protects a route of the app as the MCP route is protected. Use it as
     * `onRequest` (before the body is read) or `preHandler`.
     *
     * @param options.prefix the registration that is meant, if several share a scope
     * @throws {McpOAuthError} `invalidOptions`, `ambiguousRegistration`
     * @example
     * app.get('/me', { onRequest: app.requireMcpAuth({ scopes: ['profile'] }) }, handler)
     */
    requireMcpAuth(options?: GuardOptions & { prefix?: string }): Guard
    /** The registration of this scope. */
    mcpOAuth: McpOAuthRegistration
  }
}

/** One registration, as its decorators need it. */
export interface ScopeRegistration {
  registration: McpOAuthRegistration
  guards: Guards
  config: Config
  /** Scopes that guarded routes of the app need: the metadata lists them. */
  guarded: Set<string>
}

const kRegistrations = Symbol('fastify-mcp-oauth.registrations')

type Decorated = FastifyInstance & { [kRegistrations]?: ScopeRegistration[] }

/**
 * Decorates a scope, and everything below it, with `requireMcpAuth` and `mcpOAuth`, and requests
 * with `mcpAuth`.
 */
export function decorate (
  instance: Decorated,
  root: FastifyInstance,
  added: ScopeRegistration
): void {
  // Request decorators of a parent do not reach scopes that exist already.
  for (const scope of [root, instance]) {
    if (!scope.hasRequestDecorator('mcpAuth')) scope.decorateRequest('mcpAuth', null)
  }

  if (Object.hasOwn(instance, kRegistrations)) {
    instance[kRegistrations]?.push(added)
    return
  }
  const registrations = [added]
  instance.decorate(kRegistrations, registrations)
  instance.decorate('requireMcpAuth', (given = {}) => {
    const problems = [...problemsOf(given)]
    if (problems.length > 0) {
      throw startupError('invalidOptions', ...problems.map(problem => `requireMcpAuth${problem}`))
    }
    const { prefix, ...options } = given
    const { guards, config, guarded } = select(registrations, prefix)
    for (const scope of options.scopes ?? []) guarded.add(scope)
    return guardFor(guards, options, config.requiredScopes)
  })
  instance.decorate('mcpOAuth', { getter: () => select(registrations, undefined).registration })
}

/** Checks at run time, too: a mistake would leave a route open, and not everybody has types. */
function* problemsOf (given: unknown): Generator<string> {
  if (!isPlainObject(given)) {
    const kind = Array.isArray(given) ? 'list' : typeof given
    yield `: a ${kind} is given, expected an object such as { scopes: ['notes:read'] }`
    return
  }
  // A hook receives a request, a reply and a callback.
  if ('raw' in given) return yield ': is used as a hook. Call it to get a hook: requireMcpAuth()'
  for (const [name, value] of Object.entries(given)) {
    if (name !== 'scopes' && name !== 'prefix') {
      yield `.${name}: there is no such option. There are scopes, prefix`
    }
    const problem = name === 'scopes' ? problemOfScopes(value) : null
    if (problem !== null) yield `.scopes: ${problem}`
  }
}

function select (
  registrations: readonly ScopeRegistration[],
  prefix: string | undefined
): ScopeRegistration {
  const matching = prefix === undefined
    ? registrations
    : registrations.filter(({ registration }) => registration.prefix === prefix)
  if (matching.length === 1 && matching[0]) return matching[0]
  const known = registrations.map(({ registration }) => `'${registration.prefix}'`).join(', ')
  const problem = prefix === undefined
    ? 'missing'
    : `'${prefix}' matches ${matching.length} of them`
  throw startupError(
    'ambiguousRegistration',
    `prefix: ${problem}; this scope has ${known}. Use requireMcpAuth({ prefix })`
  )
}
