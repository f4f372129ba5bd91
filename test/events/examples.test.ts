import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
// Loads the examples.
import 'tsx'
import type { FastifyInstance } from 'fastify'
import { findCanary } from '../support/canaries.ts'
import { temporaryFolder } from '../support/daemon.ts'

const load = async (name: string) =>
  await import(`../../docs/examples/${name}.ts`) as {
    app: FastifyInstance
    registry: { metrics(): Promise<string> }
  }

const token = 'canary-of-a-client'
const call = {
  method: 'POST',
  url: '/mcp',
  payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'listNotes' } },
  headers: { authorization: `Bearer ${token}`, accept: 'application/json, text/event-stream' }
} as const

test('docs/examples/audit-log.ts writes a line for each event before the app has closed', async (t) => {
  process.env['CLIENT_SECRET'] ??= 'anything'
  process.env['AUDIT_LOG'] = join(await temporaryFolder(t), 'audit.log')
  const { app } = await load('audit-log')
  await app.inject(call)
  await app.inject(call)
  await app.close()
  const text = await readFile(process.env['AUDIT_LOG'], 'utf8')
  const lines = text.trimEnd().split('\n').map(line => JSON.parse(line))
  assert.deepEqual(lines.map(({ type, status }) => [type, status]), [
    ['request.denied', 401],
    ['request.denied', 401]
  ])
  assert.equal(new Date(lines[0].time).toISOString(), lines[0].time)
  assert.equal(findCanary(text, [token]), undefined)
})

test('docs/examples/prometheus.ts counts events by type and error', async (t) => {
  process.env['CLIENT_SECRET'] ??= 'anything'
  const { app, registry } = await load('prometheus')
  t.after(() => app.close())
  await app.inject(call)
  const { body } = await app.inject('/metrics')
  assert.match(
    body,
    /^mcp_oauth_events_total\{type="request.denied",error="invalid_token"\} 1$/m
  )
  assert.equal(body, await registry.metrics())
})
