import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildApp } from '../support/app.ts'
import { freePort, registrationOf, secret, whoami } from '../support/broker.ts'
import { providerClient } from '../support/credentials.ts'
import { headlessLogin } from '../support/login.ts'
import { startProvider } from '../support/provider.ts'
import { challenge, verifier } from '../support/flow.ts'

// A logout at oidc-provider, in the browser, reaches the broker as its logout token.

const redirectUri = 'http://127.0.0.1:7777/callback'

test('POST /oauth/backchannel-logout ends the login of a user who logs out at oidc-provider', async (t) => {
  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const provider = await startProvider({
    registration: false,
    features: { backchannelLogout: { enabled: true } },
    // Its own refuses the addresses of this machine.
    fetch: async (url, init) => await fetch(url, { ...init, dispatcher: undefined } as never),
    clients: [{
      ...registrationOf(`${issuer}/oauth/callback`),
      backchannel_logout_uri: `${issuer}/oauth/backchannel-logout`,
      backchannel_logout_session_required: true
    }]
  })
  await buildApp(t, {
    issuer: provider.issuer,
    ...providerClient,
    secret,
    setupProxies: true,
    publicUrl: issuer,
    backchannelLogout: true,
    requiredScopes: ['mcp:read'],
    mcp: { tools: true }
  }, { routes: whoami, port, closeLast: provider })

  const post = async (path: string, body: object, headers: object = {}) =>
    await fetch(issuer + path, {
      method: 'POST',
      headers: { accept: 'application/json, text/event-stream', ...headers },
      body: body instanceof URLSearchParams ? body : JSON.stringify(body)
    })
  const { client_id: clientId } = await (await post('/oauth/register', {
    redirect_uris: [redirectUri]
  }, { 'content-type': 'application/json' })).json() as { client_id: string }

  async function logIn (jar: Parameters<typeof headlessLogin>[1]['jar'], user: string) {
    const url = new URL(`${issuer}/oauth/authorize`)
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: 'mcp:read',
      code_challenge: challenge,
      code_challenge_method: 'S256'
    }).toString()
    const { code } = await headlessLogin(url, { stopAt: redirectUri, user, jar: jar ?? [] })
    const tokens = await post(
      '/oauth/token',
      new URLSearchParams({
        grant_type: 'authorization_code',
        code: String(code),
        client_id: clientId,
        code_verifier: verifier,
        redirect_uri: redirectUri
      })
    )
    assert.equal(tokens.status, 200)
    return await tokens.json() as { access_token: string, refresh_token: string }
  }
  const call = async (token: string) =>
    (await post('/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }, {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`
    })).status

  const jar: NonNullable<Parameters<typeof headlessLogin>[1]['jar']> = []
  const mine = await logIn(jar, 'alice')
  const elsewhere = await logIn([], 'alice')
  const others = await logIn([], 'bob')
  assert.deepEqual(
    await Promise.all([mine, elsewhere, others].map(({ access_token: token }) => call(token))),
    [200, 200, 200]
  )

  // The user logs out in the browser of the first login.
  const cookie = jar.filter(({ host }) => host === new URL(provider.issuer).hostname)
    .map(({ name, value }) => `${name}=${value}`).join('; ')
  const page = await fetch(`${provider.issuer}/session/end`, { headers: { cookie } })
  const html = await page.text()
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(html)?.[1]
  assert.ok(xsrf, html)
  const set = page.headers.getSetCookie().map(line => line.split(';', 1)[0]).join('; ')
  const ended = await fetch(`${provider.issuer}/session/end/confirm`, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: [cookie, set].filter(Boolean).join('; ') },
    body: new URLSearchParams({ xsrf, logout: 'yes' })
  })
  assert.ok(ended.status < 400, String(ended.status))

  const deadline = Date.now() + 10_000
  while (await call(mine.access_token) === 200 && Date.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  assert.deepEqual(
    await Promise.all([mine, elsewhere, others].map(({ access_token: token }) => call(token))),
    [401, 200, 200]
  )
  const refreshed = await post(
    '/oauth/token',
    new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: mine.refresh_token,
      client_id: clientId
    })
  )
  assert.equal(refreshed.status, 400)
  assert.equal((await refreshed.json() as { error: string }).error, 'invalid_grant')
})
