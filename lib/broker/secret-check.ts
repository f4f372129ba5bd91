/** Do the instances that use one store share a secret? */

import type { FastifyInstance } from 'fastify'
import { retry, withTimeout } from '../http/operations.ts'
import { secretNoteSeconds, storeCheckMs, storeConnectDelaysMs } from '../limits.ts'
import type { Broker } from './broker.ts'

/**
 * Compares, when the app starts, the secrets given here with those of the instance that used the
 * store last. Values issued with a secret that another instance does not have are invalid there:
 * the log has an error. The app starts without waiting for a store that does not respond.
 */
export function checkSharedSecrets (scope: FastifyInstance, broker: Broker) {
  const { config: { store }, log } = broker
  if (store === null) return
  async function check () {
    try {
      const problem = await retry(() => compareKeys(broker), { delays: storeConnectDelaysMs })
      if (problem !== null) log.error({ option: 'secret' }, problem)
      for (const warning of await store?.warnings?.() ?? []) log.warn({ option: 'store' }, warning)
    } catch (err) {
      log.warn({ err }, 'Could not reach the store at start-up')
    }
  }
  // Fastify ends the start when a hook takes ten seconds.
  scope.addHook('onReady', async () => {
    await withTimeout(check, storeCheckMs, () => new Error()).catch(() => {})
  })
}

const noCommonSecret =
  'The instance that used this store last had none of the secrets given here: values of one are ' +
  "invalid at the other. Give all the same secret. To replace it, list both first: ['old', 'new']"
const unknownSealingSecret =
  'The first secret, here or at the instance that used this store last, is unknown at the ' +
  "other: logins that involve both fail. To replace a secret, deploy ['old', 'new'] first"

/**
 * Compares the public keys derived from our secrets with those in the store, then stores ours. The
 * key of the secret that seals is the first. Systems with different addresses are independent.
 *
 * @returns the problem, or null
 */
async function compareKeys ({ config, marks, signing }: Broker) {
  const id = `last ${config.publicUrl}`
  const ours = (await signing()).jwks.keys.map(({ kid }) => kid as string)
  const theirs = (await marks.recall('secret', id))?.split(' ') ?? ours
  await marks.remember('secret', id, ours.join(' '), secretNoteSeconds)
  if (!theirs.some(kid => ours.includes(kid))) return noCommonSecret
  const known = ours.includes(theirs[0] as string) && theirs.includes(ours[0] as string)
  return known ? null : unknownSealingSecret
}
