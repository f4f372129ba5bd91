import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { McpOAuthError, type McpOAuthOptions } from '../../lib/index.ts'
import type { Store } from '../../lib/types.ts'
import { matrix } from '../support/matrix.ts'
import {
  isError,
  isPage,
  isErrorRedirect,
  loopbackUri,
  openBrowser,
  query,
  redeem,
  renew,
  signIn,
  type Flow,
  type Instance,
  type Reply
} from '../support/flow.ts'

const plain = (text: string) =>
  Object.fromEntries(new URLSearchParams(text)) as Record<string, string>

/** A login that the provider has completed, before the browser requests our callback. */
async function startLogin (flow: Flow, more = {}) {
  const browser = openBrowser()
  const id = await flow.register()
  const callbackQuery = plain(await flow.approve(browser, flow.params(id, more)))
  return {
    id,
    browser,
    callbackQuery,
    sendCallback: (params: Record<string, string | undefined> | string) =>
      browser.get(flow, `/oauth/callback?${query(params)}`)
  }
}

matrix(
  'GET /oauth/callback rejects malformed responses, and the login remains usable [B-01 B-02 B-10 B-15]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { callbackQuery, sendCallback } = await startLogin(flow)
    const { state = '', code = '' } = callbackQuery
    const rows: Array<Record<string, string | undefined> | string> = [
      {},
      { state },
      { code },
      { state, code: '' },
      { state: '', code },
      { ...callbackQuery, error: 'access_denied' },
      `${query(callbackQuery)}&state=${state}`,
      `${query(callbackQuery)}&code=x`,
      `state=${state}&error=a&error=b`,
      { state: 'x', code },
      { state: state.slice(1), code },
      { state: state.toUpperCase(), code },
      { state: `${state}0`, code },
      { state: state.replace(/.$/, last => last === 'a' ? 'b' : 'a'), code },
      { state: state.replace(/^../, '01'), code },
      { state, code: 'x'.repeat(4097) },
      { state, code: 'a\r\nb' },
      { state, code: 'a\0' },
      { state, code, iss: flow.provider.issuer + '/' }
    ]
    for (const params of rows) {
      const reply = await sendCallback(params)
      isPage(reply, 400, 'invalid_request', JSON.stringify(params).slice(0, 120))
      assert.deepEqual(reply.cookies, [])
    }
    assert.equal(
      (await flow.send(`/oauth/callback?${query(callbackQuery)}`, { method: 'POST' })).status,
      405,
      'B-15'
    )
    assert.equal(
      (await flow.send(`/oauth/callback?${query(callbackQuery)}`, { method: 'HEAD' })).status,
      405
    )
    assert.equal(flow.provider.count('/token'), 0)
    assert.equal((await sendCallback(callbackQuery)).status, 302)
  }
)

matrix(
  'GET /oauth/callback accepts only the browser that approved [B-04 B-05 B-07 CD-09]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const ownLogin = await startLogin(flow)
    const otherLogin = await startLogin(flow)
    const [name = ''] = [...ownLogin.browser.jar.keys()].filter(key => key.includes('login'))
    const value = ownLogin.browser.jar.get(name) ?? ''
    const foreignCookie = [...otherLogin.browser.jar].find(([key]) => key.includes('login'))?.[1] ??
      ''
    for (
      const cookie of [
        '',
        otherLogin.browser.cookie(),
        `${name}=`,
        `${name}=x`,
        `${name}=${foreignCookie}`,
        `${name}=${value.slice(0, -1)}`,
        `${name}=${value}; ${name}=${value}`,
        `${name.replace('__Host-', '')}=${value}`,
        `x${name}=${value}`
      ]
    ) {
      for (
        const params of [ownLogin.callbackQuery, {
          state: ownLogin.callbackQuery['state'],
          error: 'access_denied'
        }, {
          state: ownLogin.callbackQuery['state'],
          error: 'x'
        }]
      ) {
        const reply = await flow.send(`/oauth/callback?${query(params)}`, {
          headers: { accept: 'text/html', cookie }
        })
        isPage(reply, 403, 'access_denied', cookie.slice(0, 100))
      }
    }
    assert.equal(flow.provider.count('/token'), 0)
    assert.equal(
      (await ownLogin.sendCallback(ownLogin.callbackQuery)).status,
      302,
      'the right browser still succeeds'
    )
  }
)

matrix(
  'GET /oauth/callback has one code for a login, until it is redeemed [B-03 B-14 B-18 AZ-07 AZ-13 CD-07 field:S9]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const uri = `${loopbackUri}?keep=a%2fb&x=1`
    const id = await flow.register({ redirect_uris: [uri] })
    const browser = openBrowser()
    const callbackQuery = await flow.approve(browser, flow.params(id, { redirect_uri: uri }))
    const cookie = browser.cookie()
    const sendCallback = (index: number, headers = { cookie: browser.cookie() }) =>
      (flow.instances[index % 2] as Instance).send(`/oauth/callback?${callbackQuery}`, {
        headers: { ...headers, accept: 'text/html' }
      })
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => sendCallback(index, { cookie }))
    )
    const [first] = replies
    assert.deepEqual(replies.map(({ status }) => status), Array(20).fill(302), 'B-14')
    assert.equal(new Set(replies.map(({ location }) => location?.href)).size, 1)
    assert.ok(first?.headers.get('location')?.startsWith(`${uri}&code=`), 'B-18')
    assert.deepEqual([...first?.location?.searchParams.keys() ?? []], [
      'keep',
      'x',
      'code',
      'state',
      'iss'
    ])
    assert.equal(first?.location?.searchParams.get('iss'), flow.base)
    assert.equal(first?.location?.searchParams.get('state'), 's t/ä')
    assert.match(
      first?.cookies.join('\n') ?? '',
      /^__Host-mcp-login\.[\da-z]{64}=[\w.-]+~; Max-Age=60; Path=\/; HttpOnly; Secure; SameSite=Lax$/
    )
    for (const index of [0, 1]) {
      const reloaded = await browser.get(
        flow.instances[index] as Instance,
        `/oauth/callback?${callbackQuery}`
      )
      assert.equal(reloaded.location?.href, first?.location?.href, 'reload')
    }
    assert.equal(flow.provider.count('/token'), 0, 'the code of the provider is not redeemed yet')
    const code = first?.location?.searchParams.get('code') ?? ''
    const tokens = await flow.token(redeem(id, code, { redirect_uri: uri }))
    assert.equal(tokens.status, 200)
    for (const [index, headers] of [[0, { cookie }], [1, { cookie: browser.cookie() }]] as const) {
      const late = await sendCallback(index, headers)
      isPage(late, 400, 'invalid_request', 'B-03')
      assert.match(
        late.text,
        /<h1[^>]*>Sign-in is complete<.*go back to the app.*already completed/s
      )
      assert.match(late.cookies[0] ?? '', /=; Max-Age=0;/)
    }
    assert.equal((await flow.call(tokens.json()['access_token'])).status, 200, 'nothing ended')
  }
)

matrix(
  'GET /oauth/callback replaces a code that expired unused, and both count as one [field:S3]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    const { id, callbackQuery, sendCallback } = await startLogin(flow)
    const codeOf = ({ location }: Reply) => location?.searchParams.get('code') ?? ''
    const lost = codeOf(await sendCallback(callbackQuery))
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 })
    isError(await flow.token(redeem(id, lost)), 400, 'invalid_grant')
    const code = codeOf(await sendCallback(callbackQuery))
    assert.notEqual(code, lost)
    assert.equal((await flow.token(redeem(id, code))).status, 200)
    isPage(await sendCallback(callbackQuery), 400, 'invalid_request')
  },
  { serial: true }
)

matrix(
  'GET /oauth/callback ignores a code that a writer of the store copied [S-01 field:S3]',
  async ({ startFlow }) => {
    let copied = ''
    const wrap = (store: Store): Store => ({
      ...store,
      putIfAbsent: async (key, value, ttl) => {
        if (!key.includes(':login:')) return await store.putIfAbsent(key, value, ttl)
        copied ||= value
        return copied
      }
    })
    const flow = await startFlow({ wrap })
    const [attacker, victim] = [await startLogin(flow), await startLogin(flow)]
    const codes: string[] = []
    for (const { callbackQuery, sendCallback } of [attacker, victim]) {
      codes.push((await sendCallback(callbackQuery)).location?.searchParams.get('code') ?? '')
    }
    assert.notEqual(codes[0], codes[1])
    assert.equal((await flow.token(redeem(victim.id, codes[1] ?? ''))).status, 200)
  }
)

const denial = 'The identity provider or the user there denied the sign-in.'
const incomplete = 'The identity provider requires a step that the user did not complete.'
const misconfigured = 'The identity provider rejected the settings of this server.'

for (
  const [error, translated, description] of [
    ['access_denied', 'access_denied', denial],
    ['consent_required', 'access_denied', incomplete],
    ['login_required', 'access_denied', incomplete],
    ['interaction_required', 'access_denied', incomplete],
    ['account_selection_required', 'access_denied', incomplete],
    [
      'temporarily_unavailable',
      'temporarily_unavailable',
      'The identity provider is unavailable.'
    ],
    ['server_error', 'server_error', 'The identity provider failed to process the sign-in.'],
    ...['<script>', 'invalid_scope', 'unauthorized_client', '__proto__', 'toString'].map(error =>
      [error, 'server_error', misconfigured] as const
    )
  ] as const
) {
  matrix(
    `GET /oauth/callback tells the client whose decision the error ${error} of the provider is [B-08 field:H7]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      const { callbackQuery, sendCallback, browser } = await startLogin(flow)
      const params = {
        state: callbackQuery['state'],
        error,
        error_description: `AADSTS50105\n${'canary-upstream-text'.repeat(100)}`,
        error_uri: 'javascript:alert(1)'
      }
      const before = flow.logs.length
      const reply = await sendCallback(params)
      isErrorRedirect(flow, reply, 302, translated)
      assert.equal(reply.location?.searchParams.get('error_description'), description)
      assert.match(reply.cookies[0] ?? '', /~; Max-Age=60;/)
      assert.equal((await sendCallback(params)).location?.href, reply.location?.href, 'reload')
      const line = flow.logs.slice(before).find(line => line.includes('AADSTS50105')) ?? ''
      assert.ok(line.includes('The identity provider answered') && line.length < 4_000, line)
      assert.equal((await browser.get(flow, `/oauth/callback?${query(callbackQuery)}`)).status, 302)
      browser.jar.clear()
      isPage(await sendCallback(params), 403, 'access_denied')
    }
  )
}

matrix(
  'GET /oauth/callback requires the exact iss of the provider, where it sends one [B-09]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { issuer } = flow.provider
    const check = async (iss: string[], status: number) => {
      flow.provider.iss = iss
      const browser = openBrowser()
      const reply = await browser.get(
        flow,
        `/oauth/callback?${await flow.approve(browser, flow.params(await flow.register()))}`
      )
      assert.equal(reply.status, status, JSON.stringify(iss))
      if (status === 400) isPage(reply, 400, 'invalid_request')
    }
    await check([], 302)
    await check([issuer], 302)
    const invalid = [
      ['https://evil.example'],
      [`${issuer}/`],
      [issuer.toUpperCase()],
      [issuer, issuer],
      ['']
    ]
    for (const iss of invalid) await check(iss, 400)
    assert.ok(flow.logs.join('').includes(`the iss of the response, expected ${issuer}: [`))

    const withIss = await startFlow()
    withIss.provider.metadata['authorization_response_iss_parameter_supported'] = true
    const instance = await withIss.addInstance()
    for (
      const [iss, status] of [[[], 400], [[withIss.provider.issuer], 302], [[
        'https://evil.example'
      ], 400]] as const
    ) {
      withIss.provider.iss = [...iss]
      const browser = openBrowser()
      const id = await instance.register()
      const callbackQuery = await withIss.approve(browser, withIss.params(id), instance)
      const reply = await browser.get(instance, `/oauth/callback?${callbackQuery}`)
      assert.equal(reply.status, status)
      if (status === 302) {
        assert.equal(
          (await instance.token(redeem(id, reply.location?.searchParams.get('code') ?? ''))).status,
          200
        )
      }
    }
  }
)

matrix('GET /oauth/callback rejects an expired login [B-02]', async ({ startFlow }, t) => {
  const flow = await startFlow()
  const { callbackQuery, sendCallback } = await startLogin(flow)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 601_000 })
  isPage(await sendCallback(callbackQuery), 400, 'invalid_request')
  t.mock.timers.reset()
  assert.equal((await sendCallback(callbackQuery)).status, 302)
}, { serial: true })

matrix(
  'GET /oauth/callback checks the redirect URI again [B-17 B-19]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const stricter = await flow.addInstance({ allowedRedirectUris: ['https://app.example/cb'] })
    const { callbackQuery, browser, id } = await startLogin(flow)
    isPage(
      await browser.get(stricter, `/oauth/callback?${query(callbackQuery)}`),
      400,
      'invalid_request'
    )
    const reply = await browser.get(flow, `/oauth/callback?${query(callbackQuery)}`)
    assert.equal(
      (await flow.token(redeem(id, reply.location?.searchParams.get('code') ?? ''))).status,
      200
    )
  }
)

for (
  const [name, prepare] of Object.entries<(provider: Flow['provider']) => unknown>({
    'a JSON error of a gateway': ({ fail }) =>
      fail.set('/token', { status: 400, body: '{"statusCode":400,"error":"Bad Request"}' }),
    'status 404': ({ fail }) => fail.set('/token', 'missing'),
    'no JSON': ({ fail }) => fail.set('/token', 'garbage'),
    HTML: ({ fail }) => fail.set('/token', 'html'),
    null: ({ fail }) => fail.set('/token', 'null'),
    array: ({ fail }) => fail.set('/token', 'array'),
    redirect: ({ fail }) => fail.set('/token', 'redirect'),
    'no access token': ({ tokenOverrides }) => {
      tokenOverrides['access_token'] = undefined
    },
    'access token object': ({ tokenOverrides }) => {
      tokenOverrides['access_token'] = { a: 1 }
    },
    'access token with CRLF': ({ tokenOverrides }) => {
      tokenOverrides['access_token'] = 'a\r\nb: c'
    },
    'access token of 100 KB': ({ tokenOverrides }) => {
      tokenOverrides['access_token'] = 'x'.repeat(100_000)
    },
    'token type mac': ({ tokenOverrides }) => {
      tokenOverrides['token_type'] = 'mac'
    },
    'token type list': ({ tokenOverrides }) => {
      tokenOverrides['token_type'] = ['Bearer']
    },
    'token type dpop': ({ tokenOverrides }) => {
      tokenOverrides['token_type'] = 'DPoP'
    },
    'no token type': ({ tokenOverrides }) => {
      tokenOverrides['token_type'] = undefined
    },
    'scope object': ({ tokenOverrides }) => {
      tokenOverrides['scope'] = { a: 'b' }
    },
    'refresh token object': ({ tokenOverrides }) => {
      tokenOverrides['refresh_token'] = {}
    },
    'refresh token with a line break': ({ tokenOverrides }) => {
      tokenOverrides['refresh_token'] = 'a\nb'
    },
    'id_token garbage': ({ tokenOverrides }) => {
      tokenOverrides['id_token'] = 'x'
    },
    'id_token wrong nonce': ({ claims }) => {
      claims['nonce'] = 'x'
    },
    'id_token no nonce': ({ claims }) => {
      claims['nonce'] = undefined
    },
    'id_token wrong iss': ({ claims }) => {
      claims['iss'] = 'https://evil.example'
    },
    'id_token wrong aud': ({ claims }) => {
      claims['aud'] = 'another'
    },
    'id_token of two audiences and another party': ({ claims }) =>
      Object.assign(claims, { aud: ['broker', 'another'], azp: 'another' }),
    'id_token without sub': ({ claims }) => {
      claims['sub'] = undefined
    },
    'id_token sub object': ({ claims }) => {
      claims['sub'] = {}
    },
    'id_token alg none': ({ header }) => {
      header['alg'] = 'none'
    },
    'id_token of another key': async (provider) => {
      provider.key = await (await import('../support/issuer.ts')).createKey('upstream')
    }
  })
) {
  matrix(
    `POST /oauth/token returns 502 after an invalid provider response: ${name} [B-11 B-12 B-13 F-10 field:S6]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      const id = await flow.register()
      const code = await flow.login(id)
      await prepare(flow.provider)
      const reply = await flow.token(redeem(id, code))
      isError(reply, 502, 'temporarily_unavailable')
      assert.equal(reply.headers.get('retry-after'), '5')
      assert.equal(flow.provider.count('/trap'), 0)
      assert.equal(flow.provider.count('/token'), 1, 'one request')
    }
  )
}

for (const status of [200, 400, 403]) {
  matrix(
    `POST /oauth/token ends the login when the provider says so with ${status} [B-11 field:S6]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      const id = await flow.register()
      const code = await flow.login(id)
      const body = '{"error":"invalid_grant","error_description":"canary-upstream-text"}'
      flow.provider.fail.set('/token', { status, body })
      isError(await flow.token(redeem(id, code)), 400, 'invalid_grant')
      const line = flow.logs.map(text => JSON.parse(text)).find(({ reason }) => reason)
      assert.match(
        line.reason,
        /^The identity provider answered: "(\d+ )?invalid_grant"$/
      )
    }
  )
}

for (
  const [fault, status] of Object.entries(
    {
      error: 503,
      unavailable: 503,
      reset: 503,
      resetMidBody: 503,
      hang: 504,
      oversize: 502,
      bomb: 502
    } as const
  )
) {
  matrix(
    `POST /oauth/token reports a fault of the provider as such, and asks it again: ${fault} [B-11 F-11 field:S6]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      const id = await flow.register()
      const code = await flow.login(id)
      flow.provider.fail.set('/token', fault as 'error')
      const reply = await flow.token(redeem(id, code))
      isError(reply, status, 'temporarily_unavailable')
      assert.equal(reply.headers.get('retry-after'), '5')
      flow.provider.fail.clear()
      // The first request goes on as long as the provider may respond.
      if (fault === 'hang') return
      isError(await flow.token(redeem(id, code)), 400, 'invalid_grant', 'the stub spent its code')
      assert.equal(flow.provider.count('/token'), 2)
      assert.ok((await flow.tokens(id)).access_token, 'a new login works')
    }
  )
}

matrix(
  'POST /oauth/token does not consume the code while the provider is unreachable [B-11]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const code = await flow.login(id)
    await flow.provider.stop()
    isError(await flow.token(redeem(id, code)), 503, 'temporarily_unavailable')
    await flow.provider.start()
    assert.equal((await flow.token(redeem(id, code))).status, 200)
    isError(await flow.token(redeem(id, code)), 400, 'invalid_grant')
  }
)

matrix(
  'POST /oauth/token shortens long lifetimes and drops unknown members of the provider [B-12]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    for (
      const [more, expires] of [
        [{ expires_in: 1e99 }, 3600],
        [{ expires_in: '60' }, 60],
        [{ expires_in: 10.5 }, 10],
        [{ expires_in: undefined }, 3600],
        [{ expires_in: 0 }, 1],
        [{ scope: 'admin everything' }, 3600]
      ] as const
    ) {
      flow.provider.tokenOverrides = { ...more }
      const tokens = await flow.tokens(id)
      assert.equal(tokens.expires_in, expires)
      assert.equal(tokens.scope, 'mcp:read')
      assert.deepEqual(Object.keys(tokens), [
        'access_token',
        'token_type',
        'expires_in',
        'scope',
        'refresh_token',
        'refresh_token_expires_in'
      ])
    }
  }
)

matrix(
  'POST /oauth/token issues tokens only if authorizeUser clearly allows it [B-16 F-28 TK-02]',
  async ({ startFlow }) => {
    let verdict: () => unknown = () => true
    const received: any[] = []
    const authorizeUser = ((user: unknown) => {
      received.push(user)
      return verdict()
    }) as NonNullable<McpOAuthOptions['authorizeUser']>
    const flow = await startFlow({ options: { authorizeUser } })
    const id = await flow.register()
    const forbidden = Object.assign(new Error('canary-hook'), { statusCode: 403 })
    for (
      const [decision, status, error] of [
        [() => false, 400, 'access_denied'],
        [
          () => {
            throw forbidden
          },
          400,
          'access_denied'
        ],
        [async () => await Promise.reject(forbidden), 400, 'access_denied'],
        [
          () => {
            throw new Error('canary-hook')
          },
          500,
          'server_error'
        ],
        [
          () => {
            // eslint-disable-next-line no-throw-literal
            throw undefined
          },
          500,
          'server_error'
        ],
        ...[
          null,
          0,
          1,
          '',
          'yes',
          'no',
          [],
          NaN,
          Symbol('x'),
          () => true,
          { scopes: 'mcp:read' },
          { scopes: null },
          { claims: 'x' },
          { claims: [] },
          { claims: null }
        ].map(value => [() => value, 500, 'server_error'] as const),
        [() => ({ claims: { big: 1n } }), 500, 'server_error']
      ] as Array<[() => unknown, number, string]>
    ) {
      verdict = decision
      const code = await flow.login(id)
      const before = flow.provider.count('/revoke')
      const reply = await flow.token(redeem(id, code))
      isError(reply, status, error, String(decision))
      assert.doesNotMatch(reply.text, /canary/)
      if (status === 500) {
        verdict = () => true
        assert.equal((await flow.token(redeem(id, code))).status, 200, 'the hook is mended')
        assert.equal(flow.provider.count('/revoke'), before)
        continue
      }
      while (flow.provider.count('/revoke') === before) await sleep(5)
      assert.equal(
        flow.provider.count('/revoke'),
        before + 1,
        'the unused tokens of the provider are revoked'
      )
      isError(await flow.token(redeem(id, code)), 400, 'invalid_grant')
    }
    for (const decision of [true, undefined, {}, { scopes: undefined }]) {
      verdict = () => decision
      assert.equal((await flow.tokens(id)).scope, 'mcp:read')
    }
    verdict = () => ({
      scopes: ['mcp:read', 'admin'],
      claims: {
        team: 'a',
        sub: 'root',
        aud: 'x',
        scope: 'admin',
        exp: 1,
        gid: 'x',
        upt: 'x',
        client_id: 'x',
        iss: 'x',
        cnf: {}
      }
    })
    const tokens = await flow.tokens(id, { params: { scope: 'mcp:read mcp:write' } })
    const claims = JSON.parse(
      Buffer.from(tokens.access_token.split('.')[1], 'base64url').toString()
    )
    assert.deepEqual([
      claims.team,
      claims.sub,
      claims.aud,
      claims.scope,
      claims.client_id,
      claims.iss,
      claims.cnf,
      claims.upt
    ], ['a', 'alice', flow.resource, 'mcp:read', id, flow.base, undefined, undefined])
    assert.ok(claims.exp > Date.now() / 1000)
    assert.equal(received.at(-1).claims.email, 'alice@example.com')
    assert.deepEqual(received.at(-1).scopes, ['mcp:read', 'mcp:write'])
  }
)

matrix(
  'POST /oauth/token sends the words of authorizeUser to the client, and of a typed refusal only [B-16 field:H7]',
  async ({ startFlow }) => {
    let verdict: () => unknown = () => true
    const authorizeUser = (() => verdict()) as NonNullable<McpOAuthOptions['authorizeUser']>
    const flow = await startFlow({
      options: { authorizeUser, provider: { identify: async () => ({ sub: 'alice' }) } }
    })
    const id = await flow.register()
    const long = 'x'.repeat(300)
    const ours = 'The request was denied.'
    const rows: Array<[decision: () => unknown, description: string]> = [
      [() => ({ deny: 'Ask IT for the role Mcp.User.' }), 'Ask IT for the role Mcp.User.'],
      [async () => ({ deny: 'Not today.' }), 'Not today.'],
      [() => ({ deny: 'S\u00fcd "a\\b"\r\n\u202e\u{1f600}' }), 'S?d ?a?b??????'],
      [() => ({ deny: long }), long.slice(0, 200)],
      [() => ({ deny: '' }), ours],
      [() => ({ deny: 'No.', scopes: ['mcp:read'], claims: {} }), 'No.'],
      [() => {
        throw new McpOAuthError('accessDenied', { description: 'No seat is left.' })
      }, 'No seat is left.'],
      [() => {
        throw new McpOAuthError('accessDenied')
      }, ours],
      [() => {
        throw Object.assign(new Error('canary-hook'), { statusCode: 403 })
      }, ours],
      [() => false, ours]
    ]
    for (const [decision, description] of rows) {
      verdict = decision
      const reply = await flow.token(redeem(id, await flow.login(id)))
      isError(reply, 400, 'access_denied', description)
      assert.equal(reply.json()['error_description'], description)
    }
    const changed = flow.logs.filter(line => line.includes('the text of the denial was changed'))
    assert.equal(changed.length, 2)
    const unclear = [null, true, 0, ['x'], {}, { message: 'canary-hook' }, undefined]
    for (
      const result of [
        ...unclear.map(deny => ({ deny })),
        { denied: 'No.' },
        { allow: false, message: 'canary-hook' },
        { scopes: ['mcp:read'], deny: undefined },
        'canary-hook'
      ]
    ) {
      verdict = () => result
      isError(await flow.token(redeem(id, await flow.login(id))), 500, 'server_error')
    }
    const logged = flow.logs.filter(line => line.includes('authorizeUser must return'))
    assert.ok(logged.length >= unclear.length)
    assert.doesNotMatch(logged.join(), /canary/)
    verdict = () => {
      throw new McpOAuthError('invalidGrant', { description: 'canary-hook' })
    }
    const other = await flow.token(redeem(id, await flow.login(id)))
    isError(other, 500, 'server_error')
    assert.doesNotMatch(other.text, /canary/)
    verdict = () => ({ claims: {} })
    const { refresh_token: token } = await flow.tokens(id)

    verdict = () => ({ deny: 'Your account was closed.' })
    const refreshed = await flow.token(renew(id, token))
    isError(refreshed, 400, 'access_denied')
    assert.equal(refreshed.json()['error_description'], 'Your account was closed.')
  }
)

matrix(
  'a refused redirect of the provider never becomes a client code',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const request = await flow.form(browser, flow.params(await flow.register()))
    const { location } = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
    const callbackQuery = plain(await signIn(location as URL))
    const reply = await browser.get(
      flow,
      `/oauth/callback?${query({ ...callbackQuery, code: 'guessed' })}`
    )
    isError(
      await flow.token(
        redeem(await flow.register(), reply.location?.searchParams.get('code') ?? '')
      ),
      400,
      'invalid_grant'
    )
  }
)
