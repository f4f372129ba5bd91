/** What is a grant to the token endpoint? */

import { McpOAuthError } from '../../errors.ts'
import type { RequestParameters } from '../../oauth/parameters.ts'
import type { Config } from '../../options/config.ts'
import type { GrantType } from '../../types.ts'
import type { TokenResponse } from '../access-token.ts'
import type { Broker } from '../broker.ts'

/** A token request whose client is authenticated. */
export interface TokenRequestContext {
  readonly broker: Broker
  readonly clientId: string
  /** Thumbprint of the key whose possession was proven: tokens are bound to it. */
  readonly key: string | undefined
  /** Seconds since 1970. */
  readonly now: number
}

/** A token request of any grant. */
export interface TokenRequest {
  readonly grantType: GrantType
}

/** A way to obtain tokens (RFC 6749 §1.3). */
export interface Grant<Request extends TokenRequest = TokenRequest> {
  readonly type: GrantType
  /** Whether clients have it that do not list their grant types. */
  readonly isDefault: boolean
  isOffered(config: Config): boolean
  parse(params: RequestParameters, resource: string): Request
  handle(context: TokenRequestContext, request: Request): Promise<TokenResponse>
}

/** The error for a code or token that is not valid. The reason is for the log. */
export function invalidGrant (reason: string): McpOAuthError {
  return new McpOAuthError('invalidGrant', { cause: new Error(reason) })
}
