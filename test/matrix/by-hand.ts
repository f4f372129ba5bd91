import { createHash } from 'node:crypto'
import type { McpOAuthOptions } from '../../lib/index.ts'
import type { ClientFacts } from '../clients/client.ts'
import { completeFacts, documentOf } from '../clients/driver/commonest.ts'
import type { Configuration } from '../clients/driver/identify.ts'

// Which clients must an operator list, because they neither register nor have a document?

const clientSecret = 'canary-secret-of-a-listed-client-0123456789'

export type ListedClient = NonNullable<McpOAuthOptions['clients']>[number]

/** A listed client, and what its user enters. */
export interface ByHand {
  listed: ListedClient
  configuration: Configuration
}

/** How the operator and the user set up a client, if they have to. */
export function byHand (id: string, facts: ClientFacts): ByHand | undefined {
  const { known } = completeFacts(facts)
  const { identification, registration, redirectUris, ports, tokenAuthentication } = known
  const isAutomatic = (identification.includes('document') && documentOf(facts) !== undefined) ||
    (identification.includes('registration') && registration !== null)
  const port = Array.isArray(ports) ? String(ports[0]) : '4711'
  const listedUris = redirectUris.map(uri => uri.replace('{port}', port))
    .filter(uri => !uri.includes('{') && /^(?:https:|http:\/\/(?:localhost|127\.|\[::1))/.test(uri))
  if (isAutomatic || !identification.includes('configured') || listedUris.length === 0) return
  const secret = tokenAuthentication.includes('none') ? undefined : clientSecret
  const hash = createHash('sha256').update(clientSecret).digest('base64url')
  return {
    listed: {
      clientId: id,
      redirectUris: listedUris,
      ...secret && { secretHashes: [`sha256:${hash}`] }
    },
    configuration: { client: { id, ...secret && { secret } } }
  }
}
