/** Which grants does the token endpoint have? */

import type { Config } from '../../options/config.ts'
import type { GrantType } from '../../types.ts'
import { authorizationCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import type { Grant } from './grant.ts'
import { refreshToken } from './refresh-token.ts'

/** All grants. The metadata document and the token endpoint read from here. */
const grants: ReadonlyArray<Grant> = [
  authorizationCode,
  refreshToken,
  clientCredentials
]

/** The grants that are offered with a configuration, by type. */
export function offeredGrants (config: Config): Partial<Record<GrantType, Grant>> {
  const offered = grants.filter(grant => grant.isOffered(config))
  return Object.fromEntries(offered.map(grant => [grant.type, grant]))
}

/** The grant types of clients that do not list theirs. */
export const defaultGrantTypes: readonly GrantType[] = grants.filter(({ isDefault }) => isDefault)
  .map(({ type }) => type)
