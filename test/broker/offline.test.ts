import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openBrowser, query, startFlow } from '../support/flow.ts'

test('offline_access in option scopes is advertised and shown once, and is no scope of tokens', async (t) => {
  const flow = await startFlow(t, { options: { scopes: ['notes:read', 'offline_access'] } })
  const metadata = (await flow.send('/.well-known/oauth-authorization-server')).json()
  const advertised: string[] = metadata['scopes_supported']
  assert.deepEqual(advertised.filter(scope => scope === 'offline_access'), ['offline_access'])

  const client = await flow.register()
  const params = { scope: 'notes:read offline_access' }
  const page = await openBrowser().get(
    flow,
    `/oauth/authorize?${query(flow.params(client, params))}`
  )
  assert.equal(page.text.split('Stay connected while you are away').length - 1, 1)
  const { scope } = await flow.tokens(client, { params: { scope: 'offline_access' } })
  assert.equal(scope, 'mcp:read')
})
