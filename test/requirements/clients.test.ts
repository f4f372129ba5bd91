import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError
} from '@modelcontextprotocol/client'
import { startBroker } from '../support/broker.ts'
import {
  claimsOf,
  hidden,
  isError,
  isPage,
  loopbackUri,
  openBrowser,
  query,
  renew,
  startFlow,
  providerClient,
  webUri
} from '../support/flow.ts'
import { headlessOAuth } from '../support/login.ts'

const json = (body: object) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body)
})

test('GET /oauth/callback replaces the iss of the provider by the one of the broker [AZ-06]', async (t) => {
  const { mcpUrl, issuer, provider } = await startBroker(t)
  const visited: URL[] = []
  const oauth = headlessOAuth({
    fetch: async (input, init) => {
      visited.push(new URL(String(input)))
      return await fetch(input, init)
    }
  })
  const client = new Client({ name: 'client', version: '1.0.0' })
  t.after(() => client.close())
  const first = new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: oauth })
  await assert.rejects(client.connect(first), UnauthorizedError)
  await first.finishAuth(new URLSearchParams(oauth.login?.url.searchParams))
  await client.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: oauth }))
  assert.equal((await client.listTools()).tools.length, 1)
  const callbackUrl = visited.find(({ pathname }) => pathname === '/oauth/callback')
  assert.deepEqual(
    [callbackUrl?.searchParams.get('iss'), oauth.login?.iss],
    [provider.issuer, issuer],
    'the provider sends its iss to us, and we send ours'
  )
})

test('POST /oauth/register returns metadata, but no secret [REG-04 REG-06 REG-08 REG-09 REG-10]', async (t) => {
  const flow = await startFlow(t)
  const ids = new Set<string>()
  for (
    const [members, effective] of [
      [{}, {
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        client_name: 'MCP client'
      }],
      [{ application_type: 'native', client_name: 'Night Owl' }, {
        application_type: 'native',
        client_name: 'Night Owl'
      }],
      [{ redirect_uris: [webUri], application_type: 'web' }, { application_type: 'web' }],
      [{
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code', 'refresh_token', 'password']
      }, {
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token']
      }]
    ] as Array<[object, object]>
  ) {
    const reply = await flow.send(
      '/oauth/register',
      json({ redirect_uris: [loopbackUri], ...members })
    )
    assert.deepEqual([
      reply.status,
      reply.headers.get('cache-control'),
      reply.headers.get('content-type')
    ], [201, 'no-store', 'application/json; charset=utf-8'])
    const { client_id: id, client_id_issued_at: issued, ...rest } = reply.json()
    assert.deepEqual({ ...rest, ...effective }, rest)
    assert.ok(Math.abs(issued - Date.now() / 1000) < 60)
    assert.ok(!('client_secret' in rest) && !('client_secret_expires_at' in rest))
    assert.doesNotMatch(id, /^https?:/)
    assert.notEqual(id, providerClient.clientId)
    ids.add(id)
  }
  assert.equal(ids.size, 4)
})

test('GET /oauth/authorize accepts configured clients without registration [REG-03 REG-17]', async (t) => {
  const flow = await startFlow(t, {
    options: {
      setupFakeDynamicRegistration: false,
      clientIdMetadata: false,
      clients: [{ clientId: 'desktop', name: 'Desktop', redirectUris: [loopbackUri] }]
    }
  })
  const registered = await fetch(
    `${flow.origin}/oauth/register`,
    json({ redirect_uris: [loopbackUri] })
  )
  assert.equal(registered.status, 404)
  isPage(
    await flow.authorize(flow.params('https://owl.example/client.json')),
    400,
    'invalid_client'
  )
  const { access_token: token } = await flow.tokens('desktop')
  assert.equal(claimsOf(token)['client_id'], 'desktop')
  assert.equal((await flow.call(token)).status, 200)
})

test('POST /oauth/token gives no refresh token to a client without the grant [TK-07]', async (t) => {
  const client = { clientId: 'desktop', redirectUris: [loopbackUri] }
  for (
    const [grantTypes, given] of [[['authorization_code'], false], [[
      'authorization_code',
      'refresh_token'
    ], true], [undefined, true]] as Array<
      [Array<'authorization_code' | 'refresh_token'> | undefined, boolean]
    >
  ) {
    const flow = await startFlow(t, {
      options: { clients: [{ ...client, ...grantTypes && { grantTypes } }] }
    })
    const tokens = await flow.tokens('desktop', { params: { scope: 'mcp:read offline_access' } })
    assert.equal('refresh_token' in tokens, given)
    if (!given) isError(await flow.token(renew('desktop', 'x')), 400, 'unauthorized_client')
  }
})

test('POST /oauth/consent accepts its own page in its own browser only [CD-01 CD-04 CD-08]', async (t) => {
  const flow = await startFlow(t)
  const params = flow.params(await flow.register())
  const [browser, other] = [openBrowser(), openBrowser()]
  const page = await browser.get(flow, `/oauth/authorize?${query(params)}`, {
    cookie: 'idp-session=1'
  })
  assert.deepEqual([page.status, page.location], [200, null])
  assert.deepEqual([
    page.headers.get('x-frame-options'),
    /frame-ancestors 'none'/.test(page.headers.get('content-security-policy') ?? '')
  ], ['DENY', true])
  assert.ok(
    ![...browser.jar.keys()].some(name => name.includes('login')),
    'no login cookie before consent'
  )
  await flow.form(other, params)
  const send = (headers: Record<string, string>) =>
    browser.post(flow, '/oauth/consent', { request: hidden(page.text), action: 'approve' }, headers)
  for (
    const headers of [{ cookie: '' }, { cookie: other.cookie() }, {
      origin: 'https://evil.example'
    }, { 'sec-fetch-site': 'cross-site' }] as Array<Record<string, string>>
  ) isPage(await send(headers), 403, 'access_denied', JSON.stringify(headers))
  assert.equal(flow.provider.requests.length, 0)
  const approved = await send({})
  assert.equal(approved.status, 303)
  assert.match(approved.cookies.join(), /^__Host-mcp-login/)
})

test('POST /oauth/token revokes a login that the provider has ended [CD-12]', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const { access_token: token, refresh_token: refreshToken } = await flow.tokens(id)
  assert.equal((await flow.call(token)).status, 200)
  flow.provider.refreshTokens.clear()
  isError(await flow.token(renew(id, refreshToken)), 400, 'invalid_grant')
  const rejected = await flow.call(token)
  assert.deepEqual([
    rejected.status,
    /error="invalid_token"/.test(rejected.headers.get('www-authenticate') ?? '')
  ], [401, true])
})
