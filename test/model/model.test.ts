import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sweep } from '../support/sweep.ts'
import { installClock } from './clock.ts'
import { codes } from './codes.ts'
import { refreshes } from './refreshes.ts'
import { revocations } from './revocations.ts'
import { prepare } from './run.ts'
import { walkDeep, walkSample, type Finding, type Walk } from './scheduler.ts'

// The code of the broker with a clock, a store and a provider that a scheduler drives. On a full
// sweep, all lists of ten decisions, and 800 paths that leave the default order anywhere; otherwise
// a sample of these.

/** Of one scenario. Those with faults have more lists of ten decisions. */
const maxPaths = 3_000
const isFull = sweep(2, 2) === 2

let restore: () => void
before(() => {
  restore = installClock()
})
after(() => restore())

function assertSound (finding: Finding | undefined): void {
  if (!finding) return
  assert.fail(`${finding.problems.join('\n')}\nafter\n  ${finding.decisions.join('\n  ')}`)
}

for (const [index, scenario] of [...codes, ...refreshes, ...revocations].entries()) {
  test(`All paths keep the invariants: ${scenario.title} [field:S3]`, async (t) => {
    const run = await prepare(scenario)
    const walks: Array<() => Promise<Walk>> = isFull
      ? [
        () => walkDeep(run, 10, maxPaths),
        () => walkSample(run, { singles: 500, more: 300, seed: index })
      ]
      : [() => walkSample(run, { singles: 20, more: 5, seed: index })]
    for (const walk of walks) {
      const { paths, pruned, findings } = await walk()
      t.diagnostic(`${paths} paths, and ${pruned} that only order independent steps otherwise`)
      // The finding with the fewest decisions.
      assertSound(findings.sort((a, b) => a.decisions.length - b.decisions.length)[0])
    }
  })
}
