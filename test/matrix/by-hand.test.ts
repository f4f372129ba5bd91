import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cursor } from '../clients/cursor.ts'
import { mastra } from '../clients/mastra.ts'
import { sdk1 } from '../clients/sdk-1.ts'
import { byHand } from './by-hand.ts'

test('byHand lists the clients that neither register nor have a document', () => {
  assert.equal(byHand('sdk-1', sdk1), undefined)
  assert.equal(byHand('mastra', mastra), undefined)
  const own = { ...mastra, document: null }
  assert.deepEqual(byHand('own', own), {
    listed: { clientId: 'own', redirectUris: ['http://localhost:4711/callback'] },
    configuration: { client: { id: 'own' } }
  })
  const withSecret = byHand('own', { ...own, tokenAuthentication: ['client_secret_basic'] })
  assert.match(withSecret?.listed.secretHashes?.[0] ?? '', /^sha256:[\w-]{43}$/)
  assert.ok(withSecret?.configuration.client?.secret)
  // An operator would have to allow that scheme.
  const appOnly = { ...cursor, registration: null, redirectUris: ['cursor://callback'] }
  assert.equal(byHand('own', appOnly), undefined)
})
