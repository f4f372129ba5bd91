import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { matrix } from '../support/matrix.ts'
import {
  challenge,
  claimsOf,
  isError,
  loopbackUri,
  openBrowser,
  query,
  redeem,
  renew,
  signIn,
  verifier,
  type Reply
} from '../support/flow.ts'
import { customizedHost } from '../support/host.ts'
import { racing, recordWrites } from '../support/stores.ts'
import { sweep } from '../support/sweep.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const grants = [
  'client_credentials',
  'password',
  'implicit',
  'AUTHORIZATION_CODE',
  'authorization_code ',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  '__proto__'
]

matrix(
  'POST /oauth/token rejects invalid requests and keeps the code [T-01..T-12 T-16 T-29 TK-02 TK-03 TK-09 AZ-14]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const other = await flow.register({ client_name: 'Other' })
    const code = await flow.login(id)
    const validRequest = redeem(id, code)
    const basic = (text: string) => ({
      authorization: `Basic ${Buffer.from(text).toString('base64')}`
    })
    const rows: Array<
      [
        id: string,
        params: Record<string, string | undefined> | string,
        error: string,
        headers?: Record<string, string>
      ]
    > = [
      ['T-01', { ...validRequest, grant_type: undefined }, 'invalid_request'],
      ['T-01 G-18', '', 'invalid_request'],
      ...Object.keys(validRequest).map(name =>
        ['T-01 G-11 AZ-15', `${query(validRequest)}&${name}=x`, 'invalid_request'] as [
          string,
          string,
          string
        ]
      ),
      ...grants.map(grant =>
        ['T-03 TK-09', { ...validRequest, grant_type: grant }, 'unsupported_grant_type'] as [
          string,
          Record<string, string | undefined>,
          string
        ]
      ),
      ['T-04', { ...validRequest, code: undefined }, 'invalid_request'],
      ...[
        'x',
        'a.b.c.d.e',
        code.slice(0, -1),
        `${code}A`,
        `${code}.`,
        ` ${code}`,
        'é',
        'a\0',
        id,
        'x'.repeat(20_000)
      ].map(value =>
        ['T-04', { ...validRequest, code: value }, 'invalid_grant'] as [
          string,
          Record<string, string | undefined>,
          string
        ]
      ),
      ['T-06 AZ-14', { ...validRequest, client_id: other }, 'invalid_grant'],
      ...['http://127.0.0.1:4712/callback', `${loopbackUri}/`, 'https://evil.example'].map(uri =>
        ['T-07', { ...validRequest, redirect_uri: uri }, 'invalid_grant'] as [
          string,
          Record<string, string | undefined>,
          string
        ]
      ),
      ['T-08', { ...validRequest, client_id: undefined }, 'invalid_request'],
      ['T-08', validRequest, 'invalid_client', basic(`${other}:`)],
      ['T-09', { ...validRequest, code_verifier: undefined }, 'invalid_request'],
      ...[verifier.slice(1), 'x'.repeat(129), `${verifier}+`, `${verifier} `].map(value =>
        ['T-09', { ...validRequest, code_verifier: value }, 'invalid_request'] as [
          string,
          Record<string, string | undefined>,
          string
        ]
      ),
      ['T-09', { ...validRequest, code_verifier: challenge }, 'invalid_grant'],
      ['T-09', { ...validRequest, code_verifier: 'x'.repeat(43) }, 'invalid_grant'],
      ['T-10 T-29', { ...validRequest, client_secret: 'x' }, 'invalid_client'],
      ['T-10', { ...validRequest, client_id: undefined }, 'invalid_client', basic(`${id}:x`)],
      ['T-10 unknown', { ...validRequest, client_id: 'x' }, 'invalid_client'],
      ...[
        'Basic',
        'Basic !!',
        'Basic eA==',
        'Basic Og==',
        'Basic OnNlY3JldA==',
        'Bearer x',
        'Basic JXp6Og==',
        'Basic //86',
        'Basic eDo= eDo=',
        'Digest x'
      ].map(value =>
        ['T-11', { ...validRequest, client_id: undefined }, 'invalid_client', {
          authorization: value
        }] as [
          string,
          Record<string, string | undefined>,
          string,
          Record<string, string>
        ]
      ),
      ['T-12', { ...validRequest, client_secret: 'x' }, 'invalid_request', basic(`${id}:x`)],
      ['T-12', {
        ...validRequest,
        client_assertion: 'x',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      }, 'invalid_client'],
      ['T-16', { ...validRequest, resource: 'https://evil.example/mcp' }, 'invalid_target'],
      ['T-16', { ...validRequest, resource: `${flow.resource}#f` }, 'invalid_target'],
      [
        'T-16',
        `${query(validRequest)}&resource=${flow.resource}&resource=https://evil.example`,
        'invalid_target'
      ],
      ['G-12', `${query(validRequest)}&x=%zz`, 'invalid_request'],
      ['G-16', `${query(validRequest)}${'&x=1'.repeat(60)}`, 'invalid_request']
    ]
    for (const [name, params, error, headers] of rows) {
      const reply = await flow.token(params, headers)
      isError(reply, error === 'invalid_client' ? 401 : 400, error, name)
      assert.equal(
        reply.headers.get('www-authenticate')?.startsWith('Basic '),
        error === 'invalid_client' && headers ? true : undefined,
        name
      )
      assert.equal(reply.headers.get('access-control-allow-origin'), '*', 'G-17')
      assert.equal(reply.headers.get('pragma'), 'no-cache')
    }
    isError(
      await flow.send('/oauth/token', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"code":{"$ne":1}}'
      }),
      400,
      'invalid_request',
      'T-02'
    )
    isError(
      await flow.send('/oauth/token', {
        method: 'POST',
        headers: form,
        body: 'x'.repeat(65 * 1024)
      }),
      413,
      'invalid_request',
      'G-03'
    )
    isError(await flow.send('/oauth/token'), 405, 'invalid_request', 'G-01')
    assert.equal(flow.provider.count('/token'), 0)

    const reply = await flow.token(
      `${
        query({ ...validRequest, redirect_uri: undefined, scope: 'mcp:read mcp:write admin' })
      }&unknown=1&unknown=2&__proto__=x&a[b]=c`
    )
    assert.equal(
      reply.status,
      200,
      `T-07 the rejected requests leave the code valid: ${reply.text}`
    )
    assert.equal(reply.json()['scope'], 'mcp:read', 'T-17')
  }
)

matrix(
  'POST /oauth/token returns our tokens and nothing of the provider [T-18 TK-01 TK-05 TK-11]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const reply = await flow.token(
      redeem(
        id,
        await flow.login(id, { params: { scope: 'mcp:read mcp:write openid offline_access' } }),
        { resource: flow.resource }
      )
    )
    const tokens = reply.json()
    assert.deepEqual(Object.keys(tokens), [
      'access_token',
      'token_type',
      'expires_in',
      'scope',
      'refresh_token',
      'refresh_token_expires_in'
    ])
    assert.deepEqual([tokens['token_type'], tokens['expires_in'], tokens['scope']], [
      'Bearer',
      3600,
      'mcp:read mcp:write'
    ])
    assert.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8')
    assert.deepEqual([reply.headers.get('cache-control'), reply.headers.get('pragma')], [
      'no-store',
      'no-cache'
    ])
    const claims = claimsOf(tokens['access_token'])
    assert.deepEqual(Object.keys(claims).sort(), [
      'aud',
      'client_id',
      'exp',
      'gat',
      'gid',
      'iat',
      'iss',
      'jti',
      'scope',
      'sub'
    ])
    assert.deepEqual([
      claims['aud'],
      claims['client_id'],
      claims['iss'],
      claims['exp'] - claims['iat']
    ], [flow.resource, id, flow.base, 3600])
    assert.equal((await flow.call(tokens['access_token'])).status, 200)
    const last = flow.provider.requests.find(({ path }) => path === '/token')
    assert.deepEqual([...last?.params.keys() ?? []].sort(), [
      'code',
      'code_verifier',
      'grant_type',
      'redirect_uri'
    ], 'X-03 TK-10')
    assert.notEqual(last?.params.get('code_verifier'), verifier, 'CD-11')
    assert.equal(last?.params.get('redirect_uri'), `${flow.base}/oauth/callback`)
  }
)

matrix('POST /oauth/token rejects a code after a minute [T-05]', async ({ startFlow }, t) => {
  const flow = await startFlow()
  const id = await flow.register()
  const code = await flow.login(id)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 })
  isError(await flow.token(redeem(id, code)), 400, 'invalid_grant')
  assert.equal(flow.provider.count('/token'), 0)
}, { serial: true })

matrix('POST /oauth/token allows a code four wrong verifiers [T-09]', async ({ startFlow }) => {
  const flow = await startFlow()
  const id = await flow.register()
  for (const [failures, status] of [[4, 200], [5, 400]] as const) {
    const code = await flow.login(id)
    for (let index = 0; index < failures; index++) {
      isError(
        await flow.token(redeem(id, code, { code_verifier: `${index}`.padEnd(43, 'x') })),
        400,
        'invalid_grant'
      )
    }
    assert.equal((await flow.token(redeem(id, code))).status, status)
  }
  assert.equal(flow.provider.count('/token'), 1)
})

matrix(
  'POST /oauth/token rejects unknown, foreign and secret-sending clients alike [T-13]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const other = await flow.addInstance({ clientId: 'another' })
    const replies = [
      await flow.token(redeem('unknown', 'x')),
      await flow.token(redeem(id, 'x', { client_secret: 'x' })),
      await other.token(redeem(id, 'x'))
    ]
    for (const reply of replies) {
      isError(reply, 401, 'invalid_client')
      assert.equal(reply.text, replies[0]?.text)
      assert.deepEqual([...reply.headers.keys()], [...replies[0]?.headers.keys() ?? []])
    }
  }
)

matrix(
  'POST /oauth/token ends the grant of a code sent twice, on both instances [T-14 AZ-14]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const [one, two] = flow.instances as [typeof flow.instances[0], typeof flow.instances[0]]
    const id = await one.register()
    const code = await flow.login(id)
    const tokens = (await one.token(redeem(id, code))).json()
    const [upstreamToken] = flow.provider.refreshTokens.keys()
    for (const instance of flow.instances) {
      assert.equal(
        (await instance.call(tokens['access_token'])).status,
        200
      )
    }
    isError(await two.token(redeem(id, code)), 400, 'invalid_grant')
    await sleep(1_050)
    for (const instance of flow.instances) {
      const refused = await instance.call(tokens['access_token'])
      assert.equal(refused.status, 401)
      assert.match(refused.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
      isError(await instance.token(renew(id, tokens['refresh_token'])), 400, 'invalid_grant')
      isError(await instance.token(redeem(id, code)), 400, 'invalid_grant')
    }
    assert.equal(flow.provider.count('/token'), 1)
    const revocations = flow.provider.requests.filter(({ path }) => path === '/revoke').map((
      { params }
    ) => params.get('token'))
    assert.deepEqual(revocations, [upstreamToken], 'at the provider too, once')
  }
)

matrix(
  'POST /oauth/token redeems each code once in 20 parallel requests [T-15 F-18]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2, wrap: racing })
    const id = await flow.register()
    const codes: string[] = []
    for (let index = 0; index < sweep(20); index++) codes.push(await flow.login(id))
    const outcomes = await Promise.all(codes.map(async code => {
      const replies = await Promise.all(
        Array.from(
          { length: 20 },
          (_, index) => (flow.instances[index % 2] as typeof flow).token(redeem(id, code))
        )
      )
      for (const reply of replies) if (reply.status !== 200) isError(reply, 400, 'invalid_grant')
      return replies.filter(({ status }) => status === 200).length
    }))
    assert.deepEqual(outcomes, codes.map(() => 1))
    assert.equal(flow.provider.count('/token'), codes.length)
  },
  { serial: true }
)

matrix(
  'POST /oauth/token gives one of two parallel requests with a code the tokens, which stay valid [T-15 field:S6]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2, wrap: racing })
    const id = await flow.register()
    for (const second of flow.instances) {
      const code = await flow.login(id)
      const replies = await Promise.all([
        flow.token(redeem(id, code)),
        second.token(redeem(id, code))
      ])
      const [won, lost] = replies.sort((a, b) => a.status - b.status)
      isError(lost as Reply, 400, 'invalid_grant')
      const tokens = won?.json() ?? {}
      assert.equal((await flow.call(tokens['access_token'])).status, 200)
      assert.equal((await flow.token(renew(id, tokens['refresh_token']))).status, 200)
    }
  }
)

matrix(
  'POST /oauth/token ends no grant for a used code with a wrong verifier or redirect URI [T-14]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const code = await flow.login(id)
    const tokens = (await flow.token(redeem(id, code))).json()
    const guess = { code_verifier: 'x'.repeat(43) }
    isError(await flow.token(redeem(id, code, guess)), 400, 'invalid_grant')
    const elsewhere = { redirect_uri: 'https://evil.example' }
    isError(await flow.token(redeem(id, code, elsewhere)), 400, 'invalid_grant')
    assert.equal((await flow.call(tokens['access_token'])).status, 200)
  }
)

matrix(
  'POST /oauth/token redeems a code once on instances without a shared store [T-15]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const id = await flow.register()
    const code = await flow.login(id)
    const replies = await Promise.all(
      flow.instances.map(instance => instance.token(redeem(id, code)))
    )
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 400])
  },
  { shared: false }
)

matrix('POST /oauth/token redeems a code after a restart [F-16]', async ({ startFlow }) => {
  const flow = await startFlow()
  const id = await flow.register()
  const code = await flow.login(id)
  await flow.app.close()
  const next = await flow.addInstance()
  assert.equal((await next.token(redeem(id, code))).status, 200)
})

matrix(
  'two instances without a shared store complete a login, each step at another',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const [one, two] = flow.instances as [typeof flow.instances[0], typeof flow.instances[0]]
    for (const [a, b] of [[one, two], [two, one]]) {
      const id = await (b as typeof one).register()
      const tokens = await flow.tokens(id, { at: [a, b, a, b] as Array<typeof one> })
      assert.equal((await (a as typeof one).call(tokens.access_token)).status, 200)
      const next = (await (a as typeof one).token(renew(id, tokens.refresh_token))).json()
      assert.equal((await (b as typeof one).call(next['access_token'])).status, 200)
      assert.equal((await (b as typeof one).token(renew(id, next['refresh_token']))).status, 200)
    }
  },
  { shared: false }
)

matrix(
  'POST /oauth/token returns 503 when the store fails, and issues nothing twice [F-13 F-17]',
  async ({ startFlow }) => {
    let [step, broken] = [0, -1]
    const breaking =
      <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (step++ === broken) throw new Error('canary-store redis://user:password@host')
        return await operation(...args)
      }
    const flow = await startFlow({
      wrap: ({ putIfAbsent, get, put }) => ({
        putIfAbsent: breaking(putIfAbsent),
        get: breaking(get),
        put: breaking(put)
      })
    })
    const id = await flow.register()

    let most = Infinity
    let index = 0
    for (; index <= most; index++) {
      broken = -1
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(id))
      ;[step, broken] = [0, index]
      const attempt = async (request: () => Promise<Awaited<ReturnType<typeof flow.send>>>) => {
        const reply = await request()
        if (reply.status >= 400) {
          assert.equal(reply.status, 503, reply.text)
          assert.equal(reply.headers.get('retry-after'), '5')
          assert.doesNotMatch(reply.text, /canary|redis/)
        }
        return reply
      }
      const approved = await attempt(() =>
        browser.post(flow, '/oauth/consent', { request, action: 'approve' })
      )
      if (approved.status !== 303) continue
      const callbackQuery = await signIn(approved.location as URL)
      const cookie = browser.cookie()
      const callback = await attempt(() =>
        flow.send(`/oauth/callback?${callbackQuery}`, { headers: { accept: 'text/html', cookie } })
      )
      if (callback.status !== 302) continue
      const code = callback.location?.searchParams.get('code') ?? ''
      const first = await attempt(() => flow.token(redeem(id, code)))
      if (first.status !== 200) {
        const again = await flow.token(redeem(id, code))
        assert.ok(
          [200, 400].includes(again.status),
          'continues, or fails so that the client can start again'
        )
        continue
      }
      const tokens = first.json()
      const called = await attempt(() => flow.call(tokens['access_token']))
      if (called.status !== 200) assert.equal((await flow.call(tokens['access_token'])).status, 200)
      const renewed = await attempt(() => flow.token(renew(id, tokens['refresh_token'])))
      if (renewed.status !== 200) {
        const again = await flow.token(renew(id, tokens['refresh_token']))
        assert.equal(again.status, 200, `broken at ${broken}: ${again.text}`)
      }
      const revoked = await attempt(() =>
        flow.revoke({ client_id: id, token: tokens['refresh_token'] })
      )
      if (revoked.status !== 200) {
        assert.equal(
          (await flow.revoke({ client_id: id, token: tokens['refresh_token'] })).status,
          200
        )
      }
      // A run that failed nowhere has as many steps as there are.
      if (broken >= step) most = step
      broken = -1
      isError(await flow.token(renew(id, tokens['refresh_token'])), 400, 'invalid_grant')
    }
    assert.ok(index > 10, `every step was tried: ${index}`)
  }
)

matrix(
  'POST /oauth/token returns 503 in a second if the store hangs or throws [F-13]',
  async ({ startFlow }) => {
    for (
      const operation of [() => new Promise<never>(() => {}), () => {
        throw new Error('canary-store')
      }] as Array<() => Promise<never>>
    ) {
      const flow = await startFlow({
        options: { store: { putIfAbsent: operation, get: operation, put: operation } }
      })
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(await flow.register()))
      const reply = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
      assert.deepEqual([reply.status, reply.location], [503, null])
      assert.deepEqual(reply.cookies, [])
    }
  },
  { shared: false }
)

matrix(
  'POST /oauth/token keeps the tokens for a client that disconnects and comes again [F-23 field:S6]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const code = await flow.login(id)
    flow.provider.delay = 300
    const body = query(redeem(id, code))
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(flow.origin).port) })
    socket.write(
      `POST ${flow.prefix}/oauth/token HTTP/1.1\r\nhost: x\r\n` +
        'content-type: application/x-www-form-urlencoded\r\n' +
        `content-length: ${body.length}\r\n\r\n${body}`
    )
    while (flow.provider.count('/token') === 0) await sleep(10)
    socket.destroy()
    await once(socket, 'close')
    assert.equal((await flow.token(redeem(id, code))).status, 200)
    assert.equal(flow.provider.count('/token'), 1)
    assert.equal((await fetch(`${flow.origin}/host`)).status, 200, 'I10')
  }
)

matrix('POST /oauth/token stores nothing for guesses [T-30 S-10]', async ({ startFlow }) => {
  const { wrap, writes } = recordWrites()
  const flow = await startFlow({ wrap })
  const id = await flow.register()
  for (let index = 0; index < 200; index++) {
    isError(
      await flow.token(index % 2 ? redeem(id, `guess${index}`) : renew(id, `guess${index}`)),
      400,
      'invalid_grant'
    )
  }
  assert.deepEqual(writes, [])
})

matrix(
  'POST /oauth/token behaves the same on a host with its own hooks and parsers [G-19]',
  async ({ startFlow }) => {
    const flow = await startFlow({ app: () => customizedHost({ key: 'x' }) })
    const id = await flow.register()
    const code = await flow.login(id)
    isError(
      await flow.token(redeem(id, code, { redirect_uri: 'https://evil.example' })),
      400,
      'invalid_grant'
    )
    isError(await flow.token(`${query(redeem(id, code))}&code=x`), 400, 'invalid_request')
    isError(
      await flow.send('/oauth/token', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}'
      }),
      400,
      'invalid_request'
    )
    isError(await flow.send('/oauth/token', { method: 'POST' }), 400, 'invalid_request', 'G-18')
    const tokens = (await flow.token(redeem(id, code))).json()
    const next = (await flow.token(renew(id, tokens['refresh_token']))).json()
    assert.equal((await flow.revoke({ client_id: id, token: next['refresh_token'] })).status, 200)
    isError(await flow.token(renew(id, next['refresh_token'])), 400, 'invalid_grant')
  }
)

matrix(
  'POST /oauth/token keeps no lasting mark for codes without a login [D11]',
  async ({ startFlow }) => {
    const { wrap, writes } = recordWrites()
    const flow = await startFlow({ wrap })
    const id = await flow.register()
    for (const more of [{ code_verifier: 'x'.repeat(43) }, {}]) {
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(id))
      const { location } = await browser.post(flow, '/oauth/consent', {
        request,
        action: 'approve'
      })
      const state = location?.searchParams.get('state') ?? ''
      const callback = await browser.get(flow, `/oauth/callback?code=invented&state=${state}`)
      const code = callback.location?.searchParams.get('code') ?? ''
      for (let attempt = 0; attempt < 7; attempt++) {
        isError(
          await flow.token(redeem(id, code, more)),
          400,
          'invalid_grant'
        )
      }
    }
    assert.equal(flow.provider.count('/authorize'), 0)
    assert.deepEqual(
      writes.filter(({ key, ttl }) => /:(?:revoked|family):/.test(key) || ttl > 3_660),
      []
    )
  }
)
