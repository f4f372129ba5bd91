import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StepResult } from '../clients/driver.ts'
import { sdk2Legacy } from '../clients/sdk-2-legacy.ts'
import { github, google } from '../providers/emulators/index.ts'
import { problemsOf, stateOf, type Cell } from './cells.ts'
import { resultsOf } from './page.ts'
import { reasonOf } from './reasons.ts'
import { jsonOf, reportOf } from './report.ts'

const failed: StepResult = { step: 'refresh', outcome: 'failed', requests: [] }
const without = { ...failed, problem: 'No refresh token was issued' }
const registered = { way: 'registration', id: 'id' } as const
const noGrant = { ...sdk2Legacy, registration: { redirect_uris: ['{redirectUri}'] } }
const documented = {
  ...sdk2Legacy,
  document: {
    url: 'https://app.example/client.json',
    body: { grant_types: ['authorization_code', 'refresh_token'] }
  }
}

test('reasonOf explains a missing refresh token by the registration or by the provider', () => {
  const by = (...args: Parameters<typeof reasonOf>) => reasonOf(...args)?.by
  assert.equal(by(without, noGrant, registered, google), 'client')
  assert.equal(by(without, sdk2Legacy, registered, github), 'provider')
  assert.equal(by(without, documented, { way: 'document', id: 'id' }, github), 'provider')
  assert.equal(by(without, sdk2Legacy, { way: 'configured', id: 'id' }, github), 'provider')
  assert.equal(
    by({ ...failed, explained: 'RFC 6749 §6' }, sdk2Legacy, registered, google),
    'client'
  )
  for (const problem of [without.problem, 'refused']) {
    assert.equal(by({ ...failed, problem }, sdk2Legacy, registered, google), undefined)
  }
})

const red: Cell = {
  client: 'sdk',
  provider: 'google',
  place: 'nginx',
  state: 'red',
  steps: [{ step: 'refresh', outcome: 'failed', problem: 'answered with 500', log: ['why'] }]
}

test('a red cell is reported with client, provider, place, step and cause', () => {
  assert.deepEqual(problemsOf(red, {}), [
    'sdk at google, nginx: refresh failed: answered with 500\n  why'
  ])
  const about = { date: '2026-11-29', version: '1.0.0', seconds: 1, isWhole: true }
  const all = { clients: { sdk: { ...sdk2Legacy, name: 'SDK' } }, providers: [google] }
  const report = reportOf([red], all, about)
  assert.deepEqual(report.cells, { all: 1, green: 0, explained: 0, red: 1 })
  assert.deepEqual(JSON.parse(jsonOf(report)), report)
  const page = resultsOf(report)
  assert.ok(page.includes('| SDK | 0 of 1 | 0 of 1 |'))
  assert.ok(
    page.endsWith(`| SDK | ${google.name} | nginx | refresh | not known yet | answered with 500 |`)
  )
})

test('a step that succeeds against its facts makes a cell red, if the client could refresh', () => {
  const steps = [{ step: 'step up', outcome: 'ok' }] as const
  const cannot = { 'step up': 'RFC 6749 §6' }
  assert.equal(stateOf(steps, { cannot }), 'red')
  assert.equal(problemsOf({ ...red, steps: [...steps] }, { cannot }).length, 1)
  assert.equal(stateOf(steps, {}), 'green')
  const unrefreshed = [
    { step: 'refresh', outcome: 'failed', explained: 'RFC 6749 §1.5' },
    ...steps
  ] as const
  assert.equal(stateOf(unrefreshed, { cannot }), 'explained')
})
