import type { Assertions } from '../../broker/assertions.ts'
import type { Clients } from '../../broker/clients.ts'
import type { Cookies } from '../../broker/cookies.ts'
import type { Grants } from '../../broker/grants.ts'
import type { Ledger } from '../../broker/ledger.ts'
import type { Revocation } from '../../broker/revocation.ts'
import type { Sealer } from '../../broker/seal.ts'
import type { SigningKeys } from '../../broker/signing.ts'
import type { States } from '../../broker/state.ts'
import type { Upstream } from '../../broker/upstream.ts'
import type { Config, ProviderConfig } from '../../config.ts'
import type { Log } from '../../contracts.ts'
import type { SiteSource } from '../../site.ts'
import type { ProofCheck } from '../../token/dpop.ts'
import type { AuthorizationDesk } from '../authorization.ts'

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
  cookies (): Cookies
  /** The scopes of this server and its tools. */
  catalog (): readonly string[]
  issuer (): string
  /** Our own metadata document (RFC 8414). */
  document (): Promise<string>
}
