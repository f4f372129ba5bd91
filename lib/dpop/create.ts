import { createOneTimeMarks } from '../store/one-time.ts'
import { createNonces, nonceLifetime } from './nonces.ts'
import { memoryStore } from '../store/memory.ts'
import type { Config } from '../options/config.ts'
import type { UrlSource } from '../urls.ts'
import { createProofVerifier, type DpopVerifier } from './verify.ts'

/**
 * The check of DPoP proofs at one place, or null where the option `dpop` is off. Nonces are good at
 * both; what was used is remembered apart, so that in memory a flood at the token endpoint, where
 * anyone can come with a key, does not push out what guards remember.
 */
export function createDpopVerifier (
  config: Config,
  urls: UrlSource,
  place: 'resource' | 'token'
): DpopVerifier | null {
  if (config.dpop === 'off') return null
  const marks = createOneTimeMarks(config.store ?? memoryStore({ max: 100_000 }), `dpop ${place}`)
  return createProofVerifier({
    publicUrl: () => urls().publicUrl,
    nonces: createNonces(config.secrets),
    once: id => marks.consume('proof', id, nonceLifetime)
  })
}
