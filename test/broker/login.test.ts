import assert from 'node:assert/strict'
import { matrix } from '../support/matrix.ts'
import { isPage } from '../support/flow.ts'
import { connectClient, headlessOAuth, metadataOf } from '../support/login.ts'

matrix(
  'the official SDK client logs in and calls a tool [CD-10 TP-04 M-05]',
  async ({ startBroker }, t) => {
    const { mcpUrl, issuer } = await startBroker()
    const oauth = headlessOAuth()
    const client = await connectClient(mcpUrl, { oauth })
    t.after(() => client.close())
    const { tools } = await client.listTools()
    assert.deepEqual(tools.map(({ name }) => name), ['whoami'])
    const result = await client.callTool({ name: 'whoami', arguments: {} })
    assert.match(JSON.stringify(result.content), /authorization/)

    assert.equal(oauth.login?.iss, issuer)
    const [, payload = ''] = oauth.token?.access_token.split('.') ?? []
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    assert.equal(claims.iss, issuer)
    assert.equal(claims.aud, mcpUrl)
    assert.equal(claims.sub, 'alice')
    assert.equal(claims.client_id, oauth.client?.client_id)
    assert.equal(claims.scope, 'mcp:read')
    const metadata = await metadataOf(issuer)
    assert.equal(metadata.issuer, issuer)
  }
)

const failures = [
  { path: '/oauth/authorize', method: 'GET', title: 'Sign-in could not start' },
  { path: '/oauth/consent', method: 'POST', title: 'This page has expired' },
  { path: '/oauth/callback', method: 'GET', title: 'Sign-in could not be completed' }
]

for (const { path, method, title } of failures) {
  matrix(
    `${method} ${path} shows an error page with the title "${title}"`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      const page = await flow.send(path, {
        method,
        headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' },
        ...(method === 'POST' && { body: 'action=approve' })
      })
      isPage(page, 400, 'invalid_request', path)
      assert.ok(page.text.includes(`<title>${title}</title>`))
      assert.ok(page.text.includes(`<h1 id="title">${title}</h1>`))
    }
  )
}
