import { Session } from 'node:inspector/promises'
import type { Ready } from './slices.ts'

/** The result of the echo tool of every contender. */
export function echo (text: string): string {
  return `You said ${text}`
}

/**
 * Sends the parent the URL of the server. On request, sends its CPU time in microseconds, or a
 * profile of the time since the request before. Ends with the parent.
 */
export function announce (url: string, tokens: string[] = []): void {
  const ready: Ready = { url, tokens }
  const session = new Session()
  process.send?.(ready)
  process.on('message', async (message) => {
    const { user, system } = process.cpuUsage()
    if (message === 'cpu') process.send?.(user + system)
    else if (message === 'profile') {
      session.connect()
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
      process.send?.('started')
    } else process.send?.((await session.post('Profiler.stop')).profile)
  })
  process.on('disconnect', () => process.exit())
}
