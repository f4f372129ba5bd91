import type { FastifyInstance } from 'fastify'
import type { Config } from '../options/config.ts'
import { startupError } from '../errors.ts'
import { guardFor, type Guard, type GuardOptions, type Guards } from './guard.ts'
import { problemOfScopes } from '../oauth/scope.ts'
import type { McpOAuthRegistration } from './registrations.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * A hook that protects a route of your own as the MCP route is protected. Fits `onRequest`
     * (before the body is read) and `preHandler`.
     *
     * Where several registrations share a scope, `prefix` says which one is meant.
     *
     * @throws McpOAuthError `FST_MCP_OAUTH_AMBIGUOUS`
     */
    requireMcpAuth(options?: GuardOptions & { prefix?: string }): Guard
    /** The registration of this scope. */
    mcpOAuth: McpOAuthRegistration
  }
}

/** One registration, as the decorators of its scope see it. */
export interface ScopeRegistration {
  readonly registration: McpOAuthRegistration
  readonly guards: Guards
  readonly config: Config
  /** The scopes that guarded routes of the app need: clients must be able to ask for them. */
  readonly guarded: Set<string>
}

const residents = Symbol('fastify-mcp-oauth.residents')

/**
 * Gives the scope and what is below it `requireMcpAuth` and `mcpOAuth`, and the requests `mcpAuth`.
 */
export function decorate (
  instance: FastifyInstance & { [residents]?: ScopeRegistration[] },
  root: FastifyInstance,
  resident: ScopeRegistration
): void {
  // Request decorators of a parent reach children made later only: the scope at hand may be older
  // than the root's.
  for (const scope of [root, instance]) {
    if (!scope.hasRequestDecorator('mcpAuth')) scope.decorateRequest('mcpAuth', null)
  }

  if (Object.hasOwn(instance, residents)) {
    instance[residents]?.push(resident)
    return
  }
  const here: ScopeRegistration[] = instance[residents] = [resident]
  instance.decorate('requireMcpAuth', (given: GuardOptions & { prefix?: string } = {}) => {
    const problems = [...problemsOf(given)]
    if (problems.length > 0) {
      throw startupError(
        'invalidOptions',
        ...problems.map(problem => `requireMcpAuth${problem}`)
      )
    }
    const { prefix, ...options } = given
    const { guards, config, guarded } = pick(here, prefix)
    for (const scope of options.scopes ?? []) guarded.add(scope)
    return guardFor(guards, options, config.requiredScopes)
  })
  instance.decorate('mcpOAuth', { getter: () => pick(here, undefined).registration })
}

/** A slip here would leave a route open, and TypeScript is not everywhere. */
function* problemsOf (given: unknown): Generator<string> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    yield `: ${
      Array.isArray(given) ? 'a list' : `a ${typeof given}`
    } is given, expected an object such as { scopes: ['notes:read'] }`
    return
  }
  // A request, a reply and a callback are what a hook gets.
  if (
    'raw' in given
  ) { return yield ': is used as a hook itself. Call it, to get one: requireMcpAuth()' }
  for (const [name, value] of Object.entries(given)) {
    if (
      name !== 'scopes' && name !== 'prefix'
    ) { yield `.${name}: there is no such option. There are scopes, prefix` }
    const problem = name === 'scopes' ? problemOfScopes(value) : null
    if (problem !== null) yield `.scopes: ${problem}`
  }
}

function pick (here: readonly ScopeRegistration[], prefix: string | undefined): ScopeRegistration {
  const found = prefix === undefined
    ? here
    : here.filter(({ registration }) => registration.prefix === prefix)
  if (found.length === 1 && found[0]) return found[0]
  const known = here.map(({ registration }) => `'${registration.prefix}'`).join(', ')
  throw startupError(
    'ambiguous',
    `prefix: ${
      prefix === undefined ? 'missing' : `'${prefix}' fits ${found.length} of them`
    }; this scope has ${known}. Say requireMcpAuth({ prefix })`
  )
}
