import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import Fastify from 'fastify'
import { createClientDocuments } from '../../lib/broker/cimd.ts'
import { createClients } from '../../lib/broker/clients.ts'
import { configure, type Config, type ProviderConfig } from '../../lib/config.ts'
import { createPublicFetch } from '../../lib/http/public-fetch.ts'
import { createProvider } from '../../lib/provider.ts'
import { createBroker } from '../../lib/routes/broker/create.ts'
import { brokerEndpoints } from '../../lib/routes/broker/endpoints.ts'
import { createSite } from '../../lib/site.ts'
import { startBroker } from '../support/broker.ts'
import { challenge, claimsOf, hidden, isError, isPage, loopbackUri, openBrowser, publicUrl, query, redeem, renew, secret, signIn, startFlow, upstreamClient, webUri, type Instance, type Reply } from '../support/flow.ts'
import { headlessOAuth } from '../support/login.ts'
import { startUpstream } from '../support/upstream.ts'

const log = { debug () {}, info () {}, warn () {}, error () {} }
const json = (body: object) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

test('AZ-06 where the provider says who it is in its answers, a client that checks it finishes its login with us', async (t) => {
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
  const back = visited.find(({ pathname }) => pathname === '/oauth/callback')
  assert.deepEqual([back?.searchParams.get('iss'), oauth.login?.iss], [provider.issuer, issuer], 'theirs ends with us, ours goes on')
})

/** The broker as it is, but for where documents of clients are: addresses of the public internet lead to a server of ours. */
async function startWithDocuments (origin: string, upstream: { issuer: string }) {
  const app = Fastify()
  const options = { issuer: upstream.issuer, ...upstreamClient, secret, setupProxies: true, publicUrl, requiredScopes: ['mcp:read'] }
  const config = configure(options, '', log) as Config & { provider: ProviderConfig }
  const site = createSite(config, app.server)
  const broker = await createBroker(config, createProvider({ issuer: upstream.issuer }), site, log, () => config.knownScopes)
  const fetchPrivate = createPublicFetch({ allowPrivate: true })
  const documents = createClientDocuments({ fetch: url => fetchPrivate(origin + new URL(url).pathname), redirectPolicy: broker.redirectPolicy, log })
  brokerEndpoints(app, { ...broker, clients: createClients(broker.sealer, [], documents) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = async (path: string, init: RequestInit = {}): Promise<Reply> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init })
    const text = await response.text()
    const location = response.headers.get('location')
    return { status: response.status, headers: response.headers, text, location: location === null ? null : new URL(location), cookies: response.headers.getSetCookie(), json: () => JSON.parse(text) }
  }
  const token = (params: Record<string, string | undefined>) => ask('/oauth/token', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: query(params) })
  return { app, instance: { ask } as Instance, ask, token }
}

test('REG-02 REG-12 REG-13 REG-16 a client that is named by the URL of its metadata logs in, and goes where those say', async (t) => {
  const id = 'https://owl.example/client.json'
  const document = { client_id: id, client_name: 'Night Owl', redirect_uris: [webUri, 'http://127.0.0.1/callback'], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' }
  const documents: Record<string, unknown> = {
    '/client.json': document,
    '/other.json': document,
    '/nameless.json': { ...document, client_id: 'https://owl.example/nameless.json', client_name: undefined },
    '/secret.json': { ...document, client_id: 'https://owl.example/secret.json', token_endpoint_auth_method: 'client_secret_basic' },
    '/text.json': 'not JSON'
  }
  const fetched: string[] = []
  const website = createServer(({ url = '' }, response) => {
    fetched.push(url)
    const found = documents[url]
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(typeof found === 'string' ? found : JSON.stringify(found ?? {}))
  })
  await new Promise<void>(resolve => { website.listen(0, '127.0.0.1', resolve) })
  const upstream = await startUpstream(upstreamClient)
  const { app, instance, ask, token } = await startWithDocuments(`http://127.0.0.1:${(website.address() as AddressInfo).port}`, upstream)
  t.after(async () => {
    await app.close()
    await upstream.close()
    website.close()
  })
  const browser = openBrowser()
  const asked = { response_type: 'code', client_id: id, code_challenge: challenge, code_challenge_method: 'S256', state: 'x' }
  const authorize = (params: object) => browser.get(instance, `/oauth/authorize?${query({ ...asked, redirect_uri: webUri, ...params })}`)

  for (const [uri, host] of [[webUri, 'app.example'], [loopbackUri, '127.0.0.1:4711']] as const) {
    const page = await authorize({ redirect_uri: uri })
    assert.equal(page.status, 200, page.text)
    for (const shown of ['Night Owl', 'owl.example', host]) assert.ok(page.text.includes(shown), shown)
    assert.equal(/on this device/.test(page.text), uri === loopbackUri)
    const approved = await browser.post(instance, '/oauth/consent', { request: hidden(page.text), action: 'approve' })
    const back = await browser.get(instance, `/oauth/callback?${await signIn(approved.location as URL)}`)
    const tokens = await token(redeem(id, back.location?.searchParams.get('code') ?? '', { redirect_uri: uri }))
    assert.equal(tokens.status, 200, tokens.text)
    assert.equal(claimsOf(tokens.json()['access_token'])['client_id'], id)
    assert.equal((await token(renew(id, tokens.json()['refresh_token']))).status, 200)
  }
  assert.deepEqual(fetched, ['/client.json'])

  isPage(await authorize({ redirect_uri: 'https://owl.example/cb' }), 400, 'invalid_request', 'an address that the document does not have')
  for (const name of ['other', 'nameless', 'secret', 'text', 'missing']) isPage(await authorize({ client_id: `https://owl.example/${name}.json` }), 400, 'invalid_client', name)
  const refused = await ask('/oauth/token', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: query(redeem('https://owl.example', 'x')) })
  assert.deepEqual([refused.status, refused.json()['error']], [401, 'invalid_client'])
})

test('REG-04 REG-06 REG-08 REG-09 REG-10 who registers at the broker gets an id of its own, is told what counts, and gets no secret', async (t) => {
  const flow = await startFlow(t)
  const ids = new Set<string>()
  for (const [members, effective] of [
    [{}, { grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'none', client_name: 'MCP client' }],
    [{ application_type: 'native', client_name: 'Night Owl' }, { application_type: 'native', client_name: 'Night Owl' }],
    [{ redirect_uris: [webUri], application_type: 'web' }, { application_type: 'web' }],
    [{ token_endpoint_auth_method: 'client_secret_basic', grant_types: ['authorization_code', 'refresh_token', 'password'] }, { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] }]
  ] as Array<[object, object]>) {
    const reply = await flow.ask('/oauth/register', json({ redirect_uris: [loopbackUri], ...members }))
    assert.deepEqual([reply.status, reply.headers.get('cache-control'), reply.headers.get('content-type')], [201, 'no-store', 'application/json; charset=utf-8'])
    const { client_id: id, client_id_issued_at: issued, ...rest } = reply.json()
    assert.deepEqual({ ...rest, ...effective }, rest)
    assert.ok(Math.abs(issued - Date.now() / 1000) < 60)
    assert.ok(!('client_secret' in rest) && !('client_secret_expires_at' in rest))
    assert.doesNotMatch(id, /^https?:/)
    assert.notEqual(id, upstreamClient.clientId)
    ids.add(id)
  }
  assert.equal(ids.size, 4)
})

test('REG-03 REG-17 clients the operator lists log in where there is no registration of any kind', async (t) => {
  const flow = await startFlow(t, {
    options: { setupFakeDynamicRegistration: false, clientIdMetadata: false, clients: [{ clientId: 'desktop', name: 'Desktop', redirectUris: [loopbackUri] }] }
  })
  const registered = await fetch(`${flow.origin}/oauth/register`, json({ redirect_uris: [loopbackUri] }))
  assert.equal(registered.status, 404)
  isPage(await flow.authorize(flow.asked('https://owl.example/client.json')), 400, 'invalid_client')
  const { access_token: token } = await flow.tokens('desktop')
  assert.equal(claimsOf(token)['client_id'], 'desktop')
  assert.equal((await flow.call(token)).status, 200)
})

test('TK-07 a client that was not given the grant gets no refresh token, whatever the provider gave us', async (t) => {
  const client = { clientId: 'desktop', redirectUris: [loopbackUri] }
  for (const [grantTypes, given] of [[['authorization_code'], false], [['authorization_code', 'refresh_token'], true], [undefined, true]] as Array<[Array<'authorization_code' | 'refresh_token'> | undefined, boolean]>) {
    const flow = await startFlow(t, { options: { clients: [{ ...client, ...grantTypes && { grantTypes } }] } })
    const tokens = await flow.tokens('desktop', { params: { scope: 'mcp:read offline_access' } })
    assert.equal('refresh_token' in tokens, given)
    if (!given) isError(await flow.token(renew('desktop', 'x')), 400, 'unauthorized_client')
  }
})

test('CD-01 CD-04 CD-08 the user is asked on a page that nobody frames, and only this page in this browser can answer', async (t) => {
  const flow = await startFlow(t)
  const asked = flow.asked(await flow.register())
  const [browser, other] = [openBrowser(), openBrowser()]
  const page = await browser.get(flow, `/oauth/authorize?${query(asked)}`, { cookie: 'idp-session=1' })
  assert.deepEqual([page.status, page.location], [200, null])
  assert.deepEqual([page.headers.get('x-frame-options'), /frame-ancestors 'none'/.test(page.headers.get('content-security-policy') ?? '')], ['DENY', true])
  assert.ok(![...browser.jar.keys()].some(name => name.includes('login')), 'nothing of the login before the user has allowed it')
  await flow.form(other, asked)
  const send = (headers: Record<string, string>) => browser.post(flow, '/oauth/consent', { request: hidden(page.text), action: 'approve' }, headers)
  for (const headers of [{ cookie: '' }, { cookie: other.cookie() }, { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }] as Array<Record<string, string>>) isPage(await send(headers), 403, 'access_denied', JSON.stringify(headers))
  assert.equal(flow.upstream.requests.length, 0)
  const approved = await send({})
  assert.equal(approved.status, 303)
  assert.match(approved.cookies.join(), /^__Host-mcp-login/)
})

test('CD-12 a login that the provider has ended is over here with the next refresh', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const { access_token: token, refresh_token: refreshToken } = await flow.tokens(id)
  assert.equal((await flow.call(token)).status, 200)
  flow.upstream.refreshTokens.clear()
  isError(await flow.token(renew(id, refreshToken)), 400, 'invalid_grant')
  const refused = await flow.call(token)
  assert.deepEqual([refused.status, /error="invalid_token"/.test(refused.headers.get('www-authenticate') ?? '')], [401, true])
})
