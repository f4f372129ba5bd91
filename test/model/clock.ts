import { AsyncLocalStorage } from 'node:async_hooks'
import crypto, {
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  KeyObject,
  sign,
  verify,
  webcrypto
} from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'

// Time and cryptography of the model. Time moves when the scheduler says so. Cryptography is real,
// but answers at once instead of from a thread: between two decisions nothing is outstanding.

const start = 1_800_000_000_000

interface Timer {
  at: number
  period?: number
  /** Whose it is: an instance that is frozen fires none. */
  instance: number | undefined
  run: () => void | Promise<void>
  ref(): Timer
  unref(): Timer
}

const immediate = setImmediate
let now = start
let settled = 0
const outstanding = { immediates: 0, imports: 0 }
const timers = new Set<Timer>()
const frozen = new Set<number>()

/** The instance whose code runs, in scenarios in which instances are frozen. */
export const running = new AsyncLocalStorage<number>()

function addTimer (run: Timer['run'], ms = 0, period?: number): Timer {
  const timer: Timer = {
    at: now + Math.max(1, ms),
    instance: running.getStore(),
    run,
    ref: () => timer,
    unref: () => timer,
    ...period !== undefined && { period: Math.max(1, period) }
  }
  timers.add(timer)
  return timer
}

/** Waits until all microtasks, immediates and imports of keys are done. */
async function settle (): Promise<void> {
  for (;;) {
    await new Promise<void>(resolve => immediate(resolve))
    if (outstanding.immediates + outstanding.imports === 0) break
  }
  settled++
}

function nextTimer (): Timer | undefined {
  let next: Timer | undefined
  for (const timer of timers) {
    if (timer.instance !== undefined && frozen.has(timer.instance)) continue
    if (next === undefined || timer.at < next.at) next = timer
  }
  return next
}

async function run (timer: Timer): Promise<void> {
  now = Math.max(now, timer.at)
  if (timer.period === undefined) timers.delete(timer)
  else timer.at = now + timer.period
  if (timer.instance === undefined) await timer.run()
  else await running.run(timer.instance, timer.run)
}

async function fire (timer: Timer): Promise<void> {
  await run(timer)
  await settle()
}

/** Waits for all microtasks, but for no immediate. */
export const microtasks = () => new Promise<void>(resolve => process.nextTick(resolve))

export const clock = {
  settle,
  /** How often all was settled: what begins between two times follows from one event. */
  settled: () => settled,
  /** Milliseconds since the clock was made. */
  elapsed: () => now - start,
  /** Forgets all timers, and continues at a time of its own. */
  reset (elapsed = 0) {
    timers.clear()
    frozen.clear()
    now = start + elapsed
  },
  isFrozen: (instance: number) => frozen.has(instance),
  /**
   * Stops an instance for a while. Then it does as a process does that goes on: the timers that are
   * due fire, then it reads the answers that have come.
   */
  freeze (instance: number, ms: number, readAnswers: () => Promise<void>) {
    frozen.add(instance)
    running.exit(() =>
      addTimer(async () => {
        frozen.delete(instance)
        const due = [...timers].filter(timer => timer.instance === instance && timer.at <= now)
        for (const timer of due.sort((a, b) => a.at - b.at)) {
          // One before may have cleared it.
          if (timers.has(timer)) await run(timer)
          await microtasks()
        }
        await readAnswers()
      }, ms)
    )
  },
  /** Moves to the next timer. @returns whether there was one */
  async next (): Promise<boolean> {
    const timer = nextTimer()
    if (timer) await fire(timer)
    return timer !== undefined
  },
  /** Lets time pass. */
  async advance (ms: number): Promise<void> {
    const target = now + ms
    for (let timer = nextTimer(); timer && timer.at <= target; timer = nextTimer()) {
      await fire(timer)
    }
    now = target
  }
}

const keyObjects = new WeakMap<webcrypto.CryptoKey, KeyObject>()
function keyObject (key: webcrypto.CryptoKey): KeyObject {
  const known = keyObjects.get(key) ?? KeyObject.from(key)
  keyObjects.set(key, known)
  return known
}

function exact (...parts: Uint8Array[]): ArrayBuffer {
  return Uint8Array.from(Buffer.concat(parts)).buffer
}

type Gcm = { iv: Uint8Array, additionalData: Uint8Array }
const ecdsa = (key: webcrypto.CryptoKey) =>
  ({ key: keyObject(key), dsaEncoding: 'ieee-p1363' }) as const
const { subtle } = webcrypto
const importKey = subtle.importKey.bind(subtle) as (...args: unknown[]) => Promise<unknown>
const imported = new Map<string, Promise<unknown>>()

const fakeSubtle = {
  async encrypt ({ iv, additionalData }: Gcm, key: webcrypto.CryptoKey, data: Uint8Array) {
    const cipher = createCipheriv('aes-256-gcm', keyObject(key), iv).setAAD(additionalData)
    return exact(cipher.update(data), cipher.final(), cipher.getAuthTag())
  },
  async decrypt ({ iv, additionalData }: Gcm, key: webcrypto.CryptoKey, data: Uint8Array) {
    const bytes = Buffer.from(data)
    const decipher = createDecipheriv('aes-256-gcm', keyObject(key), iv).setAAD(additionalData)
    decipher.setAuthTag(bytes.subarray(-16))
    return exact(decipher.update(bytes.subarray(0, -16)), decipher.final())
  },
  sign: async (_algorithm: unknown, key: webcrypto.CryptoKey, data: Uint8Array) =>
    exact(sign('sha256', data, ecdsa(key))),
  verify: async (_: unknown, key: webcrypto.CryptoKey, signature: Uint8Array, data: Uint8Array) =>
    verify('sha256', data, ecdsa(key), signature),
  digest: async (_algorithm: unknown, data: Uint8Array) =>
    exact(createHash('sha256').update(data).digest()),
  importKey (...args: unknown[]) {
    const name = JSON.stringify(
      args,
      (_name, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
    )
    const known = imported.get(name)
    if (known) return known
    outstanding.imports++
    const key = importKey(...args).finally(() => outstanding.imports--)
    imported.set(name, key)
    return key
  }
}

/** Derived keys: each path derives the same ones. */
const derived = new Map<string, ArrayBuffer>()
const originalHkdf = hkdfSync
function fakeHkdf (...args: Parameters<typeof hkdfSync>): ArrayBuffer {
  const name = JSON.stringify(args)
  const key = derived.get(name) ?? originalHkdf(...args)
  derived.set(name, key)
  return key.slice()
}

/**
 * Replaces the clock, timers and cryptography of the process.
 *
 * @returns a function that undoes it
 */
export function installClock (): () => void {
  const clear = (original: (timer: never) => void) => (timer: unknown) => {
    if (!timers.delete(timer as Timer)) original(timer as never)
  }
  const replacements: Array<[object, Record<string, unknown>]> = [
    [globalThis, {
      setTimeout: (run: () => void, ms?: number) => addTimer(run, ms),
      setInterval: (run: () => void, ms: number) => addTimer(run, ms, ms),
      clearTimeout: clear(clearTimeout),
      clearInterval: clear(clearInterval),
      setImmediate (run: () => void) {
        outstanding.immediates++
        return immediate(() => {
          outstanding.immediates--
          run()
        })
      },
      clearImmediate (handle?: NodeJS.Immediate & { _onImmediate?: unknown }) {
        if (!handle?._onImmediate) return
        outstanding.immediates--
        originalClearImmediate(handle)
      }
    }],
    [timersPromises, {
      setTimeout: (ms: number, value: unknown) =>
        new Promise(resolve => addTimer(() => resolve(value), ms))
    }],
    [Date, { now: () => now }],
    [performance, { now: () => now - start }],
    [crypto, { hkdfSync: fakeHkdf }],
    [subtle, fakeSubtle]
  ]
  const originalClearImmediate = clearImmediate
  const undo: Array<() => void> = []
  for (const [object, members] of replacements) {
    for (const [name, value] of Object.entries(members)) {
      const before = Object.getOwnPropertyDescriptor(object, name)
      Object.defineProperty(object, name, { value, configurable: true, writable: true })
      undo.push(() => {
        if (before) Object.defineProperty(object, name, before)
        else Reflect.deleteProperty(object, name)
      })
    }
  }
  syncBuiltinESMExports()
  return () => {
    for (const step of undo) step()
    syncBuiltinESMExports()
    clock.reset()
  }
}
