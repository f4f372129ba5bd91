/**
 * Settles as `operation` does if that takes less than `milliseconds`, else rejects with what `late`
 * makes. The operation itself goes on: nothing here can stop it.
 */
export async function withTimeout<T> (
  milliseconds: number,
  late: () => Error,
  operation: () => T | Promise<T>
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    // Where the process stood still, answers that came meanwhile are read before that.
    timer = setTimeout(() => {
      setImmediate(() => {
        reject(late())
      })
    }, milliseconds)
  })
  try {
    return await Promise.race([operation(), deadline])
  } finally {
    clearTimeout(timer)
  }
}
