import { oidc } from '../../../lib/providers/index.ts'
import type { ProviderFacts } from './provider.ts'

// How is the plugin set up for an emulated provider?

/** Its registration there. */
export const emulatedClient = {
  clientId: 'our-client-id',
  clientSecret: 'canary-emulated-client-secret'
}

/** The options: its preset, or those that docs/providers/oidc.md has for such an issuer. */
export function presetOf ({ preset, issuer, refresh: { issued } }: ProviderFacts) {
  const offlineAccess = Object(issued).scope === 'offline_access'
  return preset?.(emulatedClient) ?? oidc({ issuer, ...emulatedClient, offlineAccess })
}
