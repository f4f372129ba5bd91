/** Since when does a dependency work, or fail? */
import { escaped, McpOAuthError } from '../errors.ts'
import { conditionSettleMs, maxReasonChars, maxReasons, maxToldReasons } from '../limits.ts'

/** The state of a dependency. */
export interface Health {
  /** `'unknown'` until it was needed for the first time. */
  readonly status: 'unknown' | 'ok' | 'failing'
  /** When the status began, in milliseconds since 1970. */
  readonly since: number
  /** The reason of the last failure, and when it was, also once the dependency works again. */
  readonly lastError?: { readonly reason: string, readonly at: number }
}

/** Is called when the health of a dependency changes. */
export interface Listener {
  failed(reason: string): void
  recovered(ms: number): void
  /** It works, and took unusually long. */
  slow?(ms: number): void
}

/** Watches one dependency. */
export type Condition = ReturnType<typeof createCondition>

/**
 * Creates the condition of a dependency. It fails with its first failure, and works again with the
 * first success a second after the last one: a dependency that flaps is not told of each time.
 *
 * @param isFault whether an error is the dependency's, and not that of the request
 * @param listener.failed is called when it fails, and for some further reasons while it does
 * @param now milliseconds since 1970. Defaults to the clock of the system
 */
export function createCondition (
  isFault: (error: unknown) => boolean,
  listener: Listener = { failed () {}, recovered () {} },
  now = Date.now
) {
  let { failed, recovered, slow } = listener
  let health: Health = { status: 'unknown', since: now() }
  const told = new Set<string>()

  function succeed () {
    if (health.status === 'ok') return
    const time = now()
    const { status, since, lastError } = health
    if (status === 'failing' && time - (lastError?.at ?? 0) < conditionSettleMs) return
    health = { ...health, status: 'ok', since: time }
    told.clear()
    if (status === 'failing') recovered(time - since)
  }

  function fail (error: unknown) {
    const at = now()
    const reason = reasonOf(error)
    const since = health.status === 'failing' ? health.since : at
    health = { status: 'failing', since, lastError: { reason, at } }
    if (told.has(reason) || told.size >= maxToldReasons) return
    told.add(reason)
    failed(reason)
  }

  return {
    health: (): Health => health,

    /** Replaces the listener. */
    listen (listener: Listener) {
      ;({ failed, recovered, slow } = listener)
    },

    /** Notes that an operation took unusually long. */
    slow: (ms: number) => slow?.(ms),

    /** Runs an operation of the dependency, and notes how it ends. */
    async watch<T> (operation: () => Promise<T>): Promise<T> {
      try {
        const result = await operation()
        succeed()
        return result
      } catch (error) {
        if (isFault(error)) fail(error)
        else succeed()
        throw error
      }
    }
  }
}

/** The messages of an error's causes in one line, for the log: stacks of others explain nothing. */
export function reasonOf (error: unknown): string {
  const reasons: string[] = []
  for (let at = Object(error).cause ?? error; at instanceof Error; at = at.cause) {
    // Errors of others may have anything there.
    const { message, code: given } = at as { message: unknown, code?: unknown }
    const code = ['string', 'number'].includes(typeof given) ? `${given}` : ''
    // The message of a parser quotes what it read.
    const said = at instanceof SyntaxError ? 'not JSON' : typeof message === 'string' ? message : ''
    const reason = code === '' || code.startsWith('FST_') || said.includes(code)
      ? said
      : `${said} (${code})`.trim()
    if (!reasons.some(earlier => earlier.includes(reason))) reasons.push(reason)
    if (reasons.length > maxReasons) break
  }
  return escaped(
    reasons.join(': ').replaceAll('.: ', ': ').replaceAll('\n', ' ').slice(0, maxReasonChars)
  )
}

/** Whether an error is the fault of a provider, a store or the like: nothing here can mend it. */
export const isDependencyFault = (error: unknown) =>
  error instanceof McpOAuthError && error.statusCode > 501
