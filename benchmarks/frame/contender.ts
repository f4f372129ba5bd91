import type { Ready } from './slices.ts'

/** The result of the echo tool of every contender. */
export function echo (text: string): string {
  return `You said ${text}`
}

/**
 * Sends the parent the URL of the server, and its CPU time in microseconds on request. Ends with
 * the parent.
 */
export function announce (url: string, tokens: string[] = []): void {
  const ready: Ready = { url, tokens }
  process.send?.(ready)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.on('disconnect', () => process.exit())
}
