import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { McpOAuthError } from '../../lib/errors.ts'
import type { McpOAuthOptions, Store } from '../../lib/index.ts'
import { matrix } from '../support/matrix.ts'
import { claimsOf, isError, redeem, renew, type Flow, type Instance } from '../support/flow.ts'
import { racing, recordWrites } from '../support/stores.ts'

/** The tokens of a response, whose times differ from those of an earlier one. */
function pairOf ({ access_token: access, refresh_token: refresh }: Record<string, string>) {
  return { access, refresh }
}

async function session (flow: Flow, params: Record<string, string> = {}) {
  const id = await flow.register()
  const tokens = await flow.tokens(id, { params })
  return {
    id,
    tokens,
    refresh: (token: string, more: Record<string, string | undefined> = {}, at: Instance = flow) =>
      at.token(renew(id, token, more))
  }
}

matrix(
  'POST /oauth/token rejects an invalid refresh and does not use the token [T-19 T-20 T-27 TK-06]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { id, tokens, refresh } = await session(flow)
    const { access_token: access, refresh_token: token } = tokens
    const other = await flow.register()
    const requestCount = flow.provider.count('/token')
    const code = await flow.login(id)
    for (
      const value of [
        'x',
        '',
        token.slice(0, -1),
        `${token}A`,
        `${token}.`,
        access,
        code,
        [...flow.provider.refreshTokens.keys()][0]
      ]
    ) {
      isError(
        await refresh(value as string),
        400,
        value === '' ? 'invalid_request' : 'invalid_grant',
        `T-19 ${value?.slice(0, 20)}`
      )
    }
    isError(await flow.token(redeem(id, access)), 400, 'invalid_grant', 'T-27')
    isError(await flow.token(redeem(id, token)), 400, 'invalid_grant', 'T-27')
    const called = await flow.call(token)
    assert.equal(called.status, 401, 'T-27')
    assert.match(called.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
    isError(await flow.token(renew(other, token)), 400, 'invalid_grant', 'T-19')
    isError(await flow.token(renew('unknown', token)), 401, 'invalid_client')
    isError(await refresh(token, { client_secret: 'x' }), 401, 'invalid_client')
    for (
      const scope of ['mcp:write', 'mcp:read mcp:write', 'mcp:write offline_access', '"']
    ) { isError(await refresh(token, { scope }), 400, 'invalid_scope', `T-20 ${scope}`) }
    isError(
      await refresh(token, { resource: 'https://evil.example' }),
      400,
      'invalid_target',
      'T-20'
    )
    assert.equal(flow.provider.count('/token'), requestCount)
    assert.equal((await refresh(token, { resource: flow.resource, scope: 'mcp:read' })).status, 200)
  }
)

matrix(
  'POST /oauth/token returns a new pair per refresh, and repeats a lost response [TK-04 T-22 CD-12]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { id, tokens, refresh } = await session(flow)
    const first = (await refresh(tokens.refresh_token)).json()
    assert.deepEqual(Object.keys(first), [
      'access_token',
      'token_type',
      'expires_in',
      'scope',
      'refresh_token',
      'refresh_token_expires_in'
    ])
    assert.notEqual(first['refresh_token'], tokens.refresh_token)
    assert.notEqual(first['access_token'], tokens.access_token)
    const [before, after] = [claimsOf(tokens.access_token), claimsOf(first['access_token'])]
    assert.deepEqual([after['gid'], after['sub'], after['aud'], after['client_id']], [
      before['gid'],
      'alice',
      flow.resource,
      id
    ])
    assert.deepEqual(
      pairOf((await refresh(tokens.refresh_token)).json()),
      pairOf(first),
      'T-22'
    )
    assert.equal(flow.provider.count('/token'), 2)
    const second = (await refresh(first['refresh_token'])).json()
    for (const token of [first['access_token'], second['access_token']]) {
      assert.equal(
        (await flow.call(token)).status,
        200
      )
    }
  }
)

matrix('POST /oauth/token narrows the access token, not the grant', async ({ startFlow }) => {
  const flow = await startFlow()
  const { tokens, refresh } = await session(flow, { scope: 'mcp:read mcp:write' })
  const narrowed = (await refresh(tokens.refresh_token, { scope: 'mcp:read' })).json()
  assert.equal(claimsOf(narrowed['access_token'])['scope'], 'mcp:read')
  assert.equal((await refresh(narrowed['refresh_token'])).json()['scope'], 'mcp:read mcp:write')
})

for (const onReuse of ['revoke', 'refuse'] as const) {
  const outcome = onReuse === 'revoke' ? 'ends the grant of' : 'refuses only'
  matrix(
    `POST /oauth/token ${outcome} a refresh token whose successor was used long ago [T-21 F-19 field:S2]`,
    async ({ startFlow }, t) => {
      const flow = await startFlow({ instances: 2, options: { refresh: { onReuse } } })
      const { id, tokens, refresh } = await session(flow)
      const [one, two] = flow.instances
      const next = (await refresh(tokens.refresh_token)).json()
      const now = Date.now()
      t.mock.timers.enable({ apis: ['Date'], now: now + 3_000_000 })
      const last = (await refresh(next['refresh_token'], {}, one)).json()
      t.mock.timers.setTime(now + 3_000_000 + 599_000)
      for (const token of [tokens.refresh_token, next['refresh_token']]) {
        assert.deepEqual(
          pairOf((await refresh(token, {}, two)).json()),
          pairOf(last),
          'copies get the newest tokens'
        )
      }
      const lines = flow.logs.filter(line => line.includes('A copy of a refresh token'))
        .map(line => JSON.parse(line))
      assert.deepEqual(lines.map(({ generation }) => generation), [0, 1])
      for (const line of lines) {
        assert.deepEqual([line.client, typeof line.reqId], [
          JSON.stringify(id).slice(0, 202),
          'string'
        ])
        assert.equal(line.grant, claimsOf(last['access_token'])['gid'])
      }
      t.mock.timers.setTime(now + 3_000_000 + 602_000)
      isError(await refresh(tokens.refresh_token, {}, two), 400, 'invalid_grant')
      await sleep(1_050)
      const status = onReuse === 'revoke' ? 401 : 200
      for (const instance of flow.instances) {
        assert.equal((await instance.call(last['access_token'])).status, status)
      }
      const again = await refresh(last['refresh_token'], {}, two)
      assert.equal(again.status, onReuse === 'revoke' ? 400 : 200, again.text)
      assert.equal(flow.provider.count('/revoke'), onReuse === 'revoke' ? 1 : 0)
    },
    { serial: true }
  )
}

matrix(
  'POST /oauth/token gives a copy the newest tokens days later, if they were not used [field:S2]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    const { tokens, refresh } = await session(flow)
    const next = (await refresh(tokens.refresh_token)).json()
    const requestCount = flow.provider.count('/token')
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 4 * 86_400_000 })
    const late = (await refresh(tokens.refresh_token)).json()
    assert.equal(flow.provider.count('/token'), requestCount + 1, 'the access token had expired')
    assert.equal((await flow.call(late['access_token'])).status, 200)
    assert.deepEqual(pairOf((await refresh(next['refresh_token'])).json()), pairOf(late))
    assert.equal((await refresh(late['refresh_token'])).status, 200)
  },
  { serial: true }
)

matrix(
  'POST /oauth/token accepts the token of a file while other processes only keep their own [field:S2]',
  async ({ startFlow }, t) => {
    const flow = await startFlow({ instances: 2, options: { refresh: { onReuse: 'refuse' } } })
    const { tokens: file, refresh } = await session(flow)
    const now = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now })
    for (const hours of [2, 4, 6, 8]) {
      t.mock.timers.setTime(now + hours * 3_600_000)
      assert.equal(
        (await refresh(file.refresh_token, {}, flow.instances[hours / 2 % 2])).status,
        200
      )
    }
  },
  { serial: true }
)

matrix(
  'POST /oauth/token detects a thief who always refreshes just before the client [field:S2]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    const { tokens: stolen, refresh } = await session(flow)
    const own = (await refresh(stolen.refresh_token)).json()
    const now = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now: now + 7_200_000 })
    const thief = (await refresh(stolen.refresh_token)).json()
    assert.deepEqual(pairOf((await refresh(own['refresh_token'])).json()), pairOf(thief))
    t.mock.timers.setTime(now + 7_200_000 + 602_000)
    isError(await refresh(stolen.refresh_token), 400, 'invalid_grant')
    isError(await refresh(own['refresh_token']), 400, 'invalid_grant')
  },
  { serial: true }
)

matrix(
  'POST /oauth/token accepts a copy after its grace if it was refused with a 503 before [field:S2]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    flow.provider.rotation = 'silent'
    const { tokens, refresh } = await session(flow, { scope: 'mcp:read mcp:write' })
    const next = (await refresh(tokens.refresh_token)).json()
    const now = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now })
    const newest = (await refresh(next['refresh_token'])).json()
    t.mock.timers.setTime(now + 500_000)
    flow.provider.fail.set('/token', 'error')
    // This copy needs another access token than the newest one.
    isError(
      await refresh(tokens.refresh_token, { scope: 'mcp:read' }),
      503,
      'temporarily_unavailable'
    )
    t.mock.timers.setTime(now + 5_000_000)
    flow.provider.fail.clear()
    assert.equal((await refresh(newest['refresh_token'])).status, 200)
    assert.equal((await refresh(tokens.refresh_token)).status, 200)
  },
  { serial: true }
)

matrix(
  'POST /oauth/token ignores scopes at a refresh that the login ignored [field:S1]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { tokens, refresh } = await session(flow, {
      scope: 'mcp:read mcp:write openid offline_access'
    })
    let token = tokens.refresh_token
    for (
      const [scope, granted] of [
        ['mcp:read openid offline_access', 'mcp:read'],
        ['offline_access', 'mcp:read mcp:write'],
        ['elsewhere', 'mcp:read mcp:write']
      ] as const
    ) {
      const reply = await refresh(token, { scope })
      assert.deepEqual([reply.status, reply.json()['scope']], [200, granted], scope)
      token = reply.json()['refresh_token']
    }
    flow.provider.refreshTokens.clear()
    await refresh(token)
    isError(await refresh(token, { scope: 'admin' }), 400, 'invalid_grant')
  }
)

matrix(
  'POST /oauth/token returns one pair for 20 parallel refreshes [T-23 F-19]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2, wrap: racing })
    const { tokens, refresh } = await session(flow)
    flow.provider.delay = 150
    const replies = await Promise.all(
      Array.from(
        { length: 20 },
        (_, index) => refresh(tokens.refresh_token, {}, flow.instances[index % 2])
      )
    )
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [200])
    assert.equal(new Set(replies.map(({ json }) => json()['refresh_token'])).size, 1)
    assert.equal(flow.provider.count('/token'), 2)
    const next = replies[0]?.json() ?? {}
    assert.equal((await flow.call(next['access_token'])).status, 200)
    assert.equal((await refresh(next['refresh_token'])).status, 200)
  }
)

matrix(
  'POST /oauth/token ignores scopes at a refresh that authorizeUser withheld [field:S1]',
  async ({ startFlow }) => {
    const flow = await startFlow({
      options: { authorizeUser: () => ({ scopes: ['mcp:read'] }) }
    })
    const { tokens, refresh } = await session(flow, { scope: 'mcp:read mcp:write' })
    const reply = await refresh(tokens.refresh_token, { scope: 'mcp:read mcp:write' })
    assert.deepEqual([reply.status, reply.json()['scope']], [200, 'mcp:read'])
  }
)

for (
  const [status, error] of [
    [403, 'rate_limit_exceeded'],
    [400, 'unsupported_grant_type'],
    [400, 'service_unavailable'],
    [403, 'request_blocked'],
    [200, 'internal_server_error']
  ] as const
) {
  matrix(
    `POST /oauth/token keeps the grant if the provider sends ${status} ${error} [field:S6]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      flow.provider.rotation = 'silent'
      const { tokens, refresh } = await session(flow)
      flow.provider.fail.set('/token', { status, body: JSON.stringify({ error }) })
      assert.ok([502, 503].includes((await refresh(tokens.refresh_token)).status))
      flow.provider.fail.clear()
      assert.equal((await refresh(tokens.refresh_token)).status, 200)
    }
  )
}

matrix(
  'POST /oauth/token ends no grant for a copy that it does not know [field:S2]',
  async ({ startFlow }) => {
    // The second instance has a memory of its own, as after a restart.
    const flow = await startFlow({ instances: 2 })
    const { tokens, refresh } = await session(flow)
    const next = (await refresh(tokens.refresh_token)).json()
    const [one, two] = flow.instances
    isError(await refresh(tokens.refresh_token, {}, two), 400, 'invalid_grant')
    for (const instance of [one, two]) {
      assert.equal((await (instance as Instance).call(next['access_token'])).status, 200)
    }
    assert.equal((await refresh(next['refresh_token'], {}, two)).status, 200)
  },
  { shared: false }
)

matrix(
  'POST /oauth/token ends refresh tokens with a lifetime that was reduced [field:S2]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    flow.provider.rotation = 'silent'
    const { tokens, refresh } = await session(flow)
    const lifetimes = { refreshIdle: 86_400, refreshAbsolute: 86_400 }
    const strict = await flow.addInstance({ lifetimes })
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 86_401_000 })
    isError(await refresh(tokens.refresh_token, {}, strict), 400, 'invalid_grant')
  },
  { serial: true }
)

matrix(
  'POST /oauth/token takes a copy after its grace that was refused while the store failed [field:S3]',
  async ({ startFlow }, t) => {
    let down = false
    const flow = await startFlow({
      options: { refresh: { grace: 60 } },
      wrap: store => ({
        ...store,
        async get (key) {
          if (down) throw new Error('down')
          return await store.get(key)
        }
      })
    })
    const { tokens, refresh } = await session(flow)
    const next = (await refresh(tokens.refresh_token)).json()
    const now = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now })
    const newest = (await refresh(next['refresh_token'])).json()
    down = true
    isError(await refresh(tokens.refresh_token), 503, 'temporarily_unavailable')
    down = false
    t.mock.timers.setTime(now + 120_000)
    assert.deepEqual(pairOf((await refresh(tokens.refresh_token)).json()), pairOf(newest))
  },
  { serial: true }
)

matrix(
  'POST /oauth/token sends the store a handful of commands for 20 parallel refreshes [field:A14]',
  async ({ startFlow }) => {
    let commands = 0
    const count = <A extends unknown[], R>(operation: (...args: A) => R) => (...args: A): R => {
      commands++
      return operation(...args)
    }
    const flow = await startFlow({
      wrap: ({ get, put, putIfAbsent }) => ({
        get: count(get),
        put: count(put),
        putIfAbsent: count(putIfAbsent)
      })
    })
    const { tokens, refresh } = await session(flow)
    // Until the last request arrives.
    flow.provider.delay = 500
    commands = 0
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => refresh(tokens.refresh_token))
    )
    assert.ok(replies.every(({ status }) => status === 200))
    assert.ok(commands <= 11, `${commands} commands`)
    commands = 0
    assert.equal((await refresh(tokens.refresh_token)).status, 200)
    assert.ok(commands <= 3, `${commands} commands for a copy`)
  }
)

matrix(
  'POST /oauth/token repeats no response of a grant that was revoked meanwhile [T-23 V-05]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { id, tokens, refresh } = await session(flow)
    const next = (await refresh(tokens.refresh_token)).json()
    assert.equal((await refresh(tokens.refresh_token)).json()['access_token'], next['access_token'])
    await flow.revoke({ client_id: id, token: next['refresh_token'] })
    isError(await refresh(tokens.refresh_token), 400, 'invalid_grant')
  }
)

matrix(
  'POST /oauth/token ends a grant that the provider ended, with one request [T-24]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { tokens, refresh } = await session(flow)
    flow.provider.refreshTokens.clear()
    flow.provider.delay = 100
    for (
      const reply of await Promise.all(
        Array.from({ length: 10 }, () => refresh(tokens.refresh_token))
      )
    ) isError(reply, 400, 'invalid_grant')
    assert.equal(flow.provider.count('/token'), 2)
    assert.equal((await flow.call(tokens.access_token)).status, 401)
  }
)

for (
  const [fault, status] of Object.entries(
    {
      unavailable: 503,
      error: 503,
      reset: 503,
      resetMidBody: 503,
      oversize: 502
    } as const
  )
) {
  matrix(
    `POST /oauth/token keeps the refresh token valid when the provider fails: ${fault} [T-25]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      flow.provider.rotation = 'silent'
      const { tokens, refresh } = await session(flow)
      flow.provider.fail.set('/token', fault as 'error')
      const reply = await refresh(tokens.refresh_token)
      isError(reply, status, 'temporarily_unavailable')
      assert.equal(reply.headers.get('retry-after'), '5')
      flow.provider.fail.clear()
      assert.equal((await flow.call(tokens.access_token)).status, 200)
      assert.equal((await refresh(tokens.refresh_token)).status, 200)
    }
  )
}

// They mostly wait.
describe('late answers', { concurrency: true }, () => {
  matrix(
    'POST /oauth/token returns 504 after five seconds, and the late tokens of the provider then [field:S4]',
    async ({ startFlow }) => {
      const flow = await startFlow()
      const { id, tokens, refresh } = await session(flow)
      const code = await flow.login(id)
      const requestCount = flow.provider.count('/token')
      flow.provider.delay = 6_500
      const requests = [() => refresh(tokens.refresh_token), () => flow.token(redeem(id, code))]
      for (const reply of await Promise.all(requests.map(send => send()))) {
        isError(reply, 504, 'temporarily_unavailable')
        assert.equal(reply.headers.get('retry-after'), '5')
      }
      for (const reply of await Promise.all(requests.map(send => send()))) {
        assert.equal(reply.status, 200, reply.text)
        const { access_token: access, refresh_token: next } = reply.json()
        assert.equal((await flow.call(access)).status, 200)
        flow.provider.delay = 0
        assert.equal((await refresh(next)).status, 200)
      }
      assert.equal(flow.provider.count('/token'), requestCount + 4)
    }
  )

  matrix(
    'POST /oauth/token blames authorizeUser and not the provider if that takes too long [field:S4]',
    async ({ startFlow }) => {
      let milliseconds = 0
      const flow = await startFlow({
        options: {
          authorizeUser: async () => {
            await sleep(milliseconds)
            return true
          }
        }
      })
      const id = await flow.register()
      const code = await flow.login(id)
      milliseconds = 5_500
      const reply = await flow.token(redeem(id, code))
      isError(reply, 503, 'temporarily_unavailable')
      assert.doesNotMatch(reply.text, /provider/)
      const line = flow.logs.find(line => line.includes('FST_MCP_OAUTH_POLICY_UNAVAILABLE'))
      assert.match(line ?? '', /still waiting for authorizeUser/)
      milliseconds = 0
      // Requests wait for the same run of the hook until it has timed out.
      while ((await flow.token(redeem(id, code))).status !== 200) await sleep(100)
    }
  )
})

const firewall = { status: 403, body: '<h1>Request blocked</h1>', type: 'text/html' }
for (
  const fault of ['garbage', 'html', 'null', 'array', 'redirect', 'missing', firewall] as const
) {
  matrix(
    `POST /oauth/token keeps the refresh token valid when the provider returns ${
      typeof fault === 'string' ? fault : fault.status
    } [T-25]`,
    async ({ startFlow }) => {
      const flow = await startFlow()
      flow.provider.rotation = 'silent'
      const { tokens, refresh } = await session(flow)
      flow.provider.fail.set('/token', fault)
      isError(await refresh(tokens.refresh_token), 502, 'temporarily_unavailable')
      flow.provider.fail.clear()
      assert.equal((await flow.call(tokens.access_token)).status, 200)
      assert.equal((await refresh(tokens.refresh_token)).status, 200)
    }
  )
}

matrix(
  'POST /oauth/token ends the grant on permanent errors of the provider only [T-24 T-25]',
  async ({ startFlow }) => {
    for (
      const [error, status, after] of [['invalid_request', 400, 400], [
        'slow_down',
        503,
        200
      ]] as const
    ) {
      const flow = await startFlow()
      flow.provider.rotation = 'silent'
      const { tokens, refresh } = await session(flow)
      flow.provider.fail.set('/token', { status: 400, body: JSON.stringify({ error }) })
      assert.equal((await refresh(tokens.refresh_token)).status, status)
      flow.provider.fail.clear()
      assert.equal((await refresh(tokens.refresh_token)).status, after)
    }
  }
)

matrix(
  'POST /oauth/token tells how long the provider asks its clients to wait [field:S6]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    flow.provider.rotation = 'silent'
    const { tokens, refresh } = await session(flow)
    for (const [given, told] of [['37', '37'], ['9999', '5'], ['x', '5'], ['-1', '5']] as const) {
      const headers = { 'retry-after': given }
      flow.provider.fail.set('/token', { status: 429, body: '{"error":"rate_limited"}', headers })
      const reply = await refresh(tokens.refresh_token)
      isError(reply, 503, 'temporarily_unavailable')
      assert.equal(reply.headers.get('retry-after'), told)
      flow.provider.fail.set('/token', { status: 503, body: 'x', headers })
      assert.equal((await refresh(tokens.refresh_token)).headers.get('retry-after'), told)
    }
    flow.provider.fail.clear()
    assert.equal((await refresh(tokens.refresh_token)).status, 200)
  }
)

matrix(
  'POST /oauth/token keeps the grant when the provider rejects our credentials [T-25]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    flow.provider.rotation = 'silent'
    const { tokens, refresh } = await session(flow)
    flow.provider.fail.set('/token', { status: 401, body: '{"error":"invalid_client"}' })
    isError(await refresh(tokens.refresh_token), 502, 'temporarily_unavailable')
    flow.provider.fail.clear()
    assert.equal((await refresh(tokens.refresh_token)).status, 200)
  }
)

matrix(
  'POST /oauth/token refreshes whether or not the provider rotates its tokens [T-26]',
  async ({ startFlow }) => {
    for (const rotation of ['rotated', 'same', 'silent'] as const) {
      const flow = await startFlow()
      flow.provider.rotation = rotation
      const { tokens, refresh } = await session(flow)
      let token = tokens.refresh_token
      for (let index = 0; index < 3; index++) {
        const reply = await refresh(token)
        assert.equal(reply.status, 200, rotation)
        token = reply.json()['refresh_token']
      }
      const refreshRequests = flow.provider.requests.filter(({ params }) =>
        params.get('grant_type') === 'refresh_token'
      ).map(({ params }) => params.get('refresh_token'))
      assert.equal(new Set(refreshRequests).size, rotation === 'rotated' ? 3 : 1)
    }
  }
)

matrix(
  'POST /oauth/token returns no refresh token if the provider returns none',
  async ({ startFlow }) => {
    const flow = await startFlow()
    flow.provider.tokenOverrides = { refresh_token: undefined }
    const { tokens } = await session(flow)
    assert.deepEqual(Object.keys(tokens), ['access_token', 'token_type', 'expires_in', 'scope'])
  }
)

matrix(
  'POST /oauth/token returns a refresh token if the user can be rechecked',
  async ({ startFlow }) => {
    let removed = false
    const provider = {
      recheck: true,
      identify: async () => {
        if (removed) throw new McpOAuthError('invalidGrant')
        return { sub: 7, login: 'alice' }
      }
    }
    const flow = await startFlow({ options: { provider } })
    flow.provider.tokenOverrides = { refresh_token: undefined, id_token: undefined }
    const { tokens, refresh } = await session(flow)
    assert.equal(claimsOf(tokens.access_token)['sub'], '7')
    const next = (await refresh(tokens.refresh_token)).json()
    assert.equal(claimsOf(next['access_token'])['sub'], '7')
    removed = true
    isError(await refresh(next['refresh_token']), 400, 'invalid_grant')
    assert.equal(flow.provider.count('/token'), 1)
  }
)

matrix(
  'POST /oauth/token ends the grant when the provider responds for another user [F-31]',
  async ({ startFlow }) => {
    let sub = 'alice'
    const flow = await startFlow({ options: { provider: { identify: async () => ({ sub }) } } })
    const { tokens, refresh } = await session(flow)
    sub = 'bob'
    isError(await refresh(tokens.refresh_token), 400, 'invalid_grant')
    assert.equal((await flow.call(tokens.access_token)).status, 401)
  }
)

matrix(
  'POST /oauth/token returns an error if the recheck hangs, and keeps the token [F-28 T-25]',
  async ({ startFlow }) => {
    let hangs = false
    const flow = await startFlow({
      options: {
        provider: {
          identify: async () => hangs ? await new Promise<never>(() => {}) : { sub: 'alice' }
        }
      }
    })
    const { tokens, refresh } = await session(flow)
    hangs = true
    isError(await refresh(tokens.refresh_token), 504, 'temporarily_unavailable')
    hangs = false
    await sleep(500)
    assert.equal((await refresh(tokens.refresh_token)).status, 200)
  }
)

matrix('POST /oauth/token ends the grant of an unknown user [F-31]', async ({ startFlow }) => {
  let user: { sub: string } | undefined = { sub: 'alice' }
  const flow = await startFlow({ options: { provider: { identify: (async () => user) as never } } })
  const { tokens, refresh } = await session(flow)
  user = undefined
  isError(await refresh(tokens.refresh_token), 400, 'invalid_grant')
})

matrix(
  'POST /oauth/token runs authorizeUser again when the user is rechecked [B-16 F-28]',
  async ({ startFlow }) => {
    let verdict: unknown = { scopes: ['mcp:read', 'mcp:write'], claims: { team: 'a' } }
    const authorizeUser = (() => verdict) as NonNullable<McpOAuthOptions['authorizeUser']>
    const flow = await startFlow({
      options: { authorizeUser, provider: { identify: async () => ({ sub: 'alice' }) } }
    })
    flow.provider.rotation = 'silent'
    const { tokens, refresh } = await session(flow, { scope: 'mcp:read mcp:write' })
    verdict = { scopes: ['mcp:read'], claims: { team: 'b' } }
    const next = (await refresh(tokens.refresh_token)).json()
    assert.deepEqual([next['scope'], claimsOf(next['access_token'])['team']], ['mcp:read', 'b'])
    verdict = null
    isError(await refresh(next['refresh_token']), 500, 'server_error')
    verdict = false
    isError(await refresh(next['refresh_token']), 400, 'access_denied')
    verdict = true
    isError(await refresh(next['refresh_token']), 400, 'invalid_grant')
  }
)

for (const where of ['authorizeUser', 'identify'] as const) {
  matrix(
    `POST /oauth/token keeps the grant if ${where} fails after the provider rotated [F-28 T-25]`,
    async ({ startFlow }) => {
      let down = false
      const fail = (): true => {
        if (down) throw new McpOAuthError('providerUnavailable')
        return true
      }
      const flow = await startFlow({
        options: {
          authorizeUser: () => where !== 'authorizeUser' || fail(),
          provider: {
            identify: async () => {
              if (where === 'identify') fail()
              return { sub: 'alice' }
            }
          }
        }
      })
      const { tokens, refresh } = await session(flow)
      down = true
      for (let attempt = 0; attempt < 2; attempt++) {
        assert.ok((await refresh(tokens.refresh_token)).status >= 500)
      }
      down = false
      const next = await refresh(tokens.refresh_token)
      assert.equal(next.status, 200, next.text)
      assert.equal((await refresh(next.json()['refresh_token'])).status, 200)
    }
  )
}

matrix(
  'POST /oauth/token returns tokens that the store does not take, and says so in the log [F-12 field:S11]',
  async ({ startFlow }) => {
    let outage = 0
    let end = -Infinity
    const flow = await startFlow({
      wrap: store => ({
        ...store,
        async put (key, value, ttl) {
          if (key.includes(':family:') && outage > 0) {
            ;[end, outage] = [performance.now() + outage, 0]
          }
          if (key.includes(':family:') && performance.now() < end) throw new Error('down')
          await store.put(key, value, ttl)
        }
      })
    })
    const one = await session(flow)
    outage = 1_000
    const kept = await one.refresh(one.tokens.refresh_token)
    assert.equal(kept.status, 200, 'a short outage does not affect the grant')

    const two = await session(flow)
    outage = Infinity
    const { refresh_token: next } = (await two.refresh(two.tokens.refresh_token)).json()
    assert.ok(flow.logs.some(line => line.includes('Could not store what a grant needs next')))
    const copy = (await two.refresh(two.tokens.refresh_token)).json()
    assert.equal(copy['refresh_token'], next, 'this instance remembers')
    end = -Infinity
    assert.equal((await two.refresh(next)).status, 200)
  }
)

matrix(
  'POST /oauth/token rejects a refresh token after 30 days, also if the clock goes back [S-12]',
  async ({ startFlow }, t) => {
    const flow = await startFlow()
    const { tokens, refresh } = await session(flow)
    const now = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now: now + 30 * 86_400_000 })
    isError(await refresh(tokens.refresh_token), 400, 'invalid_grant')
    t.mock.timers.setTime(now)
    const next = (await refresh(tokens.refresh_token)).json()
    const last = (await refresh(next['refresh_token'])).json()
    t.mock.timers.setTime(now + 601_000)
    isError(await refresh(tokens.refresh_token), 400, 'invalid_grant')
    t.mock.timers.setTime(now - 3_600_000)
    isError(await refresh(last['refresh_token']), 400, 'invalid_grant')
  },
  { serial: true }
)

matrix(
  'POST /oauth/token ignores the stored tokens of another grant [S-02]',
  async ({ startFlow }) => {
    const { wrap, writes } = recordWrites()
    let store: Store | undefined
    const flow = await startFlow({ wrap: inner => wrap(store = inner) })
    const victim = await session(flow)
    flow.provider.user = 'mallory'
    const attacker = await session(flow)
    await victim.refresh(victim.tokens.refresh_token)
    await attacker.refresh(attacker.tokens.refresh_token)
    const [entry, otherEntry] = [...new Map(
      writes.filter(({ key }) => key.includes(':family:')).map(write => [write.key, write])
    ).values()]
    await store?.put(otherEntry?.key ?? '', entry?.value ?? '', 30)
    isError(await attacker.refresh(attacker.tokens.refresh_token), 400, 'invalid_grant')
  }
)
