import type { FastifyInstance } from 'fastify'
import { startupError } from '../../errors.ts'
import type { Broker } from './broker.ts'

/** Seconds: for so long an instance counts as running that says nothing, and so often each says that it does. */
const [presence, interval] = [30, 10]

/** As long as anything sealed lives, in seconds. */
const memory = 31 * 24 * 3600

/**
 * Looks at what instances share, when the app starts. One that has no secret in common with those that run does not start: half of what is handed out would
 * open at half of them. A store that is down keeps nobody from starting.
 */
export function review (scope: FastifyInstance, broker: Broker): void {
  const { config: { store }, log } = broker
  if (store === null) return
  let timer: NodeJS.Timeout | undefined

  const look = async <T>(what: Promise<T> | undefined) => await what?.catch((err: unknown) => {
    log.warn({ err }, 'the store could not be looked at')
    return undefined
  })

  scope.addHook('onReady', async () => {
    for (const warning of await look(store.warnings?.()) ?? []) log.warn({ option: 'store' }, warning)
    const others = await look(meet(broker))
    if (others === 'strangers') throw startupError('invalidOptions', problems.strangers)
    if (others === 'gone') log.error({ option: 'secret' }, problems.gone)
    if (others === 'behind') log.warn({ option: 'secret' }, problems.behind)
    timer = setInterval(() => {
      look(meet(broker)).then(others => { if (others === 'strangers') log.error({ option: 'secret' }, problems.strangers) })
    }, interval * 1000).unref()
  })
  scope.addHook('onClose', async () => { clearInterval(timer) })
}

const problems = {
  strangers: `secret: other instances at this store, seen less than ${presence} seconds ago, have none of the secrets given here. Give all instances the same; while one is replaced, list both: ['old', 'new']. If the old one has leaked, stop those that have it first. Another app needs keys of its own in the store: redisStore(client, { prefix: 'other:' })`,
  gone: 'this store was last used with secrets that are not given here: what was handed out with those is worth nothing any more, and everybody logs in anew',
  behind: "other instances at this store lack a secret that seals, or this one does: logins that hop between them fail. To replace a secret, deploy ['old', 'new'] first"
}

/** Tells other instances which secrets are known here, by the public keys made of them, the one that seals first; and how theirs fit. */
async function meet ({ ledger, signing }: Broker): Promise<'friends' | 'behind' | 'gone' | 'strangers'> {
  const own = signing.jwks.keys.map(({ kid }) => kid as string)
  const present = await ledger.claim('secret', 'present', own.join(' '), presence)
  const theirs = (present ?? await ledger.recall('secret', 'last'))?.split(' ') ?? own
  const known = theirs.some(kid => own.includes(kid))
  if (!known && present !== null) return 'strangers'
  await ledger.remember('secret', 'present', own.join(' '), presence)
  await ledger.remember('secret', 'last', own.join(' '), memory)
  if (!known) return 'gone'
  return own.includes(theirs[0] as string) && theirs.includes(own[0] as string) ? 'friends' : 'behind'
}
