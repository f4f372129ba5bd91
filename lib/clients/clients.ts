import type { Client } from '../types.ts'
import type { Sealer } from '../crypto/sealer.ts'

/**
 * Who may ask for authorization. Nothing is stored: a dynamically registered client's id is its own
 * sealed registration.
 */
export interface Clients {
  /** Makes the id of a new public client, good for 90 days. */
  register(client: Omit<Client, 'id'>, now: number): Promise<string>
  /** The client of an id, or null if it is unknown, expired or not ours. */
  find(id: string, now: number): Promise<Client | null>
  /** The client the operator listed under an id. */
  listed(id: string): Client | undefined
  /** Whether a client has to prove who it is: then it is not bound by anything else. */
  isConfidential(id: string): boolean
  /**
   * Whether an id may be that of a client, without asking anyone: enough where a code or token says
   * whose it is, and a session shall not depend on the client's website being up.
   */
  accepts(id: string, now: number): Promise<boolean>
  /** Whether a client that is named by its document has a bad one by now. */
  isInvalidated(id: string): Promise<boolean>
}

/** Life of a registration, in seconds. */
const lifetime = 90 * 24 * 3600

/** Finds clients that are named by the URL of their metadata. */
export interface ClientDocuments {
  find(id: string): Promise<Client | null>
  accepts(id: string): boolean
  /**
   * Whether a document can be read, and is none any more. One that cannot be had within a second
   * may be as good as it was.
   */
  isInvalidated(id: string): Promise<boolean>
}

/**
 * Whether the logins of a client end with their access token: it did not ask for refresh tokens.
 */
export function hasNoRefresh (grantTypes: Client['grantTypes']): boolean {
  return grantTypes?.includes('refresh_token') === false
}

/** How clients prove who they are: with nothing, or as those the operator listed have to. */
export function authenticationMethods (listed: readonly Client[]): string[] {
  return [
    'none',
    ...(listed.some(({ secretHashes }) => secretHashes)
      ? ['client_secret_basic', 'client_secret_post']
      : []),
    ...(listed.some(({ jwks }) => jwks) ? ['private_key_jwt'] : [])
  ]
}

/**
 * @param known clients the operator named, by id; they do not expire
 * @param documents for ids that are URLs, where those are accepted
 */
export function createClients (
  sealer: Sealer,
  known: readonly Client[] = [],
  documents: ClientDocuments | null = null
): Clients {
  const clients: Clients = {
    listed: id => known.find(client => client.id === id),
    isConfidential (id) {
      const { secretHashes, jwks } = clients.listed(id) ?? {}
      return secretHashes !== undefined || jwks !== undefined
    },
    async accepts (id, now) {
      return documents?.accepts(id) || await clients.find(id, now) !== null
    },
    isInvalidated: async id =>
      clients.listed(id) === undefined && await documents?.isInvalidated(id) === true,
    register: ({ redirectUris, name, grantTypes }, now) =>
      sealer.seal(
        'client',
        {
          r: redirectUris,
          ...(name !== null && { n: name }),
          ...(hasNoRefresh(grantTypes) && { o: 1 })
        },
        lifetime,
        now
      ),
    async find (id, now) {
      const listed = clients.listed(id)
      if (listed) return listed
      if (id.startsWith('https://')) return documents === null ? null : await documents.find(id)
      const sealed = await sealer.open('client', id, now) as
        | { r: string[], n?: string, o?: 1 }
        | null
      return sealed &&
        {
          id,
          redirectUris: sealed.r,
          name: sealed.n ?? null,
          ...(sealed.o && { grantTypes: ['authorization_code'] })
        }
    }
  }
  return clients
}
