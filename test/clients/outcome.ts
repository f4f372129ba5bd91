import assert from 'node:assert/strict'
import type { ClientFacts } from './client.ts'
import type { Replay } from './driver.ts'

/** Asserts that all steps succeeded that the client has, but those that it cannot do. */
export function assertSteps ({ steps }: Replay, { cannot }: ClientFacts): void {
  const problems = steps.flatMap(({ step, outcome, problem = '' }) => {
    const expected = cannot?.[step] === undefined ? ['ok', 'not done'] : ['failed']
    return expected.includes(outcome) && !problem.startsWith('An earlier step')
      ? []
      : [`${step}: ${outcome} ${problem}`]
  })
  assert.deepEqual(problems, [])
}
