/** Which registrations does an app have, and how do its scopes and requests reach them? */
import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import { problemOfScopes } from '../oauth/scope.ts'
import { healthOf, type Conditions, type RegistrationHealth } from '../host/health.ts'
import type { Config } from '../options/config.ts'
import { checkOptions, expect, optional } from '../options/fields.ts'
import type { UrlSource } from '../urls.ts'
import type { ApplicationsOptions, GrantFilter, GrantPage } from './grants.ts'
import type { Guard, GuardOptions, Guards } from './guard.ts'
import type { RevocationFilter } from './revoke.ts'

/** One registration of the plugin, as returned by `instance.mcpOAuth`. */
export interface McpOAuthRegistration {
  /** Prefix of the registration: `''` at the root. */
  readonly prefix: string
  /** The URL of the MCP route, which is the audience of access tokens. */
  readonly resource: string
  /** Issuer of the authorization server that clients are sent to, null if there is none. */
  readonly issuer: string | null
  /** URL of the protected resource metadata, null if it is not served. */
  readonly metadataUrl: string | null
  /**
   * Whether the provider, its keys and the store work, since when, and their last errors. For a
   * readiness route.
   *
   * @example
   * app.get('/ready', async (request, reply) => {
   *   const { store } = await app.mcpOAuth.health()
   *   return reply.code(store?.status === 'failing' ? 503 : 200).send({ store })
   * })
   */
  health(): Promise<RegistrationHealth>
  /**
   * Revokes all tokens of a user, a client or a login, those issued before a time, or all. Every
   * instance refuses them within a second, and ends their streams within five.
   *
   * @throws {McpOAuthError} `storeUnavailable`: repeat it; `invalidOptions`
   * @example
   * await app.mcpOAuth.revoke({ subject: 'alice' })
   */
  revoke(filter: RevocationFilter): Promise<void>
  /**
   * Lists the logins whose tokens can be used: of a user, of a client, or all. Requires the option
   * `grantIndex`.
   *
   * @throws {McpOAuthError} `storeUnavailable`; `invalidOptions`
   * @example
   * const { grants } = await app.mcpOAuth.grants({ subject: 'alice' })
   */
  grants(filter?: GrantFilter): Promise<GrantPage>
  /**
   * Returns a plugin with the page on which users see the clients they let in, and remove one. The
   * hooks of the scope that it is registered in log users in. Requires the option `grantIndex`.
   *
   * @throws {McpOAuthError} `invalidOptions`
   * @example
   * const page = app.mcpOAuth.connectedApplications({ subject: ({ session }) => session.sub })
   * await app.register(page, { prefix: '/account/applications' })
   */
  connectedApplications(options: ApplicationsOptions): (app: FastifyInstance) => Promise<void>
}

/** All registrations of one app, by prefix and path of the MCP route. */
export type Registry = ReadonlyMap<string, McpOAuthRegistration>

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Returns a hook that protects a route of the app as the MCP route is protected. Use it as
     * `onRequest` (before the body is read) or `preHandler`.
     *
     * @param options.or hooks that check requests over plain HTTP instead
     * @param options.prefix the registration that is meant, if several share a scope
     * @throws {McpOAuthError} `invalidOptions`, `ambiguousRegistration`
     * @example
     * app.get('/me', { onRequest: app.requireMcpAuth({ scopes: ['profile'] }) }, handler)
     */
    requireMcpAuth(options?: GuardOptions & { prefix?: string }): Guard
    /** The registration of this scope. */
    mcpOAuth: McpOAuthRegistration
    /** All registrations of the app, by the path of their MCP route. */
    mcpOAuthRegistry: Registry
  }
}

/**
 * Adds a registration to the root of the app.
 *
 * @throws {McpOAuthError} `duplicateRegistration` if another registration or route has one of its
 *   URLs: clients cannot distinguish the two
 */
export function addRegistration (
  root: FastifyInstance,
  config: Config,
  urls: UrlSource,
  conditions: Conditions,
  methods: Pick<McpOAuthRegistration, 'revoke' | 'grants' | 'connectedApplications'>
): McpOAuthRegistration {
  const { prefix, mcp, mode } = config
  const path = prefix + mcp.path
  if (!Object.hasOwn(root, 'mcpOAuthRegistry')) root.decorate('mcpOAuthRegistry', new Map())
  const registry = root.mcpOAuthRegistry as Map<string, McpOAuthRegistration>
  const { resource } = urls()
  if (registry.has(path) || [...registry.values()].some(other => other.resource === resource)) {
    throw startupError(
      'duplicateRegistration',
      `${resource} is already protected by another registration. ` +
        'Give each registration its own prefix or mcp.path'
    )
  }
  const url = `${prefix}/oauth/authorize`
  if ((mode === 'thin' || mode === 'broker') && root.hasRoute({ method: 'GET', url })) {
    throw startupError(
      'duplicateRegistration',
      `${url} already exists, from another registration or as a route of the app. ` +
        'Give this registration its own prefix'
    )
  }
  const registration: McpOAuthRegistration = Object.freeze({
    prefix,
    get resource () {
      return urls().resource
    },
    get issuer () {
      return urls().authorizationServers[0] ?? null
    },
    get metadataUrl () {
      return urls().metadataUrl
    },
    health: () => healthOf(config, conditions),
    ...methods
  })
  registry.set(path, registration)
  return registration
}

/** One registration, as its decorators need it. */
interface Decoration {
  registration: McpOAuthRegistration
  guards: Guards
  /** Scopes that guarded routes of the app need: the metadata lists them. */
  guarded: Set<string>
}

const kDecorations = Symbol('fastify-mcp-oauth.registrations')

/**
 * Decorates a scope, and everything below it, with `requireMcpAuth` and `mcpOAuth`, and requests
 * with `mcpAuth`.
 */
export function decorate (
  instance: FastifyInstance & { [kDecorations]?: Decoration[] },
  root: FastifyInstance,
  added: Decoration
) {
  // Request decorators of a parent do not reach scopes that exist already.
  for (const scope of [root, instance]) {
    if (!scope.hasRequestDecorator('mcpAuth')) scope.decorateRequest('mcpAuth', null)
  }
  if (Object.hasOwn(instance, kDecorations)) {
    instance[kDecorations]?.push(added)
    return
  }
  const decorations = [added]
  instance.decorate(kDecorations, decorations)
  instance.decorate('requireMcpAuth', (options = {}) => {
    checkGuardOptions(options)
    const { guards, guarded } = select(decorations, options.prefix)
    for (const scope of options.scopes ?? []) guarded.add(scope)
    return guards.route(options)
  })
  instance.addHook('onRoute', ({ onRequest, preValidation, preHandler }) => {
    const given: unknown[] = [onRequest, preValidation, preHandler].flat()
    if (given.includes(instance.requireMcpAuth)) throw uncalled()
  })
  instance.decorate('mcpOAuth', { getter: () => select(decorations).registration })
}

const scopeList = "a list of scopes such as ['notes:read']"
const hooks = 'a hook or a list of hooks. Register the plugin that adds them first'
const fields = {
  scopes: optional(expect(scopeList, value => problemOfScopes(value) === null)),
  or: optional(expect(hooks, value => {
    const given = [value].flat()
    return given.length > 0 && given.every(hook => typeof hook === 'function')
  })),
  prefix: optional(expect('a string', value => typeof value === 'string'))
}

/** Checks at run time what types check, too: a mistake would leave a route open. */
function checkGuardOptions (given: GuardOptions & { prefix?: string }) {
  // A hook receives a request, a reply and a callback.
  if (Object(given) === given && 'raw' in given) throw uncalled()
  checkOptions('requireMcpAuth', given, fields, {
    more: options =>
      Object.entries({ scopes: scopeList, or: hooks })
        .filter(([name]) => Object.hasOwn(options, name) && Object(options)[name] === undefined)
        .map(([name, expected]) => `${name}: undefined is given. Give ${expected}`)
  })
}

const uncalled = () =>
  startupError(
    'invalidOptions',
    'requireMcpAuth: is used as a hook. Call it to get a hook: requireMcpAuth()'
  )

function select (decorations: readonly Decoration[], prefix?: string) {
  const matching = decorations.filter(({ registration }) =>
    prefix === undefined || registration.prefix === prefix
  )
  if (matching.length === 1 && matching[0]) return matching[0]
  const known = decorations.map(({ registration }) => `'${registration.prefix}'`).join(', ')
  const problem = prefix === undefined
    ? 'missing'
    : `'${prefix}' belongs to ${
      matching.length === 0 ? 'no registration' : 'several registrations'
    }`
  throw startupError(
    'ambiguousRegistration',
    `prefix: ${problem}; this scope has ${known}. Use requireMcpAuth({ prefix })`
  )
}
