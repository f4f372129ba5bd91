import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import { retry } from '../http/retry.ts'
import type { Broker } from './broker.ts'

/**
 * Seconds: for so long an instance counts as running that says nothing, and so often each says that
 * it does.
 */
const [presence, interval] = [30, 10]

/** As long as anything sealed lives, in seconds. */
const memory = 31 * 24 * 3600

/**
 * Milliseconds between attempts to reach the store at the start: its client may be about to
 * connect.
 */
const pauses = [100, 400, 700]

/**
 * Looks at what instances share, when the app starts. One that has no secret in common with those
 * that run does not start: half of what is handed out would open at half of them. A store that is
 * down keeps nobody from starting.
 */
export function checkSharedSecrets (scope: FastifyInstance, broker: Broker): void {
  const { config: { store }, log } = broker
  if (store === null) return
  let timer: NodeJS.Timeout | undefined
  let turns = 0
  let met = false

  async function look (patient: boolean): Promise<Others> {
    const others = await meet(broker, patient)
    met ||= others !== 'strangers'
    if (others === 'gone') log.error({ option: 'secret' }, problems.gone)
    return others
  }
  const fail = (err: unknown) => {
    log.warn({ err }, 'the store could not be looked at')
    return null
  }

  scope.addHook('onReady', async () => {
    const others = await retry(() => look(false), { delays: pauses }).catch(fail)
    if (others === 'strangers') throw startupError('invalidOptions', problems.strangers)
    if (others === 'behind') log.warn({ option: 'secret' }, problems.behind)
    for (const warning of await store.warnings?.().catch(fail) ?? []) {
      log.warn({ option: 'store' }, warning)
    }
    timer = setInterval(() => {
      // Who could not ask at the start lets those come first who ran before.
      look(!met && turns++ < presence / interval).then(others => {
        if (others === 'strangers') log.error({ option: 'secret' }, problems.strangers)
      }, fail)
    }, interval * 1000).unref()
  })
  scope.addHook('onClose', async () => {
    clearInterval(timer)
    // Others will have said by then that they go on.
    if (met) await say(broker, interval + 2).catch(() => {})
  })
}

type Others = 'friends' | 'behind' | 'gone' | 'strangers'

const problems = {
  strangers: `secret: other instances at this store, seen less than ${presence} seconds ago, ` +
    'have none of the secrets given here. Give all instances the same; while one is replaced, ' +
    "list both: ['old', 'new']. If the old one has leaked, stop those that have it first",
  gone: 'this store was last used with secrets that are not given here: ' +
    'what was handed out with those is worth nothing any more, and everybody logs in anew',
  behind: 'other instances at this store lack a secret that seals, or this one does: ' +
    "logins that hop between them fail. To replace a secret, deploy ['old', 'new'] first"
}

/**
 * Tells other instances which secrets are known here, by the public keys made of them, the one that
 * seals first; and how theirs fit.
 *
 * @param patient whether strangers that may be back soon count as if they were there
 */
async function meet (broker: Broker, patient: boolean): Promise<Others> {
  const { marks } = broker
  const own = keysOf(broker)
  const [here, last] = [idOf(broker, 'present'), idOf(broker, 'last')]
  const present = patient
    ? await marks.recall('secret', here)
    : await marks.claim('secret', here, own.join(' '), presence)
  const theirs = (present ?? await marks.recall('secret', last))?.split(' ') ?? own
  const known = theirs.some(kid => own.includes(kid))
  if (!known && (present !== null || patient)) return 'strangers'
  await say(broker, presence)
  await marks.remember('secret', last, own.join(' '), memory)
  if (!known) return 'gone'
  return present === null ||
      (own.includes(theirs[0] as string) && theirs.includes(own[0] as string))
    ? 'friends'
    : 'behind'
}

/** Says that an instance runs here, for some seconds. */
async function say (broker: Broker, seconds: number): Promise<void> {
  await broker.marks.remember('secret', idOf(broker, 'present'), keysOf(broker).join(' '), seconds)
}

function keysOf ({ signing }: Broker): string[] {
  return signing.jwks.keys.map(({ kid }) => kid as string)
}

/** Systems with addresses of their own do not meet. */
function idOf ({ config }: Broker, what: 'present' | 'last'): string {
  return `${what} ${config.publicUrl}`
}
