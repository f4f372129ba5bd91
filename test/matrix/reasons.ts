import type { ClientFacts } from '../clients/client.ts'
import { completeFacts, documentOf } from '../clients/driver/commonest.ts'
import type { DrivenClient, StepResult } from '../clients/driver.ts'
import type { ProviderFacts } from '../providers/emulators/provider.ts'

// Which failures are those of the client or of the provider, by which standard?

export interface Reason {
  /** Whose fault it is. */
  by: 'client' | 'provider'
  reason: string
}

/** The reason why a step had to fail, if the facts have one. */
export function reasonOf (
  { problem, explained }: StepResult,
  client: ClientFacts,
  credentials: DrivenClient['credentials'],
  provider: ProviderFacts
): Reason | undefined {
  if (explained !== undefined) return { by: 'client', reason: explained }
  if (problem !== 'No refresh token was issued') return undefined
  if (!hasRefreshGrant(client, credentials)) {
    return {
      by: 'client',
      reason: 'It does not register the grant type refresh_token. The default is ' +
        'authorization_code alone (RFC 7591 §2).'
    }
  }
  if (provider.refresh.issued === 'never') {
    return {
      by: 'provider',
      reason: 'It issues no refresh tokens, which RFC 6749 §1.5 leaves to it: users log in again.'
    }
  }
  return undefined
}

function hasRefreshGrant (facts: ClientFacts, credentials: DrivenClient['credentials']): boolean {
  if (credentials?.way === 'configured') return true
  const metadata = credentials?.way === 'document'
    ? JSON.parse(documentOf(facts)?.text ?? '{}')
    : completeFacts(facts).known.registration
  const { grant_types: grants = [] } = Object(metadata)
  return grants.includes('refresh_token')
}
