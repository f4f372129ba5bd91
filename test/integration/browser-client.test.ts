import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { openBrowser } from '../support/chromium.ts'
import { startGuarded } from '../support/guarded.ts'

/** An empty page of an origin of its own. */
async function startSite (t: TestContext): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(
      '<!doctype html><title>client</title>'
    )
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The requests of a page and the responses it can read. Runs inside the page. */
const visit = `async ({ mcpUrl, token }) => {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } }
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25', 'mcp-param-region': 'eu' }
  const post = more => fetch(mcpUrl, { method: 'POST', headers: { ...headers, ...more },
    body: JSON.stringify(message) })
  try {
    const refused = await post({})
    const challenge = refused.headers.get('www-authenticate')
    const [, url] = /resource_metadata="([^"]+)"/.exec(challenge)
    const metadata = await (await fetch(url, { headers: { 'mcp-protocol-version': '2025-11-25' } })).json()
    const called = await post({ authorization: 'Bearer ' + token })
    return { status: refused.status, challenge, resource: metadata.resource,
      called: called.status, body: await called.text() }
  } catch (error) {
    return { error: String(error) }
  }
}`

test(
  'Chromium: only a page of an allowed origin can read the challenge and call tools [HT-23 PRM-12 G-17]',
  async (t) => {
    const browser = await openBrowser(t)
    if (browser === null) return
    const [site, foreignSite] = [await startSite(t), await startSite(t)]
    const { mcpUrl, token } = await startGuarded(t, { allowedOrigins: [site] })
    const page = await browser.newPage()
    const run = async (from: string): Promise<Record<string, unknown>> => {
      await page.goto(from)
      return await page.evaluate(`(${visit})(${JSON.stringify({ mcpUrl, token: await token() })})`)
    }
    const { status, challenge, resource, called, body } = await run(site)
    assert.equal(status, 401)
    assert.match(String(challenge), /^Bearer resource_metadata="/)
    assert.deepEqual([resource, called], [mcpUrl, 200])
    assert.match(String(body), /alice/)
    assert.deepEqual(await run(foreignSite), { error: 'TypeError: Failed to fetch' })
  }
)
