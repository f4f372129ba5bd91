/** How does work learn that it is cancelled, without an AbortSignal for each request? */

/** Makes its AbortSignal when something reads it: one takes longer than a check of a token. */
export class Cancellation {
  isCancelled = false
  #reason: unknown
  #controller: AbortController | undefined
  #listeners: Set<() => void> | undefined

  /** Cancels with a signal. */
  static from (signal: AbortSignal) {
    const cancellation = new Cancellation()
    const cancel = () => cancellation.cancel(signal.reason)
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
    return cancellation
  }

  get signal (): AbortSignal {
    const isNew = this.#controller === undefined
    const controller = this.#controller ??= new AbortController()
    if (isNew && this.isCancelled) controller.abort(this.#reason)
    return controller.signal
  }

  /** @param reason that of the signal. Default: an `AbortError` */
  cancel (reason?: unknown) {
    if (this.isCancelled) return
    this.isCancelled = true
    this.#reason = reason
    this.#controller?.abort(reason)
    for (const listener of this.#listeners ?? []) listener()
  }

  /** Calls a listener once, unless the cancellation came before. */
  add (listener: () => void) {
    ;(this.#listeners ??= new Set()).add(listener)
  }

  remove (listener: () => void) {
    this.#listeners?.delete(listener)
  }
}
