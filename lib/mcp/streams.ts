/** How long does an event stream stay open? No longer than its token is valid and the app runs. */

import type { FastifyReply } from 'fastify'
import { streamCheckIntervalMs, streamGraceMs } from '../limits.ts'

/** The open event streams of an MCP route. */
export function createStreams () {
  const open = new Set<FastifyReply['raw']>()
  return {
    /**
     * Ends a stream when its token expires or becomes invalid.
     *
     * @param expiresAt in seconds since 1970. Default: never
     * @param isTokenValid checks whether the token would still be accepted
     */
    watch (
      { raw }: FastifyReply,
      expiresAt: number | undefined = Infinity,
      isTokenValid: () => Promise<boolean>
    ): void {
      open.add(raw)
      // Clocks differ: a token that was accepted after its end is valid while its checks pass.
      const end = expiresAt * 1000 > Date.now() ? expiresAt * 1000 + streamGraceMs : Infinity
      // Fastify holds the headers back until the first event, which may be hours away.
      raw.once('pipe', () => raw.flushHeaders())
      let checking = false
      const check = async () => {
        if (Date.now() > end) raw.destroy()
        if (checking || raw.destroyed) return
        checking = true
        if (!await isTokenValid().catch(() => true)) raw.destroy()
        checking = false
      }
      const timer = setInterval(check, Math.min(streamCheckIntervalMs, end - Date.now() + 1))
      timer.unref()
      raw.once('close', () => {
        open.delete(raw)
        clearInterval(timer)
      })
    },
    /** Ends all streams: an open stream keeps the app from closing. */
    close (): void {
      for (const raw of open) raw.destroy()
    }
  }
}
