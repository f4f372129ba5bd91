/** Which verifiers check the access tokens of a registration? */
import type { Config } from '../options/config.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import type { Log, TokenVerifier } from '../types.ts'
import { chain } from './chain.ts'
import { createKeySet } from './jwks.ts'
import { jwtVerifier } from './jwt.ts'
import { type OwnTokenOptions, ownVerifier } from './own.ts'

/**
 * Creates the verifier of a registration. Our own tokens are verified first, so that no verifier of
 * the user receives them.
 *
 * @param own how tokens of our own are verified, or `null` without a broker
 * @returns the verifier, or `null` if nothing verifies tokens
 */
export function createVerifier (
  { tokens, provider: account }: Config,
  provider: ProviderDiscovery | null,
  own: OwnTokenOptions | null,
  log: Log
): TokenVerifier | null {
  if (tokens === 'none') return null
  const verifiers = typeof tokens === 'string' ? [] : [...tokens]
  if (own !== null) verifiers.unshift(ownVerifier(own))
  if (tokens === 'issuer' && account !== null && provider !== null) {
    const { issuer, audience } = account
    const keys = createKeySet({ uri: provider.keysUri, log })
    verifiers.push(jwtVerifier({ issuer, audience: audience ?? undefined, keys, log }))
  }
  return chain(verifiers)
}
