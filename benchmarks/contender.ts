import type { Ready } from './slices.ts'

/** What the echo tool of every contender answers. */
export function echo (text: string): string {
  return `You said ${text}`
}

/**
 * Tells the parent where the server is; then, whenever asked, how much CPU time it has used. Ends
 * with the parent.
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
