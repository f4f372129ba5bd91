import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { freePort, whoami } from '../support/broker.ts'
import { buildApp } from '../support/app.ts'
import { providerClient, secret } from '../support/credentials.ts'
import { headlessLogin } from '../support/login.ts'
import { startStubProvider } from '../support/stub-provider.ts'
import { replay, type DriverOptions } from './driver.ts'
import { clients } from './index.ts'

/** One broker in front of the stub provider, with a tool that needs another scope. */
async function startServer (t: TestContext): Promise<string> {
  const provider = await startStubProvider(providerClient)
  const port = await freePort()
  const { mcpUrl } = await buildApp(t, {
    issuer: provider.issuer,
    ...providerClient,
    secret,
    setupProxies: true,
    publicUrl: `http://localhost:${port}`,
    requiredScopes: ['mcp:read'],
    scopes: ['mcp:write'],
    mcp: { tools: true }
  }, {
    port,
    closeLast: provider,
    routes (app) {
      whoami(app)
      app.delete('/notes', {
        schema: { operationId: 'clearNotes' },
        config: { mcp: { scopes: ['mcp:write'] } }
      }, async () => 'cleared')
    }
  })
  return mcpUrl
}

const options: DriverOptions = {
  browser: async url => {
    const stopAt = url.searchParams.get('redirect_uri') ?? ''
    return (await headlessLogin(url, { stopAt })).url
  },
  tool: { name: 'whoami' },
  protectedTool: { name: 'clearNotes' }
}

test('each known client logs in, lists, calls, refreshes, steps up and signs out', async (t) => {
  const mcpUrl = await startServer(t)
  for (const [id, facts] of Object.entries(clients)) {
    await t.test(id, async () => {
      const { steps } = await replay(facts, mcpUrl, options)
      const failed = steps.filter(({ outcome, explained }) => outcome !== 'ok' && !explained)
      assert.deepEqual(failed.map(({ step, problem }) => `${step}: ${problem}`), [])
      for (const { step, outcome } of steps) {
        assert.equal(outcome === 'failed', facts.cannot?.[step] !== undefined, step)
      }
    })
  }
})
