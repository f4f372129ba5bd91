import type { FetchHandler } from '../../../lib/options/mcp.ts'
import type { Cleanup } from '../app.ts'
import { mountBare, mountGuarded } from './mounts.ts'
import { sessionHandler } from './sessions.ts'
import { statelessHandler } from './stateless.ts'
import type { Conformance } from './suite.ts'

/**
 * A complete server for each revision with a list of required scenarios. The suite's package
 * contains none.
 */
export const servers: Record<string, () => FetchHandler> = {
  '2025-11-25': sessionHandler,
  '2026-07-28': statelessHandler
}

/** The result of a server in the scenarios that a revision requires. */
export interface Score {
  /** Names of the passed scenarios. */
  passed: string[]
  /** Number of scenarios. */
  total: number
  /**
   * The suite's summary: one line a scenario with the number of checks passed and failed, including
   * scenarios that do not count.
   */
  lines: string[]
}

/**
 * Runs all server scenarios of a revision. A scenario passes by the suite's own rule: some check
 * succeeds, and none fails.
 */
export async function score (run: Conformance, url: string, revision: string): Promise<Score> {
  const { output } = await run(['server', '--url', url, '--requirements', revision])
  const notRequired = new Set(
    [...output.matchAll(/^ {2}[✓✗] (\S+) \([a-z-]+\)$/gm)].map(([, name]) => name)
  )
  const scenarios = [...output.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed$/gm)]
  const relevant = scenarios.filter(([, name]) => !notRequired.has(name))
  return {
    passed: relevant.filter(([, , succeeded, failed]) => succeeded !== '0' && failed === '0').map((
      [, name = '']
    ) => name),
    total: relevant.length,
    lines: scenarios.map(([line]) => line)
  }
}

/**
 * The scores of one server in three places: on a bare route, behind the guard for a caller with a
 * token, and for one without.
 *
 * Without a token no scenario passes, but some checks do: a foreign Host is rejected as required,
 * and no input is requested. The scenarios fail because the other responses are rejections, or are
 * not JSON-RPC.
 */
export async function threeScores (
  t: Cleanup,
  run: Conformance,
  revision: keyof typeof servers
): Promise<Record<'unguarded' | 'guarded' | 'anonymous', Score>> {
  const create = servers[revision] as () => FetchHandler
  return {
    unguarded: await score(run, await mountBare(t, create()), revision),
    guarded: await score(
      run,
      await mountGuarded(t, { handler: create() }, { credentials: true }),
      revision
    ),
    anonymous: await score(
      run,
      await mountGuarded(t, { handler: create() }, { credentials: false }),
      revision
    )
  }
}

/** A score in words. */
export function formatScore ({ passed, total }: Score): string {
  return `${passed.length} of ${total}`
}
