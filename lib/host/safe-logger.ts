import type { Log } from '../types.ts'

/**
 * A log as we use it: a sink that throws, as one does whose disk is full, is no reason to fail what
 * was asked of us.
 */
export function safeLogger (log: Log): Log {
  const at = (level: keyof Log): Log[keyof Log] => (details, message) => {
    try {
      log[level](details, message)
    } catch {
      // There is nowhere left to say so.
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
