import { describe, test, type TestContext } from 'node:test'
import type { Store } from '../../lib/types.ts'
import { startBroker, type BrokerSetup, type RunningBroker } from './broker.ts'
import { startFlow, type Flow, type FlowSetup } from './flow.ts'
import { stores } from './stores.ts'

/** Where a broker can be. What a place starts is there. */
export interface Place {
  /** Options that put a registration here. */
  options(): Promise<{ prefix: string, store?: Store }>
  startFlow(setup?: PlacedSetup): Promise<Flow>
  startBroker(setup?: BrokerSetup): Promise<RunningBroker>
}

export interface PlacedSetup extends FlowSetup {
  /** Puts something between the broker and the store of the place. */
  wrap?: (store: Store) => Store
}

export interface Everywhere {
  /**
   * One place after the other, for tests that set the clock or are a load by themselves. Default:
   * side by side.
   */
  inTurn?: boolean
  /**
   * `false` for what holds without a shared store: in memory only, of which every instance has its
   * own.
   */
  shared?: boolean
  /** Why it cannot be had here at all, if so. */
  skip?: string | false
}

/**
 * A test that has to pass wherever a broker can be: in memory and on Redis, at the root and under a
 * prefix.
 */
export function everywhere (
  name: string,
  run: (place: Place, t: TestContext) => Promise<void>,
  { inTurn = false, shared = true, skip: unfit = false }: Everywhere = {}
): void {
  describe(name, { concurrency: inTurn ? 1 : 4 }, () => {
    for (const { where, skip, open } of shared ? stores : stores.slice(0, 1)) {
      for (const prefix of ['', '/v1']) {
        test(`${name} (${where}, ${prefix === '' ? 'at the root' : `under ${prefix}`})`, {
          skip: unfit || skip
        }, t => {
          // In memory the broker has a store by itself, unless the test wants one to share or to
          // look at.
          const optionsFor = async (wrap?: (store: Store) => Store, several = false) => {
            if (where === 'in memory' && !wrap && !(several && shared)) return { prefix }
            const store = await open(t)
            return { prefix, store: wrap ? wrap(store) : store }
          }
          return run({
            options: optionsFor,
            startFlow: async ({ wrap, options, ...setup } = {}) =>
              await startFlow(t, {
                ...setup,
                options: { ...await optionsFor(wrap, setup.instances !== undefined), ...options }
              }),
            startBroker: async ({ options, ...setup } = {}) =>
              await startBroker(t, { ...setup, options: { ...await optionsFor(), ...options } })
          }, t)
        })
      }
    }
  })
}
