import { createLedger } from '../store/one-time.ts'
import { createNonces, nonceLifetime } from './nonces.ts'
import { memoryStore } from '../store/memory.ts'
import type { Config } from '../options/config.ts'
import type { SiteSource } from '../urls.ts'
import { createProofCheck, type ProofCheck } from './verify.ts'

/**
 * The check of DPoP proofs at one place, or null where the option `dpop` is off. Nonces are good at
 * both; what was used is remembered apart, so that in memory a flood at the token endpoint, where
 * anyone can come with a key, does not push out what guards remember.
 */
export function proofCheckOf (
  config: Config,
  site: SiteSource,
  place: 'resource' | 'token'
): ProofCheck | null {
  if (config.dpop === 'off') return null
  const ledger = createLedger(config.store ?? memoryStore({ max: 100_000 }), `dpop ${place}`)
  return createProofCheck({
    publicUrl: () => site().publicUrl,
    nonces: createNonces(config.secrets),
    once: id => ledger.consume('proof', id, nonceLifetime)
  })
}
