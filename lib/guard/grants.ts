/** Which grants does the operator ask for? */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { McpOAuthError, startupError } from '../errors.ts'
import { callable, checkOptions, optional, text } from '../options/fields.ts'

/** Which grants to list. Default: all of them. */
export interface GrantFilter {
  /** The user, as the access token names them in `sub`. */
  readonly subject?: string
  /** The client, as the access token names it. */
  readonly clientId?: string
  /** That of the page before. */
  readonly cursor?: string
}

/** A login at the broker whose tokens can be used. Times are in milliseconds since 1970. */
export interface UserGrant {
  /** Id of the grant, as events and `revoke` name it. */
  readonly grant: string
  readonly subject: string
  /** The client. Its name is unverified. */
  readonly client: { readonly id: string, readonly name: string | null }
  /**
   * Host of its redirect URI, or the scheme of an app, such as `cursor:`. Null for an identity
   * assertion, and for a login before `grantIndex` was set, or while the store failed.
   */
  readonly host: string | null
  readonly scopes: readonly string[]
  /** When the login began. */
  readonly since: number
  /** When the client last got tokens. */
  readonly lastUsed: number
  /** `request.ip` of that request, unless the option `redact` leaves it out. */
  readonly address?: string | undefined
}

/** A page of grants, those of the latest logins first. */
export interface GrantPage {
  /** At most 100. There may be fewer, or none, though more pages follow. */
  readonly grants: readonly UserGrant[]
  /** Of the next page; null if this is the last one. */
  readonly cursor: string | null
}

const fields = { subject: optional(text), clientId: optional(text), cursor: optional(text) }

/** Options of `connectedApplications`. */
export interface ApplicationsOptions {
  /**
   * Returns the user who is logged in, as access tokens name them in `sub`, or a promise of that.
   * Without one the response is 403.
   */
  readonly subject: (request: FastifyRequest) => unknown
}

/** The grants of a broker. */
interface Grants {
  list(filter: GrantFilter): Promise<GrantPage>
  serve(instance: FastifyInstance, subjectOf: ApplicationsOptions['subject']): Promise<void>
}

/**
 * Creates the methods of a registration that list grants.
 *
 * @param find returns the grants, once the plugin is registered; null if they have no index
 */
export function createGrantMethods (find: () => Grants | null) {
  const grantsFor = (name: string) => {
    const grants = find()
    if (grants) return grants
    throw startupError('invalidOptions', `${name}: grants have no index. Set grantIndex: true`)
  }
  return {
    async grants (filter: GrantFilter = {}) {
      const { list } = grantsFor('grants')
      try {
        checkOptions('grants', filter, fields)
        // A user who is not logged in must not be shown the grants of all users.
        if (Object.values(filter).includes(undefined)) {
          const problem = 'grants: a member is undefined. Leave it out to list the grants of all'
          throw startupError('invalidOptions', problem)
        }
        return await list(filter)
      } catch (error) {
        const { kind, message: description } = error as McpOAuthError
        if (kind !== 'invalidOptions') throw error
        // A route passes what it received.
        throw new McpOAuthError(kind, { statusCode: 400, description })
      }
    },
    connectedApplications (options: ApplicationsOptions) {
      checkOptions('connectedApplications', options, { subject: callable() })
      const { serve } = grantsFor('connectedApplications')
      return async (instance: FastifyInstance) => await serve(instance, options.subject)
    }
  }
}
