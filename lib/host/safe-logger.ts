/** How does this package log? */
import type { Log } from '../types.ts'

/**
 * Wraps a logger: every line carries `{ plugin: 'mcp-oauth' }`, and no line throws. Logging must
 * never fail a request, e.g. when the disk is full.
 */
export function safeLogger (log: Log): Log {
  const write = (level: keyof Log) => (details: object | string, message: string) => {
    // Packages that log through the wrapped logger may pass an error or a message alone.
    const [members, text] = typeof details === 'string' ? [{}, details] : [details, message]
    const named = members instanceof Error ? { err: members } : members
    try {
      log[level]({ plugin: 'mcp-oauth', ...named }, text)
    } catch {
      // There is no place left to report this.
    }
  }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error')
  }
}
