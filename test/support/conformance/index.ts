import { isDeepStrictEqual } from 'node:util'
import { formatScore, servers, threeScores } from './scores.ts'
import { conformance } from './suite.ts'

// npm run conformance takes about half a minute. It fails unless the scores with a token equal
// those without a guard, and no scenario passes without a token.

const cleanups: Array<() => unknown> = []
const program = {
  after: (cleanup: () => unknown) => {
    cleanups.push(cleanup)
  },
  skip: console.error
}

const run = await conformance(program)
if (run === null) process.exit(1)

console.log('| revision | unguarded | guarded | without a token |\n| --- | --- | --- | --- |')
for (const revision of Object.keys(servers)) {
  const { unguarded, guarded, anonymous } = await threeScores(program, run, revision)
  console.log(`| ${[revision, ...[unguarded, guarded, anonymous].map(formatScore)].join(' | ')} |`)
  if (
    isDeepStrictEqual(guarded, unguarded) && guarded.passed.length > 0 &&
    anonymous.passed.length === 0
  ) continue
  console.error(
    [...guarded.lines.filter(line => !unguarded.lines.includes(line)), ...anonymous.passed].join(
      '\n'
    )
  )
  process.exitCode = 1
}
for (const cleanup of cleanups) await cleanup()
