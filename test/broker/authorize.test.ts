import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { matrix } from '../support/matrix.ts'
import {
  challenge,
  isPage,
  isErrorRedirect,
  loopbackUri,
  openBrowser,
  query,
  signIn,
  startFlow,
  providerClient,
  verifier,
  webUri
} from '../support/flow.ts'
import { recordWrites } from '../support/stores.ts'

const navigation = 'text/html,application/xhtml+xml,*/*;q=0.8'

matrix(
  'GET /oauth/authorize shows the consent page and sets no login cookie [CD-01 CD-08 A-22 A-24]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const page = await flow.authorize(flow.params(await flow.register()), {
      cookie: 'idp-session=1'
    })
    assert.equal(page.status, 200)
    assert.equal(page.location, null)
    assert.equal(page.cookies.length, 1)
    assert.match(
      page.cookies[0] ?? '',
      /^__Host-mcp-csrf\.[\w-]{22}=[\w-]{22}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/
    )
    assert.equal(page.headers.get('x-frame-options'), 'DENY')
    assert.match(page.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
    assert.doesNotMatch(
      page.headers.get('content-security-policy') ?? '',
      /form-action|unsafe-inline/
    )
    assert.equal(page.headers.get('access-control-allow-origin'), null)
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'GET /oauth/authorize shows a page for unknown clients and redirect URIs [AZ-03 A-01 A-02 A-03 A-06 A-07 A-20]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const authorization = flow.params(id)
    const two = flow.params(await flow.register({ redirect_uris: [loopbackUri, webUri] }))
    const rows: Array<
      [id: string, params: Record<string, string | undefined> | string, error: string]
    > = [
      ['A-01 none', { ...authorization, client_id: undefined }, 'invalid_request'],
      ['A-01 empty', { ...authorization, client_id: '' }, 'invalid_request'],
      ['A-01 nothing', '', 'invalid_request'],
      ['A-01 A-07 AZ-15', `${query(authorization)}&client_id=${id}`, 'invalid_request'],
      ...[
        'unknown',
        'x'.repeat(10_000),
        '../',
        '*',
        'client:x',
        'é',
        id.slice(0, -1),
        `${id}A`,
        `${id}.`,
        'https://',
        'https://127.0.0.1/client',
        'null'
      ].map(client =>
        ['A-02', { ...authorization, client_id: client }, 'invalid_client'] as [
          string,
          object & Record<string, string>,
          string
        ]
      ),
      ['A-02 CRLF', { ...authorization, client_id: 'a\r\nb: c' }, 'invalid_request'],
      ['A-20', { ...authorization, client_id: providerClient.clientId }, 'invalid_client'],
      ['A-03', { ...authorization, redirect_uri: 'https://evil.example/cb' }, 'invalid_request'],
      ['A-03 script', { ...authorization, redirect_uri: 'javascript:alert(1)' }, 'invalid_request'],
      [
        'A-03 our own',
        { ...authorization, redirect_uri: `${flow.base}/oauth/callback` },
        'invalid_request'
      ],
      ['A-06 of two', { ...two, redirect_uri: undefined }, 'invalid_request'],
      [
        'A-07',
        `${query(authorization)}&redirect_uri=${encodeURIComponent(loopbackUri)}`,
        'invalid_request'
      ],
      ['G-12', `${query(authorization)}&x=%zz`, 'invalid_request'],
      ['G-16', `${query(authorization)}${'&x=1'.repeat(60)}`, 'invalid_request']
    ]
    for (const [name, params, error] of rows) {
      const page = await flow.authorize(params, { accept: navigation })
      isPage(page, 400, error, name)
      assert.deepEqual(page.cookies, [], name)
      const json = await flow.authorize(params, { accept: 'application/json' })
      assert.deepEqual([json.status, json.location, json.json()['error']], [400, null, error], name)
      assert.equal(json.headers.get('x-frame-options'), 'DENY', 'A-24')
    }
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'GET /oauth/authorize accepts only registered redirect URIs, on loopback with any port [A-04 A-05 AZ-01 CD-06]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const web = flow.params(await flow.register({ redirect_uris: [webUri] }))
    for (
      const miss of ['/', '?x=1', '%2f', ';', '#', '&a=b', ' '].map(end => webUri + end).concat([
        'https://app.example/CB',
        'https://app.example:443/cb',
        'HTTPS://app.example/cb',
        'https://APP.example/cb',
        'https://app.example./cb',
        'http://app.example/cb',
        'https://app.example/./cb',
        'https://app.example.evil/cb',
        'https://app.example@evil.example/cb'
      ])
    ) isPage(await flow.authorize({ ...web, redirect_uri: miss }), 400, 'invalid_request', miss)

    const native = flow.params(await flow.register({ redirect_uris: ['http://127.0.0.1/cb'] }))
    for (
      const [uri, status] of Object.entries({
        'http://127.0.0.1/cb': 200,
        'http://127.0.0.1:51234/cb': 200,
        'http://localhost:51234/cb': 400,
        'http://[::1]:51234/cb': 400,
        'http://127.0.0.2/cb': 400,
        'https://127.0.0.1/cb': 400,
        'http://127.0.0.1/cb2': 400,
        'http://127.0.0.1/cb?x': 400,
        'http://127.0.0.1:99999/cb': 400
      })
    ) assert.equal((await flow.authorize({ ...native, redirect_uri: uri })).status, status, uri)
    assert.equal(
      (await flow.authorize({ ...web, redirect_uri: undefined })).status,
      200,
      'A-06 of one'
    )
  }
)

matrix(
  'GET /oauth/authorize redirects other errors to the client [A-07..A-18 AZ-04 AZ-05 AZ-09]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const params = flow.params(await flow.register())
    const rows: Array<[id: string, more: Record<string, string | undefined>, error: string]> = [
      ['A-08', { response_type: undefined }, 'invalid_request'],
      ...['token', 'id_token', 'code token', 'code ', 'none'].map(value =>
        ['A-08', { response_type: value }, 'unsupported_response_type'] as [
          string,
          object & Record<string, string>,
          string
        ]
      ),
      ['A-09', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
      ...['plain', undefined, 's256', 'S512'].map(value =>
        ['A-10', { code_challenge_method: value }, 'invalid_request'] as [
          string,
          Record<string, string | undefined>,
          string
        ]
      ),
      ['A-11', { code_challenge: undefined }, 'invalid_request'],
      ...[
        challenge.slice(1),
        `${challenge}A`,
        `${challenge.slice(1)}=`,
        `+/${challenge.slice(2)}`,
        `é${challenge.slice(1)}`
      ].map(value =>
        ['A-12', { code_challenge: value }, 'invalid_request'] as [
          string,
          object & Record<string, string>,
          string
        ]
      ),
      ...[
        'https://evil.example/mcp',
        `${flow.resource}/x`,
        `${flow.resource}#f`,
        '/mcp',
        `${flow.resource}?x=1`
      ].map(value =>
        ['A-13 AZ-09', { resource: value }, 'invalid_target'] as [
          string,
          object & Record<string, string>,
          string
        ]
      ),
      ...[
        '"',
        '\\',
        'mcp:read\0mcp:write',
        Array.from({ length: 200 }, (_, index) => `s${index}`).join(' ')
      ].map(value =>
        ['A-14', { scope: value }, 'invalid_scope'] as [
          string,
          object & Record<string, string>,
          string
        ]
      ),
      ['A-16', { request: 'eyJ' }, 'request_not_supported'],
      ['A-16', { request_uri: 'http://169.254.169.254/' }, 'request_uri_not_supported'],
      ['A-17', { prompt: 'none' }, 'interaction_required'],
      ...['fragment', 'form_post', 'query.jwt'].map(value =>
        ['A-18', { response_mode: value }, 'invalid_request'] as [
          string,
          object & Record<string, string>,
          string
        ]
      )
    ]
    for (const [message, more, error] of rows) {
      const reply = await flow.authorize({ ...params, ...more })
      isErrorRedirect(flow, reply, 302, error, { message })
      assert.deepEqual(reply.cookies, [], message)
    }
    for (
      const name of ['scope', 'code_challenge', 'response_type', 'prompt', 'code_challenge_method']
    ) {
      const twice = await flow.authorize(
        `${query({ scope: 'mcp:read', prompt: 'login', ...params })}&${name}=x`
      )
      isErrorRedirect(flow, twice, 302, 'invalid_request', { message: `A-07 ${name}` })
    }
    isErrorRedirect(
      flow,
      await flow.authorize(`${query(params)}&resource=${flow.resource}/other`),
      302,
      'invalid_target'
    )
    isErrorRedirect(
      flow,
      await flow.authorize(`${query(params)}&state=x`),
      302,
      'invalid_request',
      {
        state: null
      }
    )
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'GET /oauth/authorize accepts our resource omitted or in capitals, and uses our spelling [A-13 AZ-08 AZ-10]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    for (
      const resource of [
        undefined,
        flow.resource.replace('https://mcp', 'HTTPS://MCP'),
        `${flow.resource}/`
      ]
    ) {
      const { access_token: token } = await flow.tokens(id, { params: { resource } })
      assert.equal(
        JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).aud,
        flow.resource
      )
    }
  }
)

matrix(
  'GET /oauth/authorize returns the state unchanged, or none [A-15 AZ-07]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    for (
      const state of [
        undefined,
        '',
        'x'.repeat(2048),
        '"><script>alert(1)</script>',
        'a\r\nSet-Cookie: x=1',
        '\u202e😀',
        'a+b%20c&d=e#f',
        '%0d%0a'
      ]
    ) {
      const rejected = await flow.authorize(flow.params(id, { state, scope: '"' }))
      isErrorRedirect(flow, rejected, 302, 'invalid_scope', { state: state ?? null })
      const browser = openBrowser()
      const callback = await browser.get(
        flow,
        `/oauth/callback?${await flow.approve(browser, flow.params(id, { state }))}`
      )
      assert.deepEqual([...callback.location?.searchParams.keys() ?? []], [
        'code',
        ...state === undefined ? [] : ['state'],
        'iss'
      ])
      assert.equal(callback.location?.searchParams.get('state') ?? undefined, state)
    }
    isErrorRedirect(
      flow,
      await flow.authorize(flow.params(id, { state: 'x'.repeat(2049) })),
      302,
      'invalid_request',
      { state: null }
    )
  }
)

matrix(
  'POST /oauth/consent sends our own values to the provider once, and none of the client [A-19 CD-10 CD-11 AZ-12]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const injected =
      'audience=evil&kid=1&login_hint=a%26client_id%3Db&access_type=offline&acr_values=x' +
      '&nonce=1&client_secret=x&iss=x&max_age=0&tenant=two&__proto__=x&a[b]=c'
    const browser = openBrowser()
    const request = await flow.form(
      browser,
      `${query(flow.params(id, { scope: 'mcp:read mcp:write', prompt: 'login' }))}&${injected}`
    )
    const { location } = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
    const params = location?.searchParams as URLSearchParams
    assert.deepEqual([...params.keys()].sort(), [
      'client_id',
      'code_challenge',
      'code_challenge_method',
      'nonce',
      'prompt',
      'redirect_uri',
      'response_type',
      'scope',
      'state',
      'tenant'
    ])
    assert.equal(params.get('tenant'), 'one')
    assert.equal(params.get('scope'), 'openid profile email')
    assert.equal(params.get('redirect_uri'), `${flow.base}/oauth/callback`)
    assert.equal(params.get('client_id'), providerClient.clientId)
    assert.notEqual(params.get('code_challenge'), challenge)
    assert.notEqual(params.get('state'), 's t/ä')
  }
)

matrix(
  'GET /oauth/authorize stores nothing, however many requests arrive [A-21]',
  async ({ startFlow }) => {
    const { wrap, writes } = recordWrites()
    const flow = await startFlow({ wrap })
    const id = await flow.register()
    for (let index = 0; index < 50; index++) {
      assert.equal((await flow.authorize(flow.params(id))).status, 200)
    }
    assert.deepEqual(writes, [])
  }
)

matrix(
  'GET /oauth/authorize does not redirect errors to redirect URIs that anyone can register [A-23 AZ-11]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const params = flow.params(
      await flow.register({ redirect_uris: ['https://phish.example/cb'] }),
      {
        redirect_uri: 'https://phish.example/cb',
        scope: '"'
      }
    )
    const page = await flow.authorize(params)
    isPage(page, 400, 'invalid_scope')
    assert.match(page.text, /<strong>phish\.example<\/strong>/)
    assert.match(page.text, /href="https:\/\/phish\.example\/cb\?error(=|&#61;)invalid_scope/)

    const listing = await startFlow({ options: { allowedRedirectUris: [webUri] } })
    const listed = listing.params(await listing.register({ redirect_uris: [webUri] }), {
      redirect_uri: webUri,
      scope: '"'
    })
    isErrorRedirect(listing, await listing.authorize(listed), 302, 'invalid_scope', { uri: webUri })
  }
)

matrix(
  'POST /oauth/consent can be repeated after the provider was unreachable [F-07]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    await flow.provider.stop()
    const instance = await flow.addInstance()
    const browser = openBrowser()
    const request = await flow.form(browser, flow.params(await instance.register()), instance)
    const approve = () => browser.post(instance, '/oauth/consent', { request, action: 'approve' })
    const failed = await approve()
    isPage(failed, 503, 'temporarily_unavailable')
    assert.deepEqual(failed.cookies, [])
    await flow.provider.start()
    let reply = await approve()
    while (reply.status === 503) {
      await sleep(100)
      reply = await approve()
    }
    assert.equal(reply.status, 303)
  }
)

test('GET /authorize, POST /token and POST /register serve clients of MCP 2025-03-26', async (t) => {
  const flow = await startFlow(t, { options: { legacyEndpoints: true } })
  const id = await flow.register()
  const page = await flow.send(`/authorize?${query(flow.params(id, { resource: undefined }))}`, {
    headers: { accept: 'text/html' }
  })
  assert.equal(page.status, 200)
  const browser = openBrowser()
  const request = await flow.form(browser, flow.params(id))
  const { location } = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
  const callback = await browser.get(flow, `/oauth/callback?${await signIn(location as URL)}`)
  const body = query({
    grant_type: 'authorization_code',
    client_id: id,
    code: callback.location?.searchParams.get('code') ?? '',
    code_verifier: verifier
  })
  const tokens = await flow.send('/token', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body
  })
  assert.equal(tokens.status, 200, tokens.text)
})

test('POST /oauth/register rejects the URLs of the MCP 2025-03-26 endpoints as redirect URIs [R-13]', async (t) => {
  const flow = await startFlow(t, { options: { legacyEndpoints: true } })
  for (const path of ['/authorize', '/token', '/register', '/oauth/authorize']) {
    const body = JSON.stringify({ redirect_uris: [`${flow.base}${path}`] })
    const reply = await flow.send('/oauth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    assert.equal(reply.status, 400, path)
  }
})

matrix(
  'GET /oauth/authorize rejects client ids that are private URLs, and fetches none of them [C-01 C-02 C-04]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { port } = new URL(flow.provider.origin)
    const hosts = [
      'localhost',
      'app.localhost',
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0177.0.0.1',
      '0.0.0.0',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.5',
      '169.254.169.254',
      '100.64.0.1',
      '198.18.0.1',
      '224.0.0.1',
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[fc00::1]',
      '[fe80::1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '[::127.0.0.1]',
      'metadata.google.internal',
      'printer.local',
      'single',
      'app.example.'
    ]
    const ids = [
      ...hosts.flatMap(
        host => [`https://${host}/client.json`, `https://${host}:${port}/client.json`]
      ),
      `http://127.0.0.1:${port}/client.json`,
      'http://app.example/client.json',
      'https://app.example',
      'https://app.example/',
      'https://app.example/client.json#x',
      'https://user@app.example/client.json',
      'https://app.example/a/../client.json',
      'https://app.example/%2e%2e/client.json',
      'https://app.example\\client.json',
      `https://app.example/${'x'.repeat(2_048)}`,
      'ftp://app.example/client.json',
      'file:///etc/passwd'
    ]
    for (const client of ids) {
      isPage(await flow.authorize(flow.params(client)), 400, 'invalid_client', client)
    }
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'GET /oauth/authorize names the host of a metadata document that cannot be used, and the option [field:S17]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    for (const path of ['one', 'two']) {
      const page = await flow.authorize(flow.params(`https://client.invalid/${path}.json`))
      isPage(page, 400, 'invalid_client')
      assert.match(page.text, /The metadata document of client\.invalid could not be used\./)
      assert.match(page.text, /clientIdMetadata/)
      assert.doesNotMatch(page.text, /remove the connection/)
    }
    const warnings = flow.logs.map(line => JSON.parse(line)).filter(({ level, host }) =>
      level === 40 && host
    )
    assert.deepEqual(warnings.map(({ host, option }) => [host, option]), [
      ['client.invalid', 'clientIdMetadata']
    ])
    const closed = await flow.addInstance({ clientIdMetadata: { allowedHosts: ['a.example'] } })
    const page = await closed.authorize(flow.params('https://client.invalid/one.json'))
    isPage(page, 400, 'invalid_client')
    assert.doesNotMatch(page.text, /client\.invalid/)
    assert.match(
      flow.logs.join(''),
      /clientIdMetadata does not accept the client id: \\"https:\/\/client\.invalid\/one\.json/
    )
  }
)

matrix(
  'GET /oauth/authorize logs the reason of a rejection and the requested value, and returns neither',
  async ({ startFlow }) => {
    const flow = await startFlow({ options: { unknownScopes: 'refuse' } })
    const params = flow.params(await flow.register())
    const scope = await flow.authorize({ ...params, scope: 'mcp:read canary:write' })
    isErrorRedirect(flow, scope, 302, 'invalid_scope')
    const uri = await flow.authorize({
      ...params,
      redirect_uri: `https://me:hidden@evil.example/canary?${'x'.repeat(300)}`
    })
    isPage(uri, 400, 'invalid_request')
    const resource = await flow.authorize({ ...params, resource: 'https://canary.example/mcp' })
    isErrorRedirect(flow, resource, 302, 'invalid_target')
    for (
      const reply of [scope, uri, resource]
    ) assert.doesNotMatch(reply.text + reply.location, /canary/)
    const log = flow.logs.join('')
    assert.ok(log.includes(`the requested resource, expected ${flow.resource}: \\"https://canary.`))
    assert.match(
      log,
      /"code":"FST_MCP_OAUTH_INVALID_SCOPE","reason":"unknown scopes: \\"canary:write\\""/
    )
    assert.match(
      log,
      /the requested redirect URI: \\"https:\/\/…@evil\.example\/canary\?x{1,200}\\"/
    )
    assert.doesNotMatch(log, /me:hidden/)
  }
)

for (
  const [prompt, passed] of [
    ['login', 'login'],
    ['select_account', 'select_account'],
    ['create', 'create'],
    ['consent', null],
    ['login consent', 'login'],
    ['consent  select_account login', 'select_account login'],
    ['', null],
    ['LOGIN', null],
    ['x', null]
  ] as const
) {
  matrix(
    `GET /oauth/authorize passes ${passed} of prompt=${prompt} to the provider [A-18 field:S12]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(await flow.register(), { prompt }))
      const { location } = await browser.post(flow, '/oauth/consent', {
        request,
        action: 'approve'
      })
      assert.equal(location?.searchParams.get('prompt'), passed)
    }
  )
}
