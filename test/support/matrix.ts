import { describe, test, type TestContext } from 'node:test'
import type { Store } from '../../lib/types.ts'
import { startBroker, type BrokerSetup, type RunningBroker } from './broker.ts'
import { startFlow, type Flow, type FlowSetup } from './flow.ts'
import { stores, type StoreKind } from './stores.ts'

// On which stores and prefixes does a test run? MATRIX selects the pairs: `memory` (the default),
// `redis`, both as `pairs`, or all four as `full`.

/** Starts brokers on the store and under the prefix of one pair. */
export interface Harness {
  /** Options that put a registration on the store and under the prefix. */
  options(): Promise<{ prefix: string, store?: Store }>
  startFlow(setup?: HarnessSetup): Promise<Flow>
  startBroker(setup?: BrokerSetup): Promise<RunningBroker>
}

export interface HarnessSetup extends FlowSetup {
  /** Wraps the store, for example to record what is written. */
  wrap?: (store: Store) => Store
}

export interface MatrixOptions {
  /** Runs the pairs one by one, for tests that set the clock or are a load. Default: `false`. */
  serial?: boolean
  /** `false` for tests without a shared store: one in memory per instance. Default: `true`. */
  shared?: boolean
  /** The reason why the test cannot run here. */
  skip?: string | false
}

interface Pair {
  kind: StoreKind
  prefix: string
}

const all = stores.flatMap(kind => ['', '/v1'].map(prefix => ({ kind, prefix })))
const memory = all.filter(({ kind, prefix }) => kind.where === 'in memory' && prefix === '')
const redis = all.filter(({ kind, prefix }) => kind.where === 'on Redis' && prefix !== '')
const selections: Record<string, readonly Pair[]> = {
  memory,
  redis,
  pairs: [...memory, ...redis],
  full: all
}

/** The pairs a test runs for; without a shared store the second one keeps its prefix. */
function pairs (shared: boolean): readonly Pair[] {
  const name = process.env['MATRIX'] ?? 'memory'
  const selected = selections[name]
  if (!selected) {
    throw new Error(`MATRIX: ${name} is not one of ${Object.keys(selections).join(', ')}`)
  }
  if (shared) return selected
  return selected.flatMap(({ kind, prefix }) =>
    name === 'full' && kind.where === 'on Redis' ? [] : [{ kind: stores[0] as StoreKind, prefix }]
  )
}

/** A test that must pass on each store, at the root and under a prefix. */
export function matrix (
  name: string,
  run: (harness: Harness, t: TestContext) => Promise<void>,
  { serial = false, shared = true, skip: skipReason = false }: MatrixOptions = {}
): void {
  describe(name, { concurrency: serial ? 1 : 4 }, () => {
    for (const { kind, prefix } of pairs(shared)) {
      const title = `${name} (${kind.where}, ${prefix === '' ? 'at the root' : `under ${prefix}`})`
      test(
        title,
        { skip: skipReason || kind.skip },
        t => run(createHarness(t, { kind, prefix }, shared), t)
      )
    }
  })
}

function createHarness (t: TestContext, { kind, prefix }: Pair, shared: boolean): Harness {
  // In memory the broker brings its own store, unless the test shares or wraps one.
  const optionsFor = async (wrap?: (store: Store) => Store, several = false) => {
    if (kind.where === 'in memory' && !wrap && !(several && shared)) return { prefix }
    const store = await kind.open(t)
    return { prefix, store: wrap ? wrap(store) : store }
  }
  return {
    options: optionsFor,
    startFlow: async ({ wrap, options, ...setup } = {}) =>
      await startFlow(t, {
        ...setup,
        options: { ...await optionsFor(wrap, setup.instances !== undefined), ...options }
      }),
    startBroker: async ({ options, ...setup } = {}) =>
      await startBroker(t, { ...setup, options: { ...await optionsFor(), ...options } })
  }
}
