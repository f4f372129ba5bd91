import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { mountGuarded } from './support/conformance/mounts.ts'
import { formatScore, score, servers, threeScores } from './support/conformance/scores.ts'
import { conformance } from './support/conformance/suite.ts'
import { failure } from './support/conformance/tools.ts'

const required: Record<string, string> = { '2025-11-25': '30 of 30', '2026-07-28': '37 of 37' }

for (const revision of Object.keys(servers)) {
  test(`the suite has the same results with and without a guard in ${revision} [HT-03 HT-24 RS-01]`, async (t) => {
    const run = await conformance(t)
    if (run === null) return
    const { unguarded, guarded, anonymous } = await threeScores(t, run, revision)
    assert.deepEqual(guarded.lines, unguarded.lines)
    assert.equal(formatScore(guarded), required[revision], guarded.lines.join('\n'))
    assert.deepEqual(anonymous.passed, [])
    assert.equal(anonymous.total, guarded.total)
  })
}

/** Tools that the suite requires, as routes. */
function routes (app: FastifyInstance): void {
  app.get('/simple-text', {
    schema: { operationId: 'test_simple_text', summary: 'Says something' }
  }, async () => 'This is a simple text response for testing.')
  app.get('/error-handling', {
    schema: { operationId: 'test_error_handling', summary: 'Always fails' }
  }, async () => {
    throw failure
  })
}

test('the conformance suite passes with routes as tools in 2025-11-25 [HT-03]', async (t) => {
  const run = await conformance(t)
  if (run === null) return
  const url = await mountGuarded(t, { tools: true }, { routes, credentials: true })
  const { passed, lines } = await score(run, url, '2025-11-25')
  assert.deepEqual(passed, [
    'server-initialize',
    'logging-set-level',
    'ping',
    'tools-list',
    'tools-call-simple-text',
    'tools-call-error',
    'dns-rebinding-protection'
  ], lines.join('\n'))
})
