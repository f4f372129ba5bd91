import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { decodeJwt } from 'jose'
import { claimsOf, isError, redeem, renew, loopbackUri } from '../support/flow.ts'
import { matrix } from '../support/matrix.ts'
import { jwtBearer, startAssertionIssuer } from '../support/assertions.ts'
import { hash, isRefused, tokenOf } from '../support/id-jag.ts'
import { assertionType, newKey } from '../support/machines.ts'
import { pod, startWorkloads, svid } from '../support/workloads.ts'

const agent = { sub: 'system:serviceaccount:prod:agent' }
const scopes = ['mcp:read']

const asClient = (clientId: string | undefined, token: string) => ({
  ...clientId !== undefined && { client_id: clientId },
  client_assertion_type: assertionType,
  client_assertion: token
})

function startClients (t: TestContext) {
  return startWorkloads(
    t,
    ({ issuer }) => [
      { issuer, claims: agent, scopes, clients: ['job'] },
      { issuer, claims: { sub: 'system:serviceaccount:prod:other' }, scopes, clients: ['other'] },
      { issuer, claims: { sub: 'system:serviceaccount:dev:*' }, scopes }
    ],
    {
      clients: ['job', 'other'].map(clientId => ({
        clientId,
        grantTypes: ['client_credentials']
      }))
    }
  )
}

test('POST /oauth/token authenticates a listed client with the token of its workload, once [WL-10]', async (t) => {
  const { post, platform, endpoint, events, app, issuer } = await startClients(t)
  const request = { grant_type: 'client_credentials' }
  const send = (params: object) =>
    post(new URLSearchParams({ ...request, ...params }).toString(), {})
  for (const aud of [endpoint, issuer]) {
    const token = await platform.sign(pod(platform.issuer, aud))
    const reply = await send(asClient('job', token))
    const { sub, client_id: client, gty } = decodeJwt(tokenOf(reply))
    assert.deepEqual([sub, client, gty], ['job', 'job', 'client_credentials'])
    isRefused(await send(asClient('job', token)), 401, 'invalid_client')
  }
  const metadata = (await app.inject('/.well-known/oauth-authorization-server')).json()
  assert.ok(metadata.token_endpoint_auth_methods_supported.includes('private_key_jwt'))

  const now = Math.floor(Date.now() / 1000)
  const sign = (claims: object, ...more: []) =>
    platform.sign(pod(platform.issuer, endpoint, claims), ...more)
  const rows: Record<string, object> = {
    'no assertion': { client_id: 'job' },
    'a secret': { client_id: 'job', client_secret: 'x'.repeat(43) },
    'no client id': asClient(undefined, await sign({})),
    'the id of its subject': asClient(agent.sub, await sign({})),
    'the workload of another client': asClient('other', await sign({})),
    'a workload of no client': asClient('job', await sign({ sub: 'system:serviceaccount:dev:x' })),
    'another audience': asClient('job', await sign({ aud: 'https://wrong.example' })),
    expired: asClient('job', await sign({ exp: now - 60 })),
    'another issuer': asClient('job', await sign({ iss: 'https://evil.example' })),
    'its own assertion': asClient('job', await sign({ iss: 'job', sub: 'job' })),
    'another key': asClient(
      'job',
      await platform.sign(pod(platform.issuer, endpoint), {}, newKey())
    ),
    'no JWT': asClient('job', 'x'),
    'another type of assertion': {
      ...asClient('job', await sign({})),
      client_assertion_type: 'urn:x'
    }
  }
  for (const [name, params] of Object.entries(rows)) {
    events.length = 0
    const reply = await send(params)
    assert.equal(reply.statusCode, 401, `${name} ${reply.body}`)
    isRefused(reply, 401, 'invalid_client')
    assert.deepEqual(
      events.filter(({ type }) => type.startsWith('token.')).map(({ type }) => type),
      ['token.refused'],
      name
    )
  }
  const token = await sign({})
  platform.isDown = true
  const cold = await startClients(t)
  cold.platform.isDown = true
  const foreign = await cold.platform.sign(pod(cold.platform.issuer, cold.endpoint))
  const down = await cold.post(
    new URLSearchParams({ ...request, ...asClient('job', foreign) }).toString(),
    {}
  )
  isRefused(down, 503, 'temporarily_unavailable')
  assert.ok(Number(down.headers['retry-after']) > 0)
  tokenOf(await send(asClient('job', token)))
})

test('POST /oauth/token counts a token once, as a grant or an authentication [WL-04 WL-10]', async (t) => {
  const { exchange, platform, endpoint } = await startClients(t)
  const token = await platform.sign(pod(platform.issuer, endpoint))
  isRefused(await exchange(token, asClient('job', token)), 400, 'invalid_grant')
  const [grant, proof] = await Promise.all(
    [1, 2].map(() => platform.sign(pod(platform.issuer, endpoint)))
  ) as [string, string]
  assert.equal(claimsOf(tokenOf(await exchange(grant, asClient('job', proof))))['gty'], 'workload')
  isRefused(await exchange(proof), 400, 'invalid_grant')
})

matrix(
  'a client of users signs in, refreshes and revokes with workload tokens, and not without [WL-10]',
  async ({ startFlow }, t) => {
    const platform = await startAssertionIssuer(t)
    const flow = await startFlow({
      options: {
        workloads: [{ issuer: platform.issuer, claims: agent, scopes, clients: ['web'] }],
        clients: [{ clientId: 'web', redirectUris: [loopbackUri] }]
      }
    })
    const sign = async (params: object) => ({
      ...params,
      ...asClient('web', await platform.sign(pod(platform.issuer, `${flow.base}/oauth/token`)))
    })
    const request = redeem('web', await flow.login('web'))
    isError(await flow.token(request), 401, 'invalid_client')
    const tokens = (await flow.token(await sign(request))).json()
    const { refresh_token: refresh } = tokens
    isError(await flow.token(renew('web', refresh)), 401, 'invalid_client')
    const renewed = await flow.token(await sign(renew('web', refresh)))
    assert.equal(renewed.status, 200, renewed.text)
    const { access_token: token } = renewed.json()
    isError(await flow.revoke({ client_id: 'web', token }), 401, 'invalid_client')
    assert.equal((await flow.revoke(await sign({ token }))).status, 200)
  }
)

for (const [name, claimsFor] of Object.entries({ 'a jti': pod, 'no jti': svid })) {
  matrix(
    `of 100 requests with one token with ${name} at four instances, one gets a token [WL-04]`,
    async ({ startFlow }, t) => {
      const platform = await startAssertionIssuer(t)
      const issuer = name === 'a jti' ? platform.issuer : 'spiffe://example.org'
      const claims = { sub: name === 'a jti' ? agent.sub : 'spiffe://example.org/ns/prod/sa/agent' }
      const flow = await startFlow({
        instances: 4,
        options: {
          rateLimits: false,
          workloads: [{ issuer, jwksUri: `${platform.issuer}/keys`, claims, scopes }]
        }
      })
      const aud = `${flow.base}/oauth/token`
      const assertion = await platform.sign(
        claimsFor === pod ? pod(issuer, aud) : svid(aud)
      )
      const request = { grant_type: jwtBearer, assertion }
      const replies = await Promise.all(
        Array.from({ length: 100 }, (_, index) => flow.instances[index % 4]?.token(request))
      )
      const statuses = replies.map(reply => reply?.status)
      assert.equal(statuses.filter(status => status === 200).length, 1)
      assert.equal(statuses.filter(status => status === 400).length, 99)
    }
  )
}

/** The provider of the client in the scenario `auth/wif-jwt-bearer` of the official suite. */
function wifProvider (assertion: string, clientId: string | undefined): OAuthClientProvider {
  let tokens: ReturnType<OAuthClientProvider['tokens']>
  let hasAttempted = false
  let information = clientId === undefined ? undefined : { client_id: clientId }
  return {
    redirectUrl: undefined,
    clientMetadata: {
      client_name: 'conformance-wif-jwt-bearer',
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none'
    },
    clientInformation: () => information,
    saveClientInformation: (given) => {
      information = given
    },
    tokens: () => tokens,
    saveTokens: (given) => {
      tokens = given
    },
    redirectToAuthorization: () => {
      throw new Error('there is no page')
    },
    saveCodeVerifier: () => {},
    codeVerifier: () => '',
    prepareTokenRequest: () => {
      if (hasAttempted) throw new Error('refused')
      hasAttempted = true
      return new URLSearchParams({ grant_type: jwtBearer, assertion })
    }
  }
}

test('the client of auth/wif-jwt-bearer gets a token with and without a client id [WL-11]', async (t) => {
  const { platform, issuer, mcpUrl, events } = await startWorkloads(t, ({ issuer }) => [
    { issuer, claims: { sub: 'conformance-workload' }, scopes }
  ])
  const connect = async (claims: object, clientId?: string) => {
    const given = { 'kubernetes.io': undefined, nbf: undefined, sub: 'conformance-workload' }
    const assertion = await platform.sign(pod(platform.issuer, issuer, { ...given, ...claims }))
    const client = new Client({ name: 'wif', version: '1.0.0' })
    const transport = new StreamableHTTPClientTransport(new URL(mcpUrl), {
      authProvider: wifProvider(assertion, clientId)
    })
    try {
      await client.connect(transport)
      return (await client.listTools()).tools.map(({ name }) => name)
    } finally {
      await client.close()
    }
  }
  const past = Math.floor(Date.now() / 1000) - 60
  for (const clientId of ['conformance-wif-workload', undefined]) {
    for (const aud of [issuer, `${issuer}/`, `${issuer}/oauth/token`]) {
      assert.deepEqual(await connect({ aud }, clientId), ['whoami'])
    }
    await assert.rejects(connect({ aud: 'https://wrong.example' }, clientId), /refused/)
    await assert.rejects(connect({ exp: past }, clientId), /refused/)
  }
  assert.equal(events.filter(({ type }) => type === 'token.issued').length, 6)
  assert.equal(events.filter(({ type }) => type === 'token.refused').length, 4)
})

test('a secret or keys beside workloads are refused at start-up [WL-10]', async (t) => {
  await assert.rejects(
    startWorkloads(t, ({ issuer }) => [{ issuer, claims: agent, scopes, clients: ['job'] }], {
      clients: [{ clientId: 'job', secretHashes: [hash], grantTypes: ['client_credentials'] }]
    }),
    /workloads\.0\.clients\.0: "job" has secretHashes or jwks/
  )
})
