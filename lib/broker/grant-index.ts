/** Which grants are there, of which users and clients, and when was each last used? */
import { createHmac } from 'node:crypto'
import { deriveKey } from '../crypto/derive-key.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { startupError } from '../errors.ts'
import type { GrantFilter, GrantPage, UserGrant } from '../guard/grants.ts'
import { maxListedGrants } from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Log, StoreIndex } from '../types.ts'
import { hash } from '../util/hash.ts'

/** The record of a grant in the store, sealed. */
export interface GrantRecord extends UserGrant {
  id: string
  /** The set of all grants that has it, once all three sets do. */
  set: string | null
  /** The session of the user at the provider. */
  session?: string | undefined
}

/**
 * Creates the index of grants: a sealed record of each, and sets of the ids of all grants, of those
 * of a user and of those of a client. A set is named after a keyed hash, as users could be guessed.
 *
 * @param name of the registration
 * @param now in seconds since 1970
 */
export function createGrantIndex ({ config, index, marks, isRevoked, sealer, name, now, log }: {
  config: Pick<Config, 'secrets' | 'lifetimes'>
  index: StoreIndex
  marks: Pick<OneTimeMarks, 'keyOf' | 'recall' | 'remember'>
  isRevoked: (grant: GrantRecord) => Promise<boolean>
  sealer: Sealer
  name: string
  now: () => number
  log: Log
}) {
  // While a secret is replaced, a grant moves to the sets of the new one when it is refreshed.
  const namers = config.secrets.map(secret => {
    const key = deriveKey(secret, `grants:${name}`)
    return (kind: string, id = '') =>
      marks.keyOf('grants', createHmac('sha256', key).update(`${kind} ${id}`).digest('base64url'))
  })
  const [nameOf] = namers as [typeof namers[number]]
  const ownSet = nameOf('all')

  async function find (id: string) {
    const sealed = await marks.recall('grant', id) ?? ''
    const record = await sealer.open('grant', sealed, now()) as GrantRecord | null
    return record?.id === id ? record : null
  }

  /** Returns a grant of a set. If it has ended, it leaves the set. */
  async function read (set: string, id: string) {
    const record = await find(id)
    if (record !== null && !await isRevoked(record)) return record
    await index.remove(set, id)
    if (record !== null) await marks.remember('grant', id, '', 0)
    return null
  }

  return {
    /**
     * Records that a client got tokens. Never rejects: a login does not fail with it.
     *
     * @param lifetime of the tokens, in seconds
     * @param redirectUri that of a login
     */
    async record (
      grant: Omit<UserGrant, 'host' | 'lastUsed'> & Pick<GrantRecord, 'session'>,
      lifetime: number,
      redirectUri?: string
    ) {
      const id = idOf(grant.grant)
      try {
        const known = redirectUri === undefined ? await find(id) : null
        const host = redirectUri === undefined ? known?.host ?? null : hostOf(redirectUri)
        const write = async (set: string | null) => {
          const record: GrantRecord = {
            ...grant,
            id,
            set,
            host,
            lastUsed: Math.round(1000 * now())
          }
          const sealed = await sealer.seal('grant', record, lifetime, now())
          await marks.remember('grant', id, sealed, lifetime)
        }
        if (known?.set !== ownSet) {
          // Before it is in the sets: a member without a record has ended.
          await write(null)
          const { since, subject, client } = grant
          // Cursors are these times, so that no two are to be the same.
          const expiresAt = since + 1000 * config.lifetimes.refreshAbsolute + Math.random()
          const sets = [ownSet, nameOf('subject', subject), nameOf('client', client.id)]
          await Promise.all(sets.map(set => index.add(set, id, expiresAt)))
        }
        await write(ownSet)
      } catch (err) {
        log.warn({ err }, 'Could not list a grant until its next refresh. Check the store')
      }
    },

    /** Returns a page of the grants of a user, of a client, or of all. */
    async list ({ subject, clientId, cursor = '0:Infinity' }: GrantFilter): Promise<GrantPage> {
      const [, position, before] = /^(\d+):([\d.]+|Infinity)$/.exec(cursor) ?? []
      const at = Number(position)
      const namer = namers[at]
      if (!namer) {
        throw startupError('invalidOptions', 'grants.cursor: is not one. Take that of a page')
      }
      const [kind, value] = subject !== undefined
        ? ['subject', subject]
        : clientId !== undefined
        ? ['client', clientId]
        : ['all']
      const set = namer(kind as string, value)
      const all = namer('all')
      const members = await index.list(set, Number(before), maxListedGrants)
      const records = await Promise.all(members.map(([id]) => read(set, id)))
      const grants = records.filter(record =>
        record !== null && (record.set ?? all) === all &&
        record.subject === (subject ?? record.subject) &&
        record.client.id === (clientId ?? record.client.id)
      ).map(record => shown(record as GrantRecord))
      const [, last] = members[maxListedGrants - 1] ?? []
      const next = last === undefined ? at + 1 : at
      return { grants, cursor: next < namers.length ? `${next}:${last ?? Infinity}` : null }
    },

    /** Returns a grant, or null. */
    find: async (grant: string): Promise<UserGrant | null> => await find(idOf(grant))
  }
}

const idOf = (grant: string) => hash(grant).slice(0, 22)

const shown = ({ id, set, session, ...grant }: GrantRecord): UserGrant => grant

/** The part of a redirect URI that tells where tokens go: a host, or the scheme of an app. */
function hostOf (redirectUri: string) {
  const { host, protocol } = new URL(redirectUri)
  return /^https?:$/.test(protocol) ? host : protocol
}
