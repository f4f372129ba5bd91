import type { ClientAssertions } from './client-assertions.ts'
import type { Clients } from '../clients/clients.ts'
import type { LoginCookies } from './login-cookies.ts'
import type { TokenIssuer } from './tokens.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Revocation } from './revocation.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { SigningKeys } from '../crypto/signing-keys.ts'
import type { LoginStates } from './login-state.ts'
import type { ProviderLogin } from '../provider/login.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { Log } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import type { DpopVerifier } from '../dpop/verifier.ts'
import type { AuthorizationEndpoint } from '../clients/authorize.ts'

/** What the endpoints of the broker share. */
export interface Broker extends AuthorizationEndpoint {
  readonly config: Config & { readonly provider: ProviderConfig }
  readonly urls: UrlSource
  readonly log: Log
  readonly clients: Clients
  readonly clientAssertions: ClientAssertions
  readonly sealer: Sealer
  readonly signing: SigningKeys
  readonly marks: OneTimeMarks
  readonly states: LoginStates
  readonly provider: ProviderLogin
  readonly tokens: TokenIssuer
  /** Null where tokens are not bound to keys. */
  readonly checkProof: DpopVerifier | null
  readonly revocation: Revocation
  cookies(): LoginCookies
  /** The scopes of this server and its tools. */
  catalog(): readonly string[]
  issuer(): string
  /** Our own metadata document (RFC 8414). */
  document(): Promise<string>
}
