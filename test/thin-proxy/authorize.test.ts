import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customizedHost } from '../support/host.ts'
import {
  challenge,
  clientId,
  mounts,
  query,
  raw,
  redirectUri,
  startThin,
  authorizationParams,
  type Reply,
  type ThinServer
} from '../support/thin.ts'

const secure = ["default-src 'none'", "frame-ancestors 'none'"]

/** P(400): a page for people or JSON for programs, which cannot be framed and does not redirect. */
function isPage (reply: Reply, error: string, status = 400): void {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.location, null)
  assert.equal(reply.headers.get('access-control-allow-origin'), null, 'G-17')
  assert.equal(reply.headers.get('set-cookie'), null, 'A-22')
  assert.equal(reply.headers.get('x-frame-options'), 'DENY', 'A-24')
  assert.equal(reply.headers.get('referrer-policy'), 'no-referrer')
  const policy = reply.headers.get('content-security-policy') ?? ''
  for (const directive of secure) assert.ok(policy.includes(directive), 'A-24')
  assert.ok(!policy.includes('form-action'))
  if (reply.headers.get('content-type') === 'application/json; charset=utf-8') {
    assert.deepEqual([Object.keys(reply.json()), reply.json()['error']], [[
      'error',
      'error_description'
    ], error])
  } else {
    assert.equal(reply.headers.get('content-type'), 'text/html; charset=utf-8')
    assert.match(reply.text, new RegExp(`<code>${error}</code>`))
    assert.doesNotMatch(reply.text, /<script/i)
  }
}

/** R(error): a redirect to the client, with every parameter once. */
function isErrorRedirect (reply: Reply, error: string, state: string | null = 's t/ä'): void {
  assert.equal(reply.status, 302, reply.text)
  assert.ok(reply.location?.href.startsWith(`${redirectUri}?`), reply.location?.href)
  const params = reply.location?.searchParams as URLSearchParams
  assert.deepEqual([...params.keys()], [
    'error',
    'error_description',
    ...state === null ? [] : ['state']
  ])
  assert.deepEqual([params.get('error'), params.get('state')], [error, state])
}

const isProviderRedirect = (reply: Reply, { issuer }: ThinServer) => {
  assert.equal(reply.status, 302, reply.text)
  assert.equal(
    `${reply.location?.origin}${reply.location?.pathname}`,
    issuer.metadata['authorization_endpoint']
  )
  assert.equal(reply.headers.get('access-control-allow-origin'), null, 'G-17')
  assert.equal(reply.headers.get('set-cookie'), null, 'A-22')
  return Object.fromEntries(reply.location?.searchParams ?? [])
}

for (const [mount] of Object.entries(mounts)) {
  test(`GET /oauth/authorize redirects to the provider with our parameters (${mount}) [AZ-01 A-19]`, async (t) => {
    const server = await startThin(t, { mount: mount as keyof typeof mounts })
    const authorization = authorizationParams(await server.register())
    const injected =
      'audience=evil&kid=1&login_hint=a%26client_id%3Db&access_type=offline&acr_values=x&nonce=1' +
      '&client_secret=x&iss=x&max_age=0&__proto__=x&a[b]=c'
    const reply = await server.authorize(
      `${query({ ...authorization, prompt: 'login' })}&${injected}`
    )
    const params = isProviderRedirect(reply, server)
    assert.deepEqual(params, {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: 'openid profile email',
      state: 's t/ä',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      resource: `${server.base}/mcp`,
      prompt: 'login'
    })
    assert.equal(
      [...reply.location?.searchParams.keys() ?? []].length,
      Object.keys(params).length,
      'each once'
    )
  })

  test(
    `GET /oauth/authorize shows a page to unknown clients and URIs (${mount}) [A-01 A-02 A-03 A-06 A-07 A-20]`,
    async (t) => {
      const server = await startThin(t, { mount: mount as keyof typeof mounts })
      const authorization = authorizationParams(await server.register())
      const two = authorizationParams(
        await server.register({ redirect_uris: [redirectUri, 'https://app.example/cb'] })
      )
      const rows: Array<
        [id: string, params: Record<string, string | undefined> | string, error: string]
      > = [
        ['A-01 none', { ...authorization, client_id: undefined }, 'invalid_request'],
        ['A-01 empty', { ...authorization, client_id: '' }, 'invalid_request'],
        ['A-01 A-07 twice', `${query(authorization)}&client_id=x`, 'invalid_request'],
        ['A-01 nothing', '', 'invalid_request'],
        ...[
          'unknown',
          'x'.repeat(10_000),
          '../',
          '*',
          'client:x',
          'é',
          authorization['client_id']?.slice(0, -1),
          `${authorization['client_id']}A`
        ].map((id) =>
          ['A-02', { ...authorization, client_id: id }, 'invalid_client'] as [
            string,
            Record<string, string>,
            string
          ]
        ),
        ['A-02 CRLF', { ...authorization, client_id: 'a\r\nb: c' }, 'invalid_request'],
        ['A-20', { ...authorization, client_id: clientId }, 'invalid_client'],
        ['A-03', { ...authorization, redirect_uri: 'https://evil.example/cb' }, 'invalid_request'],
        [
          'A-03 script',
          { ...authorization, redirect_uri: 'javascript:alert(1)' },
          'invalid_request'
        ],
        ['A-06 of two', { ...two, redirect_uri: undefined }, 'invalid_request'],
        [
          'A-07',
          `${query(authorization)}&redirect_uri=${encodeURIComponent(redirectUri)}`,
          'invalid_request'
        ],
        ['G-12', `${query(authorization)}&x=%zz`, 'invalid_request'],
        ['G-12', `${query(authorization)}&x=%ff`, 'invalid_request'],
        ['G-16', `${query(authorization)}${'&x=1'.repeat(60)}`, 'invalid_request']
      ]
      for (const [id, params, error] of rows) {
        for (
          const accept of ['text/html,application/xhtml+xml,*/*;q=0.8', 'application/json', '*/*']
        ) {
          const reply = await server.authorize(params, accept)
          isPage(reply, error)
          assert.equal(
            reply.headers.get('content-type')?.startsWith('text/html'),
            accept.startsWith('text/html'),
            id
          )
          assert.doesNotMatch(reply.text, /evil|alert/, 'I6')
        }
      }
      assert.equal(
        (await server.authorize({ ...authorization, redirect_uri: undefined })).location
          ?.searchParams.get(
            'redirect_uri'
          ),
        redirectUri,
        'A-06 of one'
      )
      assert.deepEqual(
        [...server.issuer.requests.values()],
        [1],
        '→0: the provider received one request, for its metadata'
      )
    }
  )
}

test('GET /oauth/authorize rejects redirect URIs that resemble a registered one [A-04 A-05]', async (t) => {
  const server = await startThin(t)
  const web = authorizationParams(
    await server.register({ redirect_uris: ['https://app.example/cb'] })
  )
  for (
    const uri of [
      'https://app.example/cb/',
      'https://app.example/CB',
      'https://app.example/cb?x=1',
      'https://app.example/cb%2f',
      'https://app.example/cb;',
      'https://app.example:443/cb',
      'HTTPS://app.example/cb',
      'https://APP.example/cb',
      'https://app.example./cb',
      'http://app.example/cb',
      'https://app.example/cb#',
      'https://app.example/./cb',
      'https://app.example/cb ',
      'https://app.example/cb&',
      'https://app.example/cb?'
    ]
  ) isPage(await server.authorize({ ...web, redirect_uri: uri }), 'invalid_request')
  assert.equal(
    (await server.authorize({ ...web, redirect_uri: 'https://app.example/cb' })).status,
    302
  )

  const native = authorizationParams(
    await server.register({ redirect_uris: ['http://127.0.0.1/cb'] })
  )
  for (
    const uri of [
      'http://localhost/cb',
      'http://[::1]/cb',
      'http://127.0.0.2/cb',
      'https://127.0.0.1/cb',
      'http://127.0.0.1:51234/cb2',
      'http://127.0.0.1/cb?x',
      'http://127.0.0.1:99999/cb'
    ]
  ) {
    isPage(await server.authorize({ ...native, redirect_uri: uri }), 'invalid_request')
  }
  const any = await server.authorize({ ...native, redirect_uri: 'http://127.0.0.1:51234/cb' })
  assert.equal(any.location?.searchParams.get('redirect_uri'), 'http://127.0.0.1:51234/cb')
})

for (const host of ['a plain host', 'a customized host'] as const) {
  test(`GET /oauth/authorize redirects other errors to the client (${host}) [A-07 to A-18 AZ-03]`, async (t) => {
    const server = await startThin(
      t,
      host === 'a plain host' ? {} : { app: await customizedHost({ key: 'k' }) }
    )
    const authorization = authorizationParams(await server.register())
    const rows: Array<
      [id: string, params: Record<string, string | undefined> | string, error: string]
    > = [
      ...[
        'scope=openid&scope=openid',
        `code_challenge=${challenge}`,
        'prompt=login&prompt=login',
        'response_type=code'
      ].map((more) =>
        ['A-07', `${query(authorization)}&${more}`, 'invalid_request'] as [string, string, string]
      ),
      [
        'A-07',
        `${query(authorization)}&resource=${server.base}/mcp&resource=${server.base}`,
        'invalid_target'
      ],
      ['A-08', { ...authorization, response_type: undefined }, 'invalid_request'],
      ...['token', 'id_token', 'code token', 'code ', 'none'].map((type) =>
        ['A-08', { ...authorization, response_type: type }, 'unsupported_response_type'] as [
          string,
          Record<string, string>,
          string
        ]
      ),
      ['A-09 A-11', { ...authorization, code_challenge: undefined }, 'invalid_request'],
      [
        'A-09',
        { ...authorization, code_challenge: undefined, code_challenge_method: undefined },
        'invalid_request'
      ],
      ...['plain', undefined, 's256', 'S512'].map((method) =>
        ['A-10', { ...authorization, code_challenge_method: method }, 'invalid_request'] as [
          string,
          Record<string, string>,
          string
        ]
      ),
      ...[
        'A'.repeat(42),
        'A'.repeat(44),
        `${'A'.repeat(42)}=`,
        `${'A'.repeat(42)}+`,
        `${'A'.repeat(42)}/`,
        `${'A'.repeat(42)} `,
        'ä'.repeat(43)
      ].map((value) =>
        ['A-12', { ...authorization, code_challenge: value }, 'invalid_request'] as [
          string,
          Record<string, string>,
          string
        ]
      ),
      ...[
        'https://other.example',
        `${server.base}/mcp/x`,
        `${server.base}/mcp#f`,
        '/mcp',
        `${server.base}/mcp?x=1`
      ].map((value) =>
        ['A-13', { ...authorization, resource: value }, 'invalid_target'] as [
          string,
          Record<string, string>,
          string
        ]
      ),
      ...['a"b', 'a\\b', 'a\0b', Array.from({ length: 200 }, (_, i) => `s${i}`).join(' ')]
        .map((value) =>
          ['A-14', { ...authorization, scope: value }, 'invalid_scope'] as [
            string,
            Record<string, string>,
            string
          ]
        ),
      ['A-16', { ...authorization, request: 'ey' }, 'request_not_supported'],
      [
        'A-16',
        { ...authorization, request_uri: `${server.issuer.origin}/trap` },
        'request_uri_not_supported'
      ],
      ['A-17', { ...authorization, prompt: 'none' }, 'interaction_required'],
      ...['fragment', 'form_post', 'query.jwt'].map((mode) =>
        ['A-18', { ...authorization, response_mode: mode }, 'invalid_request'] as [
          string,
          Record<string, string>,
          string
        ]
      )
    ]
    for (const [id, params, error] of rows) {
      const reply = await server.authorize(params)
      assert.equal(reply.location?.searchParams.get('error'), error, id)
      isErrorRedirect(reply, error)
    }
    isErrorRedirect(
      await server.authorize({ ...authorization, scope: '"', state: undefined }),
      'invalid_scope',
      null
    )
    isErrorRedirect(
      await server.authorize(`${query(authorization)}&state=2`),
      'invalid_request',
      null
    )
    isErrorRedirect(
      await server.authorize({ ...authorization, state: 'x'.repeat(2_049) }),
      'invalid_request',
      null
    )
    assert.equal(server.issuer.requests.get('/trap'), undefined, '→0')
  })
}

test('GET /oauth/authorize passes the state unchanged, or none [A-15 G-20]', async (t) => {
  const server = await startThin(t)
  const params = authorizationParams(await server.register())
  for (
    const state of [
      '"><script>alert(1)</script>',
      'a\r\nb: c',
      '☃\u202e',
      'a+b c%20d',
      'x'.repeat(2_048)
    ]
  ) {
    assert.equal(
      (await server.authorize({ ...params, state })).location?.searchParams.get('state'),
      state
    )
    const redirect = await server.authorize({ ...params, state, scope: '"' })
    isErrorRedirect(redirect, 'invalid_scope', state)
  }
  assert.equal(
    (await server.authorize({ ...params, state: undefined })).location?.searchParams.has('state'),
    false
  )
})

test('GET /oauth/authorize sends the resource in our spelling, and merged scopes [A-13 A-14]', async (t) => {
  const server = await startThin(t, { options: { defaultScope: 'openid api:read' } })
  const params = authorizationParams(await server.register())
  const upperCase = await server.authorize({
    ...params,
    resource: `${server.base.replace('localhost', 'LOCALHOST')}/mcp/`,
    scope: 'email openid offline_access'
  })
  assert.equal(upperCase.location?.searchParams.get('resource'), `${server.base}/mcp`)
  assert.equal(
    upperCase.location?.searchParams.get('scope'),
    'email openid offline_access api:read'
  )
  assert.equal(
    (await server.authorize({ ...params, scope: '' })).location?.searchParams.get('scope'),
    'openid api:read'
  )
  assert.equal(
    (await server.authorize({ ...params, prompt: 'evil' })).location?.searchParams.has('prompt'),
    false
  )
})

test('GET /oauth/authorize sends no scope if neither client nor operator names one [A-19]', async (t) => {
  const server = await startThin(t, { options: { defaultScope: '' } })
  const params = authorizationParams(await server.register())
  assert.equal((await server.authorize(params)).location?.searchParams.has('scope'), false)
})

test(
  'GET /oauth/authorize sends the configured audience instead of a resource the client did not name [A-13]',
  async (t) => {
    const server = await startThin(t, { options: { audience: 'https://api.example' } })
    const authorization = authorizationParams(await server.register())
    const params = (await server.authorize(`${query(authorization)}&audience=evil`)).location
      ?.searchParams
    assert.deepEqual([params?.getAll('audience'), params?.has('resource')], [
      ['https://api.example'],
      false
    ])
    const both = (await server.authorize({ ...authorization, resource: `${server.base}/mcp` }))
      .location
      ?.searchParams
    assert.deepEqual([both?.getAll('audience'), both?.getAll('resource')], [
      ['https://api.example'],
      [
        `${server.base}/mcp`
      ]
    ])
  }
)

test('GET /oauth/authorize keeps the query of authorizeUrl, except for our parameters [A-19]', async (t) => {
  const server = await startThin(t, {
    options: {
      authorizeUrl:
        'https://idp.example/tenant/authorize?policy=b2c%201&tenant=a&client_id=theirs&state=x&scope=y'
    }
  })
  const { location } = await server.authorize(authorizationParams(await server.register()))
  assert.equal(`${location?.origin}${location?.pathname}`, 'https://idp.example/tenant/authorize')
  const all = (name: string) => location?.searchParams.getAll(name)
  assert.deepEqual([all('policy'), all('tenant'), all('client_id'), all('state'), all('scope')], [
    ['b2c 1'],
    ['a'],
    [clientId],
    ['s t/ä'],
    ['openid profile email']
  ])
})

test('GET /oauth/authorize does not redirect errors to redirect URIs that anyone can register [A-23]', async (t) => {
  const server = await startThin(t)
  const params = {
    ...authorizationParams(
      await server.register({ redirect_uris: ['https://phish.example/cb?a=1&b="'.slice(0, -1)] })
    ),
    redirect_uri: undefined,
    scope: '"'
  }
  const page = await server.authorize(params)
  isPage(page, 'invalid_scope')
  assert.match(page.text, /<strong>phish\.example<\/strong>/)
  const link = /href="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&#38;', '&').replaceAll(
    '&#61;',
    '='
  )
  assert.ok(link?.startsWith('https://phish.example/cb?a=1&b=&error=invalid_scope&'), link)
  isPage(await server.authorize(params, 'application/json'), 'invalid_scope')
})

test('GET /oauth/authorize redirects errors to allow-listed redirect URIs [A-23]', async (t) => {
  const server = await startThin(t, { options: { allowedRedirectUris: ['https://app.example/*'] } })
  const id = await server.register({ redirect_uris: ['https://app.example/cb?x=%E9'] })
  const reply = await server.authorize({
    ...authorizationParams(id),
    redirect_uri: undefined,
    scope: '"'
  })
  assert.equal(reply.status, 302)
  assert.match(
    reply.location?.href ?? '',
    /^https:\/\/app\.example\/cb\?x=%E9&error=invalid_scope&/
  )
})

test(
  'GET /oauth/authorize accepts our client id and listed redirect URIs only, without registration [A-20]',
  async (t) => {
    const ownClient = { ...authorizationParams(clientId) }
    const loopback = await startThin(t, { options: { setupFakeDynamicRegistration: false } })
    assert.equal(
      isProviderRedirect(await loopback.authorize(ownClient), loopback)['redirect_uri'],
      redirectUri
    )
    isPage(
      await loopback.authorize({ ...ownClient, redirect_uri: 'https://app.example/cb' }),
      'invalid_request'
    )
    isPage(await loopback.authorize({ ...ownClient, redirect_uri: undefined }), 'invalid_request')

    const listed = await startThin(t, {
      options: {
        setupFakeDynamicRegistration: false,
        allowedRedirectUris: ['https://app.example/cb/*', 'cursor:']
      }
    })
    for (const uri of ['https://app.example/cb/1', 'cursor://cb']) {
      assert.equal(
        isProviderRedirect(
          await listed.authorize({ ...ownClient, redirect_uri: uri }),
          listed
        )['redirect_uri'],
        uri
      )
    }
    for (const uri of ['https://app.example/cb', 'https://app.example/other', redirectUri]) {
      isPage(await listed.authorize({ ...ownClient, redirect_uri: uri }), 'invalid_request')
    }
    isPage(
      await listed.authorize({ ...ownClient, client_id: 'other', redirect_uri: 'cursor://cb' }),
      'invalid_client'
    )
  }
)

test('GET /oauth/authorize shows an error page while the provider is unreachable', async (t) => {
  const server = await startThin(t, {
    prepare: ({ fail, metadataPath }) => fail.set(metadataPath, 'unavailable')
  })
  const params = authorizationParams(await server.register())
  for (const accept of ['text/html', 'application/json']) {
    isPage(await server.authorize(params, accept), 'temporarily_unavailable', 503)
  }
})

test('GET /oauth/authorize shows an error page for a provider without PKCE [M-11]', async (t) => {
  for (const methods of [undefined, ['plain']]) {
    const server = await startThin(t, {
      prepare: ({ metadata }) => {
        metadata['code_challenge_methods_supported'] = methods
      }
    })
    const params = authorizationParams(await server.register())
    isPage(await server.authorize(params), 'temporarily_unavailable', 502)
  }
})

test('GET /oauth/authorize is the only method [G-01 G-02]', async (t) => {
  const server = await startThin(t)
  for (const method of ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    const reply = await server.send('/oauth/authorize?client_id=x', { method })
    assert.deepEqual([reply.status, reply.headers.get('allow')], [405, 'GET'], method)
  }
})

test('GET /oauth/authorize withstands unusual raw requests [G-12 G-13 G-14]', async (t) => {
  const server = await startThin(t)
  const path = `/oauth/authorize?${query(authorizationParams(await server.register()))}`
  const expected = /^location: (.*)\r$/im.exec(
    await raw(server.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  )?.[1]
  assert.ok(expected?.startsWith(String(server.issuer.metadata['authorization_endpoint'])))
  for (
    const lines of [
      'Host: evil.example',
      'Host: x\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /evil'
    ]
  ) {
    const response = await raw(
      server.port,
      `GET ${path} HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n`
    )
    assert.equal(/^location: (.*)\r$/im.exec(response)?.[1], expected)
  }
  for (const more of ['&x=\u00e9', '&x=%ED%A0%80', '&x=%00', '&x=%E2%80%AE']) {
    const response = await raw(
      server.port,
      `GET ${path}${more} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
    )
    assert.match(response, /^HTTP\/1\.1 (302|400) /, more)
    assert.doesNotMatch(response.slice(0, response.indexOf('\r\n\r\n')), /[^\x20-\x7e\r\n]/)
  }
  assert.match(
    await raw(
      server.port,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nX: a\0b\r\nConnection: close\r\n\r\n`
    ),
    /^HTTP\/1\.1 400 /
  )
})
