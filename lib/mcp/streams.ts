import type { FastifyReply } from 'fastify'

/** The event streams that an MCP route has open. */
export interface Streams {
  /**
   * Watches a stream until it ends.
   *
   * @param expiresAt when the token it was opened with ends, in seconds since 1970
   * @param isGood whether the token still is what it was when the stream was opened
   */
  watch(reply: FastifyReply, expiresAt: number | undefined, isGood: () => Promise<boolean>): void
  /** Ends them all: none may keep the app from closing. */
  close(): void
}

/**
 * Milliseconds a stream may outlive its token, and between two looks at whether the token was
 * revoked.
 */
const [grace, lookEvery] = [2_000, 2_500]

/** Streams end with the token they were opened with, whether it expires or is revoked. */
export function createStreams (): Streams {
  const open = new Set<FastifyReply['raw']>()
  return {
    watch ({ raw }, expiresAt = Infinity, isGood) {
      open.add(raw)
      // A token that was taken after its end (clocks differ) is good for as long as it is taken.
      const end = expiresAt * 1000 > Date.now() ? expiresAt * 1000 + grace : Infinity
      // Fastify keeps the headers until there is something to say; a client that listens for what
      // may come would wait for them.
      raw.once('pipe', () => raw.flushHeaders())
      let looking = false
      const timer = setInterval(() => {
        if (Date.now() > end) raw.destroy()
        if (looking || raw.destroyed) return
        looking = true
        isGood().then(good => {
          if (!good) raw.destroy()
        }).finally(() => {
          looking = false
        }).catch(() => {})
      }, Math.min(lookEvery, end - Date.now() + 1))
      timer.unref()
      raw.once('close', () => {
        open.delete(raw)
        clearInterval(timer)
      })
    },
    close () {
      for (const raw of open) raw.destroy()
    }
  }
}
