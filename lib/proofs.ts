import { createLedger } from './broker/ledger.ts'
import { createNonces, nonceLifetime } from './broker/nonces.ts'
import { memoryStore } from './broker/store/memory.ts'
import type { Config } from './config.ts'
import type { SiteSource } from './site.ts'
import { createProofCheck, type ProofCheck } from './token/dpop.ts'

/**
 * The check of DPoP proofs at one place, or null where the option `dpop` is off. Nonces are good at both; what was used is remembered apart, so that in
 * memory a flood at the token endpoint, where anyone can come with a key, does not push out what guards remember.
 */
export function proofCheckOf (config: Config, site: SiteSource, place: 'resource' | 'token'): ProofCheck | null {
  if (config.dpop === 'off') return null
  const ledger = createLedger(config.store ?? memoryStore({ max: 100_000 }), `dpop ${place}`)
  return createProofCheck({
    publicUrl: () => site().publicUrl,
    nonces: createNonces(config.secrets),
    once: id => ledger.consume('proof', id, nonceLifetime)
  })
}
