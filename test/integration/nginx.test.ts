import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { freePort, startBroker, registrationOf } from '../support/broker.ts'
import { challenge } from '../support/flow.ts'
import { connectClient, headlessLogin, headlessOAuth } from '../support/login.ts'
import { startNginx } from '../support/nginx.ts'

/** The broker behind nginx, and the cookies it sets. Null if nginx is not installed. */
async function start (t: TestContext, example: 'root' | 'path', path: string) {
  const port = await freePort()
  const proxy = await startNginx(t, example, port)
  if (proxy === null) return null
  const publicUrl = proxy.origin + path
  await startBroker(t, {
    port,
    options: { publicUrl },
    provider: { clients: [registrationOf(`${publicUrl}/oauth/callback`)] }
  })
  const cookies: string[] = []
  const recordingFetch: typeof fetch = async (input, init) => {
    const response = await proxy.fetch(input, init)
    if (String(input).startsWith(proxy.origin)) cookies.push(...response.headers.getSetCookie())
    return response
  }
  return { ...proxy, publicUrl, cookies, fetch: recordingFetch }
}

for (const [example, path] of [['root', ''], ['path', '/notes']] as const) {
  test(`the broker behind nginx with TLS, at ${path || 'the root'} [N-06 CD-05]`, async (t) => {
    const setup = await start(t, example, path)
    if (setup === null) return
    const { origin, publicUrl, fetch, cookies } = setup
    const oauth = headlessOAuth({ fetch })
    const client = await connectClient(`${publicUrl}/mcp`, { fetch, oauth })
    t.after(() => client.close())
    const { tools } = await client.listTools()
    assert.deepEqual(tools.map(({ name }) => name), ['whoami'])
    const { content } = await client.callTool({ name: 'whoami', arguments: {} })
    assert.match(JSON.stringify(content), /authorization/)

    assert.equal(oauth.login?.iss, publicUrl)
    const claims = JSON.parse(
      Buffer.from(oauth.token?.access_token.split('.')[1] ?? '', 'base64url').toString()
    )
    assert.deepEqual([claims.iss, claims.aud], [publicUrl, `${publicUrl}/mcp`])

    assert.deepEqual([...new Set(cookies.map(cookie => /^[\w-]+/.exec(cookie)?.[0]))], [
      '__Host-mcp-csrf',
      '__Host-mcp-login'
    ])
    for (const cookie of cookies) {
      assert.match(cookie, /; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
      assert.doesNotMatch(cookie, /domain/i)
    }

    const challenged = await fetch(`${publicUrl}/mcp`, { method: 'POST' })
    const [, metadataUrl = ''] =
      /resource_metadata="([^"]+)"/.exec(challenged.headers.get('www-authenticate') ?? '') ?? []
    assert.equal(metadataUrl, `${origin}/.well-known/oauth-protected-resource${path}/mcp`)
    assert.equal(
      (await (await fetch(metadataUrl)).json() as { resource: string }).resource,
      `${publicUrl}/mcp`
    )
    for (
      const url of [
        `${origin}/.well-known/oauth-authorization-server${path}`,
        `${origin}/.well-known/openid-configuration${path}`
      ]
    ) {
      assert.equal((await (await fetch(url)).json() as { issuer: string }).issuer, publicUrl)
    }
  })

  test(`nginx forwards the longest state, at ${path || 'the root'} [A-15]`, async (t) => {
    const setup = await start(t, example, path)
    if (setup === null) return
    const { publicUrl, fetch } = setup
    const stopAt = 'http://127.0.0.1:4711/callback'
    const body = JSON.stringify({ redirect_uris: [stopAt] })
    const registered = await fetch(`${publicUrl}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    const { client_id: clientId } = await registered.json() as { client_id: string }
    const state = 'a/'.repeat(1024)
    const params = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: stopAt,
      state,
      code_challenge: challenge,
      code_challenge_method: 'S256'
    }
    const login = await headlessLogin(
      `${publicUrl}/oauth/authorize?${new URLSearchParams(params)}`,
      { stopAt, fetch }
    )
    assert.equal(login.state, state)
    assert.equal(login.error, null)
    assert.ok(login.code)
  })
}
