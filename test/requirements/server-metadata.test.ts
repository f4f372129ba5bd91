import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import {
  isError,
  isPage,
  isErrorRedirect,
  openBrowser,
  query,
  redeem,
  startFlow
} from '../support/flow.ts'
import { modes, type RunningMode } from '../support/modes.ts'
import { revisions } from '../support/revisions.ts'
import { startThin } from '../support/thin.ts'
import { sendRequest } from '../support/requests.ts'

const names = (prefix: string) => [
  ...new Set([
    `/.well-known/oauth-authorization-server${prefix}`,
    `/.well-known/openid-configuration${prefix}`,
    `${prefix}/.well-known/openid-configuration`,
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration'
  ])
]

async function documentOf (
  { origin }: Pick<RunningMode, 'origin'>,
  path = '/.well-known/oauth-authorization-server'
): Promise<Record<string, any>> {
  const response = await sendRequest(origin + path)
  assert.equal(response.status, 200, path)
  return await response.json() as Record<string, any>
}

for (const name of ['the broker', 'the thin proxies', 'custom metadata'] as const) {
  const title =
    `${name}: the root serves one server metadata document with the issuer of the resource`
  test(`${title} [ASM-01 ASM-02 ASM-05 ASM-06 ASM-07 ASM-14]`, async (t) => {
    const mode = await modes[name]?.(t, { mcp: { path: '/v1/tools/mcp' } }) as RunningMode
    const texts = new Set<string>()
    for (const path of names('')) {
      for (
        const headers of [
          {},
          ...revisions.map(revision => ({ 'mcp-protocol-version': revision })),
          { accept: 'text/html' },
          { 'x-forwarded-host': 'evil.example' }
        ] as Array<Record<string, string>>
      ) {
        const response = await sendRequest(mode.origin + path, { headers })
        assert.deepEqual(
          [
            response.status,
            response.headers.get('content-type'),
            response.headers.get('access-control-allow-origin')
          ],
          [200, 'application/json; charset=utf-8', '*'],
          path
        )
        texts.add(await response.text())
      }
      const head = await sendRequest(mode.origin + path, { method: 'HEAD' })
      assert.deepEqual([head.status, await head.text()], [200, ''])
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        assert.equal((await sendRequest(mode.origin + path, { method })).status, 405, method)
      }
    }
    assert.equal(texts.size, 1)
    const [document] = [...texts].map(text => JSON.parse(text))
    const resource =
      await (await sendRequest(`${mode.origin}/.well-known/oauth-protected-resource/v1/tools/mcp`))
        .json() as { authorization_servers: string[] }
    assert.deepEqual([document.issuer], resource.authorization_servers)
    assert.match(document.issuer, /^https?:\/\/[^?#]+$/)
    assert.deepEqual(document.response_types_supported, ['code'])
    assert.deepEqual(document.code_challenge_methods_supported, ['S256'])
    for (const member of ['authorization_endpoint', 'token_endpoint']) {
      assert.ok(URL.canParse(document[member]), member)
    }
    for (const [member, value] of Object.entries(document)) {
      assert.ok(value !== null && !(Array.isArray(value) && value.length === 0), member)
    }
  })
}

test('Under a prefix the server metadata are at the inserted and the appended path [ASM-04 ASM-05]', async (t) => {
  const flow = await startFlow(t, { options: { prefix: '/v1' } })
  for (const path of names('/v1')) {
    assert.equal((await documentOf(flow, path))['issuer'], 'https://mcp.example.com/v1', path)
  }
  for (
    const path of [
      '/v1/.well-known/oauth-authorization-server',
      '/.well-known/oauth-authorization-server/v1/mcp',
      '/.well-known/oauth-authorization-server/v2'
    ]
  ) assert.equal((await sendRequest(flow.origin + path)).status, 404, path)
})

test('A resource server publishes no server metadata and names its issuer unchanged [ASM-01]', async (t) => {
  const mode = await modes['a resource server']?.(t) as RunningMode
  for (const path of names('')) {
    assert.equal((await sendRequest(mode.origin + path)).status, 404, path)
  }
  assert.equal((await sendRequest(`${mode.origin}/oauth/register`, { method: 'POST' })).status, 404)
})

test('The root serves endpoints for old clients only with legacyEndpoints [ASM-02 ASM-03]', async (t) => {
  const json = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: ['http://127.0.0.1:4711/callback'] })
  }
  const flow = await startFlow(t, {
    options: { legacyEndpoints: true, mcp: { path: '/v1/mcp', tools: true } }
  })
  const registered = await flow.send('/register', json)
  assert.equal(registered.status, 201)
  const id = registered.json()['client_id']
  // The first revision does not define the resource parameter.
  const authorizationQuery = query(flow.params(id, { resource: undefined }))
  assert.equal(
    (await flow.send(`/authorize?${authorizationQuery}`, { headers: { accept: 'text/html' } }))
      .status,
    200
  )
  const code = await flow.login(id, { params: { resource: undefined } })
  const tokens = await flow.send('/token', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: query(redeem(id, code))
  })
  assert.deepEqual([tokens.status, tokens.json()['token_type']], [200, 'Bearer'])

  const plain = await startFlow(t)
  for (const path of ['/register', '/token']) {
    assert.equal((await sendRequest(plain.origin + path, json)).status, 404)
  }
  assert.equal((await sendRequest(`${plain.origin}/authorize?${authorizationQuery}`)).status, 404)
  const app = Fastify()
  await assert.rejects(async () => {
    await app.register(mcpOAuth, {
      issuer: 'https://idp.example',
      clientId: 'c',
      clientSecret: 's',
      setupProxies: true,
      legacyEndpoints: true,
      prefix: '/v1'
    })
  }, /legacyEndpoints/)
})

test('The broker announces and sends iss in every response, the thin proxies never [ASM-08 AZ-05]', async (t) => {
  const flow = await startFlow(t)
  assert.equal((await documentOf(flow))['authorization_response_iss_parameter_supported'], true)
  const id = await flow.register()
  const browser = openBrowser()
  const callback = await browser.get(
    flow,
    `/oauth/callback?${await flow.approve(browser, flow.params(id))}`
  )
  assert.deepEqual(callback.location?.searchParams.getAll('iss'), [flow.base])
  isErrorRedirect(
    flow,
    await flow.authorize(flow.params(id, { response_type: 'token' })),
    302,
    'unsupported_response_type'
  )
  const request = await flow.form(browser, flow.params(id))
  isErrorRedirect(
    flow,
    await browser.post(flow, '/oauth/consent', { request, action: 'deny' }),
    303,
    'access_denied'
  )

  const thin = await startThin(t, {
    prepare: ({ metadata }) =>
      Object.assign(metadata, { authorization_response_iss_parameter_supported: true })
  })
  assert.ok(
    !('authorization_response_iss_parameter_supported' in
      await documentOf({ origin: `http://127.0.0.1:${thin.port}` }))
  )
  const rejected = await thin.authorize({
    ...flow.params(await thin.register()),
    resource: undefined,
    response_type: 'token'
  })
  assert.deepEqual([
    rejected.location?.searchParams.get('error'),
    rejected.location?.searchParams.get('iss')
  ], ['unsupported_response_type', null])
})

test('The server metadata announce client metadata documents only if they are accepted [ASM-09]', async (t) => {
  const url = 'https://client.example/metadata.json'
  const rows: Array<[options: Partial<McpOAuthOptions>, announced: true | undefined]> = [
    [{}, true],
    [{ clientIdMetadata: true }, true],
    [{ clientIdMetadata: { allowedHosts: ['client.example'] } }, true],
    [{ clientIdMetadata: false }, undefined]
  ]
  for (const [options, announced] of rows) {
    const flow = await startFlow(t, { options })
    assert.equal((await documentOf(flow))['client_id_metadata_document_supported'], announced)
    if (announced !== true) isPage(await flow.authorize(flow.params(url)), 400, 'invalid_client')
  }
  const thin = await startThin(t, {
    prepare: ({ metadata }) =>
      Object.assign(metadata, { client_id_metadata_document_supported: true })
  })
  assert.ok(
    !('client_id_metadata_document_supported' in
      await documentOf({ origin: `http://127.0.0.1:${thin.port}` }))
  )
})

test('The broker serves what its metadata announce, with registration or not [ASM-10 ASM-11 REG-03]', async (t) => {
  for (const registers of [true, false]) {
    const flow = await startFlow(t, {
      options: {
        setupFakeDynamicRegistration: registers,
        clients: [{ clientId: 'desktop', redirectUris: ['http://127.0.0.1:4711/callback'] }]
      }
    })
    const { base } = flow
    const methods = ['none', 'private_key_jwt']
    const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
    assert.deepEqual(await documentOf(flow), {
      issuer: base,
      authorization_endpoint: `${base}/oauth/authorize`,
      token_endpoint: `${base}/oauth/token`,
      ...registers && { registration_endpoint: `${base}/oauth/register` },
      scopes_supported: ['mcp:read', 'mcp:write', 'offline_access'],
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_methods_supported: methods,
      token_endpoint_auth_signing_alg_values_supported: algorithms,
      code_challenge_methods_supported: ['S256'],
      jwks_uri: `${base}/oauth/jwks`,
      revocation_endpoint: `${base}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: methods,
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true
    })
    const registered = await sendRequest(`${flow.origin}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"redirect_uris":["http://127.0.0.1/cb"]}'
    })
    assert.equal(registered.status, registers ? 201 : 404)
    for (const grant of ['implicit', 'password', 'client_credentials']) {
      isError(
        await flow.token({ grant_type: grant, client_id: 'desktop' }),
        400,
        'unsupported_grant_type'
      )
    }
    assert.equal((await flow.tokens('desktop')).token_type, 'Bearer')
  }
})

test('GET of the server metadata succeeds while the provider is unreachable [ASM-12]', async (t) => {
  const flow = await startFlow(t)
  const document = await documentOf(flow)
  await flow.provider.stop()
  const instance = await flow.addInstance()
  assert.deepEqual(await documentOf(instance), document)
})

test('URLs without TLS are rejected unless they are on loopback [ASM-15]', async (t) => {
  const proxies = {
    issuer: 'https://idp.example',
    clientId: 'c',
    clientSecret: 's',
    setupProxies: true,
    secret: 'x'.repeat(32)
  }
  for (
    const options of [
      { ...proxies, publicUrl: 'http://mcp.example.com' },
      { ...proxies, issuer: 'http://idp.example' },
      { issuer: 'http://idp.example' },
      { issuer: 'https://idp.example', publicUrl: 'http://10.0.0.1' }
    ]
  ) {
    await assert.rejects(
      async () => {
        await Fastify().register(mcpOAuth, options)
      },
      /must use https/,
      JSON.stringify(options)
    )
  }
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { ...proxies, publicUrl: 'http://127.0.0.1:3000' })
})
