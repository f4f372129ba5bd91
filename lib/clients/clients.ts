/** Which clients may request authorization? */
import type { Client } from '../types.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { registrationSeconds } from '../limits.ts'
import type { ClientDocuments } from './documents.ts'

/** Whether a client did not register for refresh tokens. */
export function hasNoRefresh (grantTypes: Client['grantTypes']) {
  return grantTypes?.includes('refresh_token') === false
}

/** Whether a client has keys and must sign its requests with one. */
export function mustSign ({ jwks, jwksUri, mayBePublic }: Client) {
  return (jwks ?? jwksUri) !== undefined && !mayBePublic
}

/** `r`edirect URIs, `n`ame, `o`nly the code grant, `d`pop_bound_access_tokens. */
type SealedMetadata = { r: readonly string[], n?: string, o?: 1, d?: 1 }

/** The clients of an authorization server. */
export type Clients = ReturnType<typeof createClients>

/**
 * Registrations are not stored, so they cannot exhaust memory: the id of a registered client is its
 * own sealed metadata.
 *
 * @param listed clients of the operator; their ids do not expire
 * @param documents for ids that are URLs; null where those are not accepted
 * @param lifetime seconds after its registration in which a client may begin logins; 0 if clients
 *   cannot register. Defaults to no limit
 */
export function createClients (
  sealer: Sealer,
  listed: readonly Client[] = [],
  documents: ClientDocuments | null = null,
  lifetime = Infinity
) {
  const open = async (id: string, now: number) =>
    lifetime === 0 ? null : await sealer.open('client', id, now) as SealedMetadata | null

  const clients = {
    /** The client that the operator listed under an id. */
    listed: (id: string): Client | undefined => listed.find(client => client.id === id),

    /**
     * Whether an id can be that of a client, without fetching its document: enough where a sealed
     * code or token names the client, so that sessions survive while the client's website is down,
     * and when its registration is too old for logins.
     */
    accepts: async (id: string) =>
      documents?.accepts(id) || clients.listed(id) !== undefined ||
      await open(id, -Infinity) !== null,

    /** The name of a client, as far as it is known here without a request. */
    async nameOf (id: string): Promise<string | null> {
      const { name } = clients.listed(id) ?? documents?.known(id) ?? {}
      return name ?? (await open(id, -Infinity))?.n ?? null
    },

    /**
     * Whether a client wants sender-constrained tokens only, as far as is known. A document that
     * cannot be fetched ends no session.
     */
    async isBound (id: string) {
      const client = documents?.known(id)?.dpopBound ? await documents.findQuickly(id) : null
      return client?.dpopBound ?? (await open(id, -Infinity))?.d === 1
    },

    /** Why a client can log in no user, if its metadata document has changed so. */
    loginProblem: async (id: string) =>
      clients.listed(id) ? null : await documents?.loginProblem(id) ?? null,

    /**
     * The client of a metadata document, for its authentication; null for other ids.
     *
     * @throws {McpOAuthError} `invalidClient`, `clientUnavailable` and `overloaded`
     */
    documented: async (id: string): Promise<Client | null> =>
      clients.listed(id) === undefined && documents?.accepts(id) ? await documents.get(id) : null,

    /** The keys of a client, at the URL in its metadata document. */
    keysAt: (url: string) => documents?.keysAt(url),

    /** Makes the id of a new public client. */
    register (client: Omit<Client, 'id'>, now: number) {
      const metadata = {
        r: client.redirectUris,
        n: client.name ?? undefined,
        o: hasNoRefresh(client.grantTypes) ? 1 : undefined,
        d: client.dpopBound ? 1 : undefined
      }
      return sealer.seal('client', metadata, registrationSeconds, now)
    },

    /**
     * @returns null if the id is unknown, too old for a login, or from another server
     * @throws {McpOAuthError} `overloaded`
     */
    async find (id: string, now: number): Promise<Client | null> {
      const client = clients.listed(id)
      if (client) return client
      if (id.startsWith('https://')) return await documents?.find(id) ?? null
      const sealed = await open(id, now + registrationSeconds - lifetime)
      return sealed && {
        id,
        redirectUris: sealed.r,
        name: sealed.n ?? null,
        ...(sealed.o && { grantTypes: ['authorization_code'] }),
        ...(sealed.d && { dpopBound: true })
      }
    }
  }
  return clients
}
