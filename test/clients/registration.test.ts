import assert from 'node:assert/strict'
import { matrix } from '../support/matrix.ts'
import {
  type Reply,
  claimsOf,
  isError,
  isErrorRedirect,
  isPage,
  loopbackUri,
  openBrowser,
  query,
  redeem,
  renew,
  secret,
  signIn,
  providerClient,
  type Instance
} from '../support/flow.ts'
import { json } from '../support/requests.ts'
import { recordWrites } from '../support/stores.ts'

const newer = 'a newer secret that is long enough to be one'

/** Each page has the id of its own request. */
const withoutReference = ({ text }: Reply) => text.replace(/<code>req-\w+<\/code>/, '')

matrix(
  'POST /oauth/register issues a client id that contains the metadata and fits into a URL',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register({
      redirect_uris: ['http://127.0.0.1:33418/oauth/callback'],
      client_name: 'Claude Code (plugin:x)'
    })
    assert.ok(id.length <= 400, `${id.length}`)
    assert.match(id, /^[\w.-]+$/)
    assert.ok(!id.split('.').some(part => Buffer.from(part, 'base64url').includes('Claude')))
    const otherInstance = await flow.addInstance()
    const page = await otherInstance.authorize(
      flow.params(id, { redirect_uri: 'http://127.0.0.1:33418/oauth/callback' })
    )
    assert.equal(page.status, 200)
    assert.match(page.text, /Claude Code/)
  }
)

matrix(
  'GET /oauth/authorize rejects registrations past lifetimes.registration, not their tokens [A-02 R-15 field:S13]',
  async ({ startFlow }, t) => {
    const flow = await startFlow({ options: { lifetimes: { registration: 86_400 } } })
    const reply = await flow.send('/oauth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        redirect_uris: [loopbackUri],
        token_endpoint_auth_method: 'client_secret_basic'
      })
    })
    assert.equal(reply.status, 201)
    assert.deepEqual([reply.json()['token_endpoint_auth_method'], reply.json()['client_secret']], [
      'none',
      undefined
    ], 'R-15')
    const start = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now: start })
    const before = await flow.register()
    const tokens = await flow.tokens(before)
    t.mock.timers.setTime(start + 86_398_000)
    assert.equal((await flow.authorize(flow.params(before))).status, 200)
    t.mock.timers.setTime(start + 86_401_000)
    const unknown = await flow.authorize(flow.params('unknown'))
    const expired = await flow.authorize(flow.params(before))
    isPage(expired, 400, 'invalid_client')
    assert.equal(withoutReference(expired), withoutReference(unknown), 'A-02')
    assert.equal((await flow.token(renew(before, tokens.refresh_token))).status, 200)
    const longer = await flow.addInstance({ lifetimes: { registration: 2 * 86_400 } })
    assert.equal((await longer.authorize(flow.params(before))).status, 200)
  },
  { serial: true }
)

matrix(
  'GET /oauth/authorize accepts a client that registered years ago, also with an old secret [field:S13]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    const id = await flow.register()
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 5 * 365 * 86_400_000 })
    const tokens = await flow.tokens(id)
    assert.equal((await flow.token(renew(id, tokens.refresh_token))).status, 200)
    const rotated = await flow.addInstance({ secret: [newer, secret] })
    assert.equal((await rotated.authorize(flow.params(id))).status, 200)
    assert.equal((await rotated.token(renew(id, 'x'))).json()['error'], 'invalid_grant')
  },
  { serial: true }
)

matrix(
  'a login with scopes this server does not know gets the others, and all responses say so [field:S14]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const register = (scope: string, instance: Instance = flow) =>
      instance.send(
        '/oauth/register',
        json({ redirect_uris: [loopbackUri], grant_types: ['authorization_code'], scope })
      )
    const granted: Record<string, [registered: string | undefined, granted: string]> = {
      claudeai: ['mcp:read', 'mcp:read'],
      ' mcp:write  claudeai': ['mcp:write', 'mcp:write'],
      ' offline_access': ['offline_access', 'mcp:read'],
      'openid\tmcp:read\nmcp:write': ['openid mcp:read mcp:write', 'mcp:read mcp:write'],
      '': [undefined, 'mcp:read']
    }
    for (const [scope, [registered, expected]] of Object.entries(granted)) {
      const metadata = (await register(scope)).json()
      assert.equal(metadata['scope'], registered, scope)
      const id = metadata['client_id'] as string
      const tokens = await flow.tokens(id, { params: { scope } })
      assert.equal(tokens.scope, expected, scope)
      assert.equal(claimsOf(tokens.access_token)['scope'], expected, scope)
    }
    const none = await flow.addInstance({
      requiredScopes: undefined as never,
      scopes: undefined as never
    })
    assert.equal((await register('claudeai', none)).json()['scope'], undefined)
    const at = [none, none, none, none]
    const tokens = await flow.tokens(await none.register(), { params: { scope: 'claudeai' }, at })
    assert.equal(tokens.scope, '')
    assert.equal(claimsOf(tokens.access_token)['scope'], undefined)
    const strict = await flow.addInstance({ unknownScopes: 'refuse' })
    isError(await register('mcp:read claudeai', strict), 400, 'invalid_client_metadata')
    isErrorRedirect(
      flow,
      await strict.authorize(flow.params(await flow.register(), { scope: 'mcp:read claudeai' })),
      302,
      'invalid_scope'
    )
  }
)

matrix(
  'POST /oauth/register registers the redirect URIs that are allowed, and logs the others [field:S16]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const redirectUris = [
      'cursor://anysphere.cursor-mcp/oauth/callback',
      'https://www.cursor.com/agents/mcp/oauth/callback',
      'http://localhost:8787/callback'
    ]
    const metadata = { redirect_uris: redirectUris, application_type: 'web' }
    const register = async (instance: Instance, more = {}) => {
      const reply = await instance.send('/oauth/register', json({ ...metadata, ...more }))
      return [reply.status, reply.json()] as const
    }
    const [status, all] = await register(flow)
    assert.equal(status, 201)
    assert.deepEqual([all['redirect_uris'], all['application_type']], [redirectUris, 'native'])
    const params = flow.params(all['client_id'] as string, { redirect_uri: redirectUris[0] })
    const page = await flow.authorize(params)
    assert.match(page.text, /Any app here can claim <code>cursor:<\/code>/)
    assert.doesNotMatch(flow.logs.join(''), /cursor/)
    const failed = await flow.authorize({ ...params, code_challenge: undefined })
    assert.equal(failed.location?.protocol, 'cursor:')

    const listing = await flow.addInstance({ allowedRedirectUris: ['http://localhost/*'] })
    const [, some] = await register(listing)
    assert.deepEqual(some['redirect_uris'], [redirectUris[2]])
    assert.match(
      flow.logs.join(''),
      /"option":"allowedRedirectUris","refused":\["\\"cursor:[^,]*,"\\"https:[^,]*\]/
    )
    isPage(await listing.authorize(params), 400, 'invalid_request')
    const [, client] = await register(flow, { redirect_uris: [...redirectUris, 'myapp://cb'] })
    assert.deepEqual(client['redirect_uris'], redirectUris)
    for (const uri of ['javascript:alert(1)', 'http://evil.example/', `${flow.base}/oauth/token`]) {
      const [refused, { error }] = await register(flow, { redirect_uris: [...redirectUris, uri] })
      assert.deepEqual([refused, error], [400, 'invalid_redirect_uri'], uri)
    }
    assert.equal((await register(listing, { redirect_uris: ['https://a.example/'] }))[0], 400)
    assert.match(flow.logs.join(''), /the redirect URIs: \\"https:\/\/a\.example/)
  }
)

matrix(
  'all endpoints reject clients that registered before registration was switched off [field:A6]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const code = await flow.login(id)
    const tokens = await flow.tokens(id)
    const closed = await flow.addInstance({
      setupFakeDynamicRegistration: false,
      clients: [{ clientId: 'desktop', redirectUris: [loopbackUri] }]
    })
    const unknown = await closed.authorize(flow.params('unknown'))
    const page = await closed.authorize(flow.params(id))
    isPage(page, 400, 'invalid_client')
    assert.equal(withoutReference(page), withoutReference(unknown))
    isError(await closed.token(redeem(id, code)), 401, 'invalid_client')
    isError(await closed.token(renew(id, tokens.refresh_token)), 401, 'invalid_client')
    assert.equal((await closed.authorize(flow.params('desktop'))).status, 200)
  }
)

matrix(
  'GET /oauth/authorize accepts the ids of listed clients [A-20]',
  async ({ startFlow }) => {
    const flow = await startFlow({
      options: { clients: [{ clientId: 'desktop', name: 'Desktop', redirectUris: [loopbackUri] }] }
    })
    const tokens = await flow.tokens('desktop')
    assert.equal(claimsOf(tokens.access_token)['client_id'], 'desktop')
    assert.equal((await flow.token(renew('desktop', tokens.refresh_token))).status, 200)
    isPage(
      await flow.authorize(flow.params('desktop', { redirect_uri: 'https://evil.example/' })),
      400,
      'invalid_request'
    )
  }
)

matrix(
  'all endpoints reject what another registration with the same secret and store issued [S-02 S-06]',
  async ({ startFlow }) => {
    const flow = await startFlow({ wrap: store => store })
    const others = [
      await flow.addInstance({ prefix: '/other' }),
      await flow.addInstance({ clientId: 'another' })
    ]
    const id = await flow.register()
    const browser = openBrowser()
    const request = await flow.form(browser, flow.params(id))
    for (const other of others) {
      isPage(
        await browser.post(other, '/oauth/consent', { request, action: 'approve' }),
        400,
        'invalid_request'
      )
    }
    const { location } = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
    const callbackQuery = await signIn(location as URL)
    for (const other of others) {
      isPage(
        await browser.get(other, `/oauth/callback?${callbackQuery}`),
        400,
        'invalid_request'
      )
    }
    const callback = await browser.get(flow, `/oauth/callback?${callbackQuery}`)
    const code = callback.location?.searchParams.get('code') ?? ''
    for (const other of others) {
      isPage(await other.authorize(flow.params(id, { resource: undefined })), 400, 'invalid_client')
      isError(await other.token(redeem(id, code)), 401, 'invalid_client')
      isError(await other.token(redeem(await other.register(), code)), 400, 'invalid_grant')
    }
    const tokens = (await flow.token(redeem(id, code))).json()
    for (const other of others) {
      assert.equal((await other.call(tokens['access_token'])).status, 401)
      const otherId = await other.register()
      isError(await other.token(renew(otherId, tokens['refresh_token'])), 400, 'invalid_grant')
      assert.equal(
        (await other.revoke({ client_id: otherId, token: tokens['refresh_token'] })).status,
        200
      )
    }
    assert.equal((await flow.call(tokens['access_token'])).status, 200)
    assert.equal((await flow.token(renew(id, tokens['refresh_token']))).status, 200)
  }
)

matrix(
  'all endpoints accept what an older secret sealed, as long as it is listed [F-21 F-22]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const code = await flow.login(id)
    const browser = openBrowser()
    const callbackQuery = await flow.approve(browser, flow.params(id))
    const open = openBrowser()
    const request = await flow.form(open, flow.params(id))

    const rotated = await flow.addInstance({ secret: [newer, secret] })
    assert.equal((await rotated.authorize(flow.params(id))).status, 200)
    assert.equal((await rotated.call(tokens.access_token)).status, 200)
    assert.equal(
      (await open.post(rotated, '/oauth/consent', { request, action: 'approve' })).status,
      303
    )
    assert.equal((await browser.get(rotated, `/oauth/callback?${callbackQuery}`)).status, 302)
    assert.equal((await rotated.token(redeem(id, code))).status, 200)
    const renewed = (await rotated.token(renew(id, tokens.refresh_token))).json()
    const keys = (await rotated.send('/oauth/jwks')).json()['keys'] as Array<{ kid: string }>
    const kid = (token: string) =>
      JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
    assert.deepEqual(keys.map(key => key.kid), [
      kid(renewed['access_token']),
      kid(tokens.access_token)
    ])

    const finished = await flow.addInstance({ secret: newer })
    assert.equal((await finished.call(renewed['access_token'])).status, 200)
    const rejected = await finished.call(tokens.access_token)
    assert.equal(rejected.status, 401, 'Q-09')
    assert.match(rejected.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
    isPage(await finished.authorize(flow.params(id)), 400, 'invalid_client')
    isError(await finished.token(renew(id, renewed['refresh_token'])), 401, 'invalid_client')
    const fresh = await finished.register()
    isError(await finished.token(renew(fresh, tokens.refresh_token)), 400, 'invalid_grant', 'F-22')
    isError(await finished.token(redeem(fresh, await flow.login(id))), 400, 'invalid_grant')
  }
)

matrix(
  'logs and store contain no secrets, and all keys expire [I2 S-01 S-05 S-07]',
  async ({ startFlow }) => {
    const { wrap, writes } = recordWrites()
    const flow = await startFlow({ wrap, options: { upstreamToken: true } })
    const id = await flow.register()
    const browser = openBrowser()
    const form = await flow.form(browser, flow.params(id))
    const approved = await browser.post(flow, '/oauth/consent', {
      request: form,
      action: 'approve'
    })
    const cookies = [...browser.jar.values()]
    const callback = await browser.get(
      flow,
      `/oauth/callback?${await signIn(approved.location as URL)}`
    )
    const code = callback.location?.searchParams.get('code') ?? ''
    await flow.token(redeem(id, code, { code_verifier: 'x'.repeat(43) }))
    const tokens = (await flow.token(redeem(id, code))).json()
    const called = await fetch(`${flow.origin}${flow.prefix}/mcp`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens['access_token']}x` }
    })
    await called.arrayBuffer()
    const next = (await flow.token(renew(id, tokens['refresh_token']))).json()
    await flow.token(renew(id, tokens['refresh_token']))
    flow.provider.fail.set('/token', { status: 500, body: 'canary-upstream-text' })
    await flow.token(renew(id, next['refresh_token']))
    await flow.token(redeem(id, code))
    flow.provider.fail.set('/token', {
      status: 400,
      body: '{"error":"invalid_grant","error_description":"canary"}'
    })
    await flow.token(redeem(id, await flow.login(id)))
    await flow.revoke({ client_id: id, token: next['refresh_token'] })

    const canaries = [
      providerClient.clientSecret,
      secret,
      ...flow.provider.canaries,
      ...cookies,
      form,
      code,
      tokens['access_token'],
      tokens['refresh_token'],
      next['access_token'],
      next['refresh_token']
    ].flatMap(
      value => [
        value,
        Buffer.from(value).toString('base64').replace(/=+$/, ''),
        Buffer.from(value).toString('hex')
      ]
    )
    const logs = flow.logs.join('\n')
    const records = writes.map(({ key, value }) => `${key}\n${value}`).join('\n')
    for (const canary of canaries) {
      assert.ok(!records.includes(canary), 'S-01')
      const at = logs.indexOf(canary)
      assert.ok(at === -1, `I2 ${logs.slice(Math.max(0, at - 300), at + 40)}`)
    }
    for (const { key } of writes) {
      assert.match(key, /^mcp-oauth:[\w-]{16}:[a-z-]+:[\w-]{43}$/, 'S-05 S-06')
    }
    for (const { ttl } of writes) assert.ok(ttl > 0 && ttl <= 91 * 86_400, 'S-07')
  }
)

matrix(
  'GET /.well-known/oauth-authorization-server and GET /oauth/jwks describe this server [M-09]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const response = await fetch(
      `${flow.origin}/.well-known/oauth-authorization-server${flow.prefix}`
    )
    const text = await response.text()
    assert.ok(!text.includes(flow.provider.origin), 'M-09')
    const metadata = JSON.parse(text) as Record<string, any>
    assert.equal(metadata['issuer'], flow.base)
    for (
      const [name, path] of Object.entries({
        authorization: 'authorize',
        token: 'token',
        registration: 'register',
        revocation: 'revoke'
      })
    ) assert.equal(metadata[`${name}_endpoint`], `${flow.base}/oauth/${path}`)
    assert.equal(metadata['authorization_response_iss_parameter_supported'], true, 'AZ-05')
    const keys = (await flow.send('/oauth/jwks')).json()['keys'] as object[]
    for (const key of keys) {
      assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    }
    assert.ok(query(flow.params('x')).length > 0)
  }
)

matrix(
  'POST /oauth/token issues refresh tokens only to clients that registered for them [TK-07]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    for (
      const [grantTypes, gets] of [[['authorization_code'], false], [undefined, false], [[
        'authorization_code',
        'refresh_token'
      ], true]] as const
    ) {
      const id = await flow.register({ grant_types: grantTypes })
      assert.equal('refresh_token' in await flow.tokens(id), gets, String(grantTypes))
    }
  }
)
