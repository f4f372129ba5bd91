import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openClient, replay } from '../clients/driver.ts'
import { documentOf } from '../clients/driver/commonest.ts'
import { clients } from '../clients/index.ts'
import { assertSteps } from '../clients/outcome.ts'
import { driverOptions, startServer } from '../clients/server.ts'
import { inside, runInside, skip, startInternet } from '../support/internet.ts'

if (inside) await tests()
else {
  test(
    'each known client with a metadata document logs in, calls, refreshes, steps up and signs out',
    { skip },
    t => runInside(t, import.meta.filename)
  )
}

async function tests (): Promise<void> {
  const internet = await startInternet()
  for (const [id, facts] of Object.entries(clients)) {
    const document = documentOf(facts)
    if (!document) continue
    const { url: { host, pathname }, text } = document
    const publish = () =>
      internet.addSite([host], (request, response) => {
        if (request.url !== pathname) return false
        response.setHeader('content-type', 'application/json').end(text)
        return true
      })
    test(`${id} identifies itself by its document`, async (t) => {
      t.after(await publish())
      const mcpUrl = await startServer(t)
      const result = await replay(facts, mcpUrl, driverOptions)
      assertSteps(result, facts)
      const urls = result.steps.flatMap(({ requests }) => requests.map(request => request.url))
      assert.deepEqual(urls.filter(address => address.includes('register')), [])
    })
    test(`${id} logs in with each redirect URI of its document`, async (t) => {
      t.after(await publish())
      const mcpUrl = await startServer(t)
      for (const uri of JSON.parse(text).redirect_uris) {
        const client = openClient({ ...facts, redirectUris: [uri] }, mcpUrl, driverOptions)
        for (const step of ['register', 'log in'] as const) {
          const { outcome, problem } = await client.run(step)
          assert.equal(outcome, 'ok', `${uri}: ${problem}`)
        }
      }
    })
  }
}
