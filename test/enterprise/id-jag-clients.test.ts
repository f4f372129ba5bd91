import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import {
  Client,
  CrossAppAccessProvider,
  discoverAndRequestJwtAuthGrant,
  exchangeJwtAuthGrant,
  requestJwtAuthorizationGrant,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { startCompany } from '../../docs/examples/demo/company.ts'
import { buildApp } from '../support/app.ts'
import { jwtBearer } from '../support/assertions.ts'
import { freePort, whoami } from '../support/broker.ts'
import { clientId, hash, secret } from '../support/id-jag.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenType = 'urn:ietf:params:oauth:token-type:'

/** A broker, a provider that issues identity assertions for it, and a user who signed in there. */
async function startWithCompany (t: TestContext) {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = await startCompany(origin, clientId, ['mcp:read', 'mcp:write'])
  const running = await buildApp(t, {
    issuer: provider.issuer,
    clientId: 'broker',
    clientSecret: secret,
    secret,
    setupProxies: true,
    publicUrl: origin,
    requiredScopes: ['mcp:read'],
    scopes: ['mcp:write'],
    mcp: { tools: true },
    trustedIssuers: [{ issuer: provider.issuer }],
    clients: [{ clientId, secretHashes: [hash], grantTypes: [jwtBearer] }]
  }, { port, closeLast: provider, routes: whoami })
  return { ...running, issuer: origin, provider }
}

/** A fetch that records its requests. */
function recordRequests () {
  const requests: string[] = []
  const recorded: typeof fetch = async (input, init) => {
    const { href } = new URL(input instanceof Request ? input.url : input)
    requests.push(`${init?.method ?? 'GET'} ${href}`)
    return await fetch(input, init)
  }
  return { requests, recorded }
}

function isOfAlice (
  token: string,
  { mcpUrl, provider }: { mcpUrl: string, provider: { issuer: string } }
) {
  const { sub, aud, client_id: client, scope } = decodeJwt(token)
  assert.deepEqual([sub, aud, client, scope], [
    `${provider.issuer}|alice`,
    mcpUrl,
    clientId,
    'mcp:read'
  ])
}

test('a client of the SDK calls a tool with three HTTP requests, and no page [EM-21]', async (t) => {
  const company = await startWithCompany(t)
  const { issuer, mcpUrl, provider: { user } } = company
  const { requests, recorded } = recordRequests()
  const { jwtAuthGrant } = await requestJwtAuthorizationGrant({
    ...user,
    audience: issuer,
    resource: mcpUrl,
    scope: 'mcp:read',
    fetchFn: recorded
  })
  assert.equal(decodeProtectedHeader(jwtAuthGrant).typ, 'oauth-id-jag+jwt')
  const { access_token: token } = await exchangeJwtAuthGrant({
    tokenEndpoint: `${issuer}/oauth/token`,
    jwtAuthGrant,
    clientId,
    clientSecret: secret,
    fetchFn: recorded
  })
  isOfAlice(token, company)
  const called = await recorded(mcpUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'whoami', arguments: {} }
    })
  })
  assert.match(await called.text(), /authorization/)
  assert.deepEqual(requests, [
    `POST ${user.tokenEndpoint}`,
    `POST ${issuer}/oauth/token`,
    `POST ${mcpUrl}`
  ])
})

for (const [name, scopes] of Object.entries({ none: undefined, some: ['mcp:read'] })) {
  test(`CrossAppAccessProvider of the SDK logs in without a page, with scopes: ${name} [EM-21]`, async (t) => {
    const company = await startWithCompany(t)
    const { issuer, mcpUrl, provider } = company
    const { requests, recorded } = recordRequests()
    const authProvider = new CrossAppAccessProvider({
      clientId,
      clientSecret: secret,
      expectedIssuer: issuer,
      fetchFn: recorded,
      async assertion ({ authorizationServerUrl, resourceUrl, scope, fetchFn }) {
        const { jwtAuthGrant } = await discoverAndRequestJwtAuthGrant({
          idpUrl: provider.issuer,
          audience: authorizationServerUrl,
          resource: resourceUrl,
          ...provider.user,
          ...(scope !== undefined && { scope }),
          ...(scopes && { scope: scopes.join(' ') }),
          fetchFn
        })
        return jwtAuthGrant
      }
    })
    const client = new Client({ name: 'assistant', version: '1.0.0' })
    t.after(() => client.close())
    await client.connect(
      new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider, fetch: recorded })
    )
    const { content } = await client.callTool({ name: 'whoami', arguments: {} })
    assert.match(JSON.stringify(content), /authorization/)
    isOfAlice(String(authProvider.tokens()?.access_token), company)
    assert.deepEqual(
      requests.filter(line => /token|authorize|consent|interaction|\/auth\b|register/.test(line)),
      [`POST ${provider.user.tokenEndpoint}`, `POST ${issuer}/oauth/token`]
    )
  })
}

test('POST /oauth/token takes what the conformance suite checks, for both subject tokens [EM-21]', async (t) => {
  const { issuer, mcpUrl, provider, app } = await startWithCompany(t)
  const { tokenEndpoint, idToken, ...atProvider } = provider.user
  const subjects = { id_token: idToken, refresh_token: provider.refreshToken }
  for (const [type, subject] of Object.entries(subjects)) {
    const exchanged = await fetch(tokenEndpoint, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: exchange,
        requested_token_type: `${tokenType}id-jag`,
        audience: issuer,
        resource: mcpUrl,
        subject_token: subject,
        subject_token_type: tokenType + type,
        client_id: atProvider.clientId,
        client_secret: atProvider.clientSecret
      })
    })
    const { access_token: assertion, issued_token_type: issued } = await exchanged.json() as Record<
      string,
      string
    >
    assert.equal(issued, `${tokenType}id-jag`)
    const { typ } = decodeProtectedHeader(String(assertion))
    const { aud, iss, client_id: named, resource } = decodeJwt(String(assertion))
    assert.deepEqual(
      [typ, aud, iss, named, resource],
      ['oauth-id-jag+jwt', issuer, provider.issuer, clientId, mcpUrl]
    )
    const params = { grant_type: jwtBearer, assertion: String(assertion) }
    const ask = async (headers: Record<string, string>, body: Record<string, string>) => {
      const reply = await fetch(`${issuer}/oauth/token`, {
        method: 'POST',
        headers,
        body: new URLSearchParams(body)
      })
      const members = await reply.json() as Record<string, unknown>
      return { ...members, status: reply.status } as Record<string, unknown>
    }
    const credentials = {
      authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
    }
    const refused = async (headers: Record<string, string>, body: Record<string, string>) => {
      const { status, error } = await ask(headers, body)
      return [status, error]
    }
    assert.deepEqual(await refused({}, { ...params, client_id: clientId }), [401, 'invalid_client'])
    assert.deepEqual(
      await refused(credentials, { grant_type: jwtBearer }),
      [400, 'invalid_request']
    )
    const { status, scope, access_token: token } = await ask(credentials, params)
    assert.deepEqual([status, scope], [200, 'mcp:read mcp:write'])
    const called = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: {
        host: new URL(issuer).host,
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream'
      },
      payload: { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    })
    assert.equal(called.statusCode, 200, called.body)
  }
})
