import type { Store } from '../../lib/types.ts'
import { clock } from './clock.ts'
import type { Faults, Steps } from './steps.ts'

// The store of the model: each operation is a step.

/** What is stored. Times are milliseconds of the clock. */
export type Entries = Map<string, { value: string, until: number }>

/**
 * Creates the function that returns the store, as an instance sees it.
 *
 * @param isDirect whether operations do not wait for the scheduler
 */
export function createStores (
  { entries, steps, faults, isDirect }: {
    entries: Entries
    steps: Steps
    faults: Faults
    isDirect: () => boolean
  }
) {
  const names = new Map<string, string>()

  /** A key, as people read it: its kind and a number. */
  function nameOf (key: string): string {
    const [kind = ''] = key.split(':').slice(2)
    const name = names.get(key) ??
      `${kind} ${[...names.values()].filter(known => known.startsWith(`${kind} `)).length + 1}`
    names.set(key, name)
    return name
  }

  function read (key: string): string | null {
    const entry = entries.get(key)
    return entry && entry.until > clock.elapsed() ? entry.value : null
  }

  function write (key: string, value: string, ttl: number): void {
    entries.set(key, { value, until: clock.elapsed() + ttl * 1000 })
  }

  function operation<T> (
    instance: number,
    text: string,
    key: string,
    writes: boolean,
    effect: () => T
  ) {
    if (isDirect()) return Promise.resolve(effect())
    return new Promise<T>((resolve, reject) => {
      const refuse = () => steps.answer(instance, () => reject(new Error('the store refused')))
      const perform = () => {
        const result = effect()
        steps.answer(instance, () => resolve(result))
      }
      const outcomes: Array<[string, () => void]> = [
        ['done', () => writes && steps.isOut() ? refuse() : perform()]
      ]
      for (const fault of faults.store ?? []) {
        if (fault === 'before') outcomes.push([fault, refuse])
        if (fault === 'lost') outcomes.push([fault, () => {}])
        if (fault === 'after' && writes) {
          outcomes.push([fault, () => {
            effect()
            refuse()
          }])
        }
      }
      steps.add({ instance, text: `${text} ${nameOf(key)}`, key, writes, outcomes })
    })
  }

  return (instance: number): Store => {
    return {
      get: key => operation(instance, 'get', key, false, () => read(key)),
      put: (key, value, ttl) => operation(instance, 'put', key, true, () => write(key, value, ttl)),
      putIfAbsent: (key, value, ttl) =>
        operation(instance, 'put if absent', key, true, () => {
          const previous = read(key)
          if (previous === null) write(key, value, ttl)
          return previous
        })
    }
  }
}
