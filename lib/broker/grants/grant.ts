/** How does the token endpoint see a grant? */

import { failure } from '../../errors.ts'
import type { RequestParameters } from '../../oauth/parameters.ts'
import type { Config } from '../../options/config.ts'
import type { GrantType } from '../../types.ts'
import type { TokenResponse } from '../access-token.ts'
import type { Broker } from '../broker.ts'
import type { TokenClient } from '../tokens.ts'

/** A token request whose client is authenticated. */
export interface TokenRequestContext extends TokenClient {
  broker: Broker
}

/** A token request of any grant. */
interface TokenRequest {
  grantType: GrantType
}

/** A way to obtain tokens (RFC 6749 §1.3). */
export interface Grant<Request extends TokenRequest = TokenRequest> {
  type: GrantType
  /** Whether clients have it that do not list their grant types. */
  isDefault: boolean
  isOffered(config: Config): boolean
  parse(params: RequestParameters, resource: string): Request
  handle(context: TokenRequestContext, request: Request): Promise<TokenResponse>
}

/** The error for an invalid code or token. */
export const invalidGrant = (reason: string) => failure('invalidGrant', reason)
