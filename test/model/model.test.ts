import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sweep } from '../support/sweep.ts'
import { installClock } from './clock.ts'
import { codes } from './codes.ts'
import { freezes } from './freezes.ts'
import { logins } from './logins.ts'
import { refreshes } from './refreshes.ts'
import { revocations } from './revocations.ts'
import { prepare } from './run.ts'
import { walkDeep, walkSample, type Walk } from './scheduler.ts'

// The code of the broker with a clock, a store and a provider that a scheduler drives. On a full
// sweep, all lists of ten decisions, more decisions where that is cheap, and a large sample of the
// paths that leave the default order anywhere; otherwise a small one.

const depth = 10
/** More than any scenario has. */
const maxRuns = 20_000
/** All orders of the steps of actors whose steps are believed to be independent. */
const shallow = 6
const deeper = { depth: 16, maxRuns: 200 }
const isFull = sweep(2, 2) === 2
/** A mutant may show on few paths only. */
const sample = process.env['SWEEP'] === 'mutants'
  ? { singles: 60, more: 5 }
  : { singles: 8, more: 2 }

let restore: () => void
before(() => {
  restore = installClock()
})
after(() => restore())

function assertSound ({ findings }: Walk): void {
  // The finding with the fewest decisions.
  const [finding] = findings.sort((a, b) => a.decisions.length - b.decisions.length)
  if (!finding) return
  assert.fail(`${finding.problems.join('\n')}\nafter\n  ${finding.decisions.join('\n  ')}`)
}

for (
  const [index, scenario] of [...codes, ...refreshes, ...revocations, ...logins, ...freezes]
    .entries()
) {
  test(`All paths keep the invariants: ${scenario.title} [field:S3]`, async (t) => {
    const run = await prepare(scenario)
    const report = async (name: string, walking: Promise<Walk>) => {
      const walk = await walking
      const { paths, pruned, isComplete } = walk
      t.diagnostic(`${name}: ${paths} paths, ${pruned} pruned, ${isComplete ? 'complete' : 'cut'}`)
      assertSound(walk)
      return walk
    }
    if (!isFull) {
      await report('sample', walkSample(run, { ...sample, seed: index }))
      return
    }
    if (scenario.areApart) {
      const dependent = await prepare({ ...scenario, areApart: false })
      const walk = walkDeep(dependent, shallow, maxRuns)
      assert.ok((await report(`${shallow} decisions, all orders`, walk)).isComplete)
    }
    const { paths, pruned, isComplete } = await report(
      `${depth} decisions`,
      walkDeep(run, depth, maxRuns)
    )
    assert.ok(isComplete)
    if (paths + pruned < deeper.maxRuns) {
      await report(`${deeper.depth} decisions`, walkDeep(run, deeper.depth, deeper.maxRuns))
    }
    await report('sample', walkSample(run, { singles: 40, more: 20, seed: index }))
  })
}
