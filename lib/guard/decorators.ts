/** Which decorators does a registration add to instances and requests? */
import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import { problemOfScopes } from '../oauth/scope.ts'
import type { Config } from '../options/config.ts'
import { checkOptions, expect, optional } from '../options/fields.ts'
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
    checkGuardOptions(given)
    const { prefix, ...options } = given
    const { guards, config, guarded } = select(registrations, prefix)
    for (const scope of options.scopes ?? []) guarded.add(scope)
    return guardFor(guards, options, config.requiredScopes)
  })
  instance.decorate('mcpOAuth', { getter: () => select(registrations, undefined).registration })
}

const scopeList = "a list of scopes such as ['notes:read']"
const fields = {
  scopes: optional(expect(scopeList, value => problemOfScopes(value) === null)),
  prefix: optional(expect('a string', value => typeof value === 'string'))
}

/** Checks at run time what types check, too: a mistake would leave a route open. */
function checkGuardOptions (given: GuardOptions & { prefix?: string }): void {
  // A hook receives a request, a reply and a callback.
  if (Object(given) === given && 'raw' in given) {
    throw startupError(
      'invalidOptions',
      'requireMcpAuth: is used as a hook. Call it to get a hook: requireMcpAuth()'
    )
  }
  checkOptions('requireMcpAuth', given, fields, {
    more: options =>
      Object.hasOwn(options, 'scopes') && options.scopes === undefined
        ? [`scopes: undefined is given, expected ${scopeList}`]
        : []
  })
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
