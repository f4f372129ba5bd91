/** Do the dependencies of a registration work, and who is told when they do not? */
import { createCondition, isDependencyFault, type Health } from '../http/condition.ts'
import { slowWarningMs } from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { Log } from '../types.ts'
import { throttled } from '../util/throttled.ts'
import type { Events } from './events.ts'

/** The health of one registration: null for what it does not have. */
export interface RegistrationHealth {
  /** The endpoints and the metadata of the provider. */
  readonly provider: Health | null
  /** The keys that verify the provider's access tokens. */
  readonly keys: Health | null
  readonly store: Health | null
}

/** The conditions of one registration. */
export type Conditions = ReturnType<typeof createConditions>

/** Creates the conditions of a registration, whose changes are events. */
export function createConditions ({ provider, store }: Config, events: Events, log: Log) {
  const report = events.of(null)
  const host = provider ? new URL(provider.issuer).host : ''
  const conditionOf = (part: 'endpoints' | 'keys') =>
    createCondition(isDependencyFault, {
      failed: reason => report('provider.failed', { host, part, reason }),
      recovered: ms => report('provider.recovered', { host, part, ms })
    })
  store?.condition.listen({
    failed: reason => report('store.failed', { reason }),
    recovered: ms => report('store.recovered', { ms }),
    slow: throttled(slowWarningMs, (ms: number) => {
      log.warn(
        { ms: Math.round(ms) },
        'A command of the store took long, and a login needs several. Check the load of the store'
      )
    })
  })
  return {
    provider: conditionOf('endpoints'),
    keys: conditionOf('keys'),
    rotated: (host: string, added: string[], removed: string[]) =>
      report('keys.rotated', { host, added, removed })
  }
}

/**
 * Returns the health. A store that failed is asked again, so that an instance without requests can
 * become ready.
 */
export async function healthOf (
  { provider: hasProvider, tokens, store }: Config,
  { provider, keys }: Conditions
): Promise<RegistrationHealth> {
  if (store?.condition.health().status === 'failing') {
    await store.get('mcp-oauth:health').catch(() => {})
  }
  return Object.freeze({
    provider: hasProvider ? provider.health() : null,
    keys: tokens === 'issuer' ? keys.health() : null,
    store: store?.condition.health() ?? null
  })
}
