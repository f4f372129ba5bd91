/** How is the time of an operation limited? */

/**
 * Runs an operation for a limited time.
 *
 * @param operation receives a signal that is aborted when the time is up. An operation that ignores
 *   the signal continues, but its result is dropped
 * @returns the result of the operation
 * @throws the error of the operation, or that of `error()` when the time is up
 */
export async function withTimeout<T> (
  operation: (signal: AbortSignal) => T | Promise<T>,
  milliseconds: number,
  error: () => Error
): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined
  const timedOut = new Promise<never>((_resolve, reject) => {
    // After a pause of the whole process, responses that arrived meanwhile are read first.
    timer = setTimeout(() => {
      immediate = setImmediate(() => {
        const reason = error()
        controller.abort(reason)
        reject(reason)
      })
    }, milliseconds)
  })
  try {
    return await Promise.race([operation(controller.signal), timedOut])
  } finally {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}
