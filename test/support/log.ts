import type { Log } from '../../lib/types.ts'

/** A log that keeps the messages of its warnings. */
export function recordWarnings (): { log: Log, warnings: string[] } {
  const warnings: string[] = []
  const ignore = () => {}
  return {
    warnings,
    log: {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (_details: object, message?: string) => {
        warnings.push(String(message))
      }
    }
  }
}
