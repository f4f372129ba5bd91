import type { Broker } from './broker.ts'

/** As long as anything sealed lives, in seconds. */
const memory = 31 * 24 * 3600

/**
 * Looks, when the app starts, at what instances share, and writes into the log what may be wrong with it. Nothing of it keeps the app from starting: a store
 * may be down for now, and a secret may have been replaced at once because somebody else has it.
 */
export async function review ({ config: { store }, ledger, log, signing }: Broker): Promise<void> {
  if (store === null) return
  try {
    for (const warning of await store.warnings?.() ?? []) log.warn({ option: 'store' }, warning)
    const own = signing.jwks.keys.map(({ kid }) => kid)
    const used = await ledger.recall('secret', 'in use')
    if (used !== null && !own.includes(used)) {
      log.error({ option: 'secret' }, 'the store was last used with a secret that is not given here: what other instances sealed opens nowhere else. While a secret is replaced, list both')
    }
    await ledger.remember('secret', 'in use', own[0] ?? '', memory)
  } catch (err) {
    log.warn({ err }, 'the store could not be looked at')
  }
}
