import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences, observe } from './observe.ts'
import type { RecordedRequest } from './proxy.ts'

function refreshWith (params: Record<string, string>): RecordedRequest {
  return {
    step: 'refresh',
    method: 'POST',
    path: '/oauth/token',
    status: 200,
    headers: {},
    params: { grant_type: 'refresh_token', client_id: 'a1b2', ...params }
  }
}

test('a request that differs from the facts is a sentence with client, version and values', () => {
  const [recorded, expected] = [{ scope: 'a b' }, { resource: 'http://localhost:4711/mcp' }].map(
    params => observe([refreshWith(params as never)], { ports: 'ephemeral' })
  )
  assert.ok(recorded && expected)
  assert.deepEqual(differences('mcp-remote 0.15.1', recorded, expected), [
    'mcp-remote 0.15.1: refresh: resource: recorded none, expected `http://localhost:{port}/mcp`.',
    'mcp-remote 0.15.1: refresh: scope: recorded `a b`, expected none.'
  ])
  assert.deepEqual(differences('mcp-remote 0.15.1', expected, expected), [])
})

test('an observation has no id of a client, and fixed ports only', () => {
  const uri = 'http://127.0.0.1:6276/oauth/callback'
  const request = refreshWith({ redirect_uri: uri })
  const of = (ports: readonly number[]) => observe([request], { ports })
  assert.equal(of([6276])['refresh: redirect_uri'], uri)
  assert.equal(of([1])['refresh: redirect_uri'], 'http://127.0.0.1:{port}/oauth/callback')
  assert.equal(of([])['refresh: client_id'], '{registered}')
})
