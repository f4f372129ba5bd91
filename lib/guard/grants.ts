/** Which grants does the operator ask for? */
import { startupError } from '../errors.ts'
import { checkOptions, optional, text } from '../options/fields.ts'

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
   * Host of its redirect URI, or the scheme of an app, such as `cursor:`. Null for a login from
   * before the option `grantIndex` was set.
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

/**
 * Creates the function that lists grants.
 *
 * @param indexOf returns the list, once the app is ready; null if there is no index
 */
export function createListGrants (
  indexOf: () => ((filter: GrantFilter) => Promise<GrantPage>) | null
) {
  return async (filter: GrantFilter = {}) => {
    // A user who is not logged in must not be shown the grants of all users.
    checkOptions('grants', filter, fields)
    if (Object.values(filter).includes(undefined)) {
      throw startupError(
        'invalidOptions',
        'grants: a member is undefined. Leave it out to list the grants of all'
      )
    }
    const list = indexOf()
    if (list) return await list(filter)
    throw startupError('invalidOptions', 'grants: there is no list. Set grantIndex: true')
  }
}
