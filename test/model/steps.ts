import { AsyncLocalStorage } from 'node:async_hooks'
import { leaseSeconds } from '../../lib/limits.ts'
import { clock, microtasks } from './clock.ts'
import type { Choice } from './scheduler.ts'

// The steps of a world that wait for the scheduler, and the faults that may happen to them.

/** The faults that a path may have. */
export interface Faults {
  /** How many a path has at most. Default: 1. */
  budget?: number
  /** Of the store: refused before or after the effect, or never answered. */
  store?: ReadonlyArray<'before' | 'after' | 'lost'>
  /** Of the provider: no effect, a slow answer, none ever, one that cannot be verified. */
  provider?: ReadonlyArray<'fails' | 'late' | 'lost' | 'unverified'>
  /** Milliseconds in which nothing answers. */
  pauses?: readonly number[]
  /** Milliseconds in which the store refuses to write. */
  outages?: readonly number[]
  /** Instances that may be killed. */
  kills?: readonly number[]
  /** Instances that may stop, for longer than a lease, and go on. */
  freezes?: readonly number[]
}

/** An operation that waits. */
export interface Step {
  id: number
  instance: number
  text: string
  key: string
  writes: boolean
  /** Steps with the same number follow from one event. */
  batch: number
  actor: number | undefined
  /** What may happen; the first one is the normal course. */
  outcomes: ReadonlyArray<[name: string, apply: () => void]>
  /** Ends an operation without a timeout of its own, if its instance was killed. */
  abandon?: () => void
}

export type Steps = ReturnType<typeof createSteps>

/** The actor whose request is served. */
export const acting = new AsyncLocalStorage<number>()

/** Longer than a lease. */
const freezeMs = 1_000 * leaseSeconds + 500

/**
 * Creates the steps of one path.
 *
 * @param isDirect whether nothing waits for the scheduler yet
 */
export function createSteps (
  { budget = 1, pauses = [], outages = [], kills = [], freezes = [] }: Faults,
  isDirect: () => boolean
) {
  const answers = new Map<number, Array<() => void>>()
  let outageUntil = -Infinity
  const pending = new Set<Step>()
  const deaths = new Map<number, () => void>()
  const killed = new Map<number, Promise<void>>()
  let faults = 0
  let ids = 0
  let last = -1

  const isDead = (instance: number) =>
    instance !== -1 && killed.has(instance) && !deaths.has(instance)

  /** Adds a step, which an instance that was killed never reaches. */
  function add (step: Omit<Step, 'id' | 'batch' | 'actor'>): void {
    if (!isDead(step.instance)) {
      pending.add({ ...step, id: ids++, batch: clock.settled(), actor: acting.getStore() })
    } else step.abandon?.()
  }

  function take (step: Step, apply: () => void): void {
    pending.delete(step)
    last = step.instance
    apply()
  }

  function kill (instance: number): void {
    for (const step of [...pending].filter(step => step.instance === instance)) {
      pending.delete(step)
      step.abandon?.()
    }
    deaths.get(instance)?.()
    deaths.delete(instance)
  }

  /** Lets an instance read an answer: when it is frozen, that is later. */
  function answer (instance: number, read: () => void): void {
    if (clock.isFrozen(instance)) answers.set(instance, [...answers.get(instance) ?? [], read])
    else read()
  }

  function freeze (instance: number): void {
    clock.freeze(instance, freezeMs, async () => {
      const reads = answers.get(instance) ?? []
      answers.delete(instance)
      for (const read of reads) {
        read()
        await microtasks()
      }
    })
  }

  return {
    add,
    isDead,
    answer,

    /** Resolves as soon as an instance is not frozen. */
    awake: (instance: number) => new Promise<void>(resolve => answer(instance, resolve)),

    /** Resolves when an instance is killed. */
    death (instance: number): Promise<void> {
      const promise = killed.get(instance) ??
        new Promise<void>(resolve => deaths.set(instance, resolve))
      killed.set(instance, promise)
      return promise
    },

    /**
     * Resolves when a request arrives at an instance.
     *
     * @param key what it writes at once
     */
    arrival: (instance: number, text: string, key = '') =>
      new Promise<void>(resolve =>
        isDirect()
          ? resolve()
          : add({
            instance,
            text,
            key,
            writes: key !== '',
            outcomes: [['arrives', resolve]],
            abandon: resolve
          })
      ),

    /** Whether the store refuses to write. */
    isOut: () => clock.elapsed() < outageUntil,

    /** Allows no more faults. */
    endFaults: () => (faults += budget),

    /** Whether a fault has happened. */
    hadFault: () => faults > 0,

    /**
     * All ways to go on. The default order continues at the instance of the last step, so that one
     * other choice moves a whole request in front of another.
     */
    choices (isCalm: boolean): Choice[] {
      const steps = [...pending].sort((a, b) =>
        Number(b.instance === last) - Number(a.instance === last) || a.id - b.id
      )
      const choiceOf = (
        step: Step,
        [outcome, apply]: Step['outcomes'][number],
        isFault: boolean
      ) => ({
        name: `${step.id}:${outcome}`,
        text: `${step.instance === -1 ? '' : `${step.instance}: `}${step.text}${
          isFault ? ` (${outcome})` : ''
        }`,
        instance: step.instance,
        key: step.key,
        writes: step.writes,
        batch: step.batch,
        actor: step.actor,
        isFault,
        apply () {
          if (isFault) faults++
          take(step, apply)
        }
      })
      const normal = steps.map(step =>
        choiceOf(step, step.outcomes[0] as Step['outcomes'][number], false)
      )
      if (isCalm) return normal.slice(0, 1)
      if (faults >= budget || steps.length === 0) return normal
      const global = { instance: -1, key: '', writes: true, batch: -1, isFault: true }
      return [
        ...normal,
        ...steps.flatMap(step =>
          step.outcomes.slice(1).map(outcome => choiceOf(step, outcome, true))
        ),
        ...pauses.map(ms => ({
          ...global,
          name: `pause ${ms}`,
          text: `${ms} ms without an answer`,
          async apply () {
            faults++
            await clock.advance(ms)
          }
        })),
        ...outages.map(ms => ({
          ...global,
          name: `outage ${ms}`,
          text: `the store refuses to write for ${ms} ms`,
          apply () {
            faults++
            outageUntil = clock.elapsed() + ms
          }
        })),
        ...kills.filter(instance => deaths.has(instance)).map(instance => ({
          ...global,
          name: `kill ${instance}`,
          text: `instance ${instance} is killed`,
          apply () {
            faults++
            kill(instance)
          }
        })),
        ...freezes.filter(instance => steps.some(step => step.instance === instance)).map(
          instance => ({
            ...global,
            name: `freeze ${instance}`,
            text: `instance ${instance} is frozen`,
            apply () {
              faults++
              freeze(instance)
            }
          })
        )
      ]
    }
  }
}
