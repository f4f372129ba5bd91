import type { Assertions } from './client-assertions.ts'
import type { Clients } from '../clients/clients.ts'
import type { Cookies } from './login-cookies.ts'
import type { Grants } from './tokens.ts'
import type { Ledger } from '../store/one-time.ts'
import type { Revocation } from './revocation.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { SigningKeys } from '../crypto/signing-keys.ts'
import type { States } from './login-state.ts'
import type { Upstream } from '../provider/login.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { Log } from '../types.ts'
import type { SiteSource } from '../urls.ts'
import type { ProofCheck } from '../dpop/verify.ts'
import type { AuthorizationDesk } from '../clients/authorize.ts'

/** What the endpoints of the broker share. */
export interface Broker extends AuthorizationDesk {
  readonly config: Config & { readonly provider: ProviderConfig }
  readonly site: SiteSource
  readonly log: Log
  readonly clients: Clients
  readonly assertions: Assertions
  /** Whether there are clients that have no user. */
  readonly machines: boolean
  readonly sealer: Sealer
  readonly signing: SigningKeys
  readonly ledger: Ledger
  readonly states: States
  readonly upstream: Upstream
  readonly grants: Grants
  /** Null where tokens are not bound to keys. */
  readonly checkProof: ProofCheck | null
  readonly revocation: Revocation
  cookies(): Cookies
  /** The scopes of this server and its tools. */
  catalog(): readonly string[]
  issuer(): string
  /** Our own metadata document (RFC 8414). */
  document(): Promise<string>
}
