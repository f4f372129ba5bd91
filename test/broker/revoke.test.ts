import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../lib/index.ts'
import { matrix } from '../support/matrix.ts'
import { isError, renew, type Flow, type Reply } from '../support/flow.ts'
import { recordWrites } from '../support/stores.ts'

function isSuccess (reply: Reply): void {
  assert.deepEqual([reply.status, reply.text], [200, ''])
  assert.equal(reply.headers.get('access-control-allow-origin'), '*', 'G-17')
}

matrix(
  'POST /oauth/revoke keeps tokens of other clients and invalid tokens as they are [V-01 V-02 V-03 V-04 TK-08]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const [id, other] = [await flow.register(), await flow.register()]
    const tokens = await flow.tokens(id)
    const { access_token: access, refresh_token: refresh } = tokens
    for (
      const token of [
        'x',
        'a.b.c',
        'a.b.c.d.e',
        `${access.slice(0, -3)}AAA`,
        `${refresh}A`,
        'x'.repeat(60_000),
        id,
        'é',
        'eyJhbGciOiJub25lIn0.eyJnaWQiOiJ4In0.'
      ]
    ) isSuccess(await flow.revoke({ client_id: id, token }))
    for (const token of [access, refresh]) isSuccess(await flow.revoke({ client_id: other, token }))
    isError(
      await flow.revoke({ client_id: id, token: 'x'.repeat(100_000) }),
      413,
      'invalid_request',
      'V-01'
    )
    for (
      const params of [
        { client_id: id },
        { client_id: id, token: '' },
        `client_id=${id}&token=${refresh}&token=${refresh}`,
        { token: refresh }
      ]
    ) isError(await flow.revoke(params), 400, 'invalid_request', 'V-03')
    for (
      const params of [{ client_id: 'unknown', token: refresh }, {
        client_id: id,
        client_secret: 'x',
        token: refresh
      }]
    ) isError(await flow.revoke(params), 401, 'invalid_client', 'V-04')
    const basic = await flow.revoke({ token: refresh }, {
      authorization: `Basic ${Buffer.from(`${id}:x`).toString('base64')}`
    })
    isError(basic, 401, 'invalid_client', 'V-04')
    assert.match(basic.headers.get('www-authenticate') ?? '', /^Basic /)
    isError(await flow.send('/oauth/revoke'), 405, 'invalid_request')
    assert.equal(flow.provider.count('/revoke'), 0)
    assert.equal((await flow.call(access)).status, 200)
    assert.equal((await flow.token(renew(id, refresh))).status, 200)
  }
)

/** The tokens that were revoked at the provider. */
function endedAt ({ provider }: Flow): Array<string | null> {
  return provider.requests.filter(({ path }) => path === '/revoke').map(({ params }) =>
    params.get('token')
  )
}

async function waitForRevocations (flow: Flow, count: number): Promise<void> {
  while (flow.provider.count('/revoke') < count) await sleep(10)
}

for (
  const [kind, hint] of [['access_token', 'access_token'], ['refresh_token', undefined], [
    'refresh_token',
    'access_token'
  ], ['access_token', 'nonsense']] as const
) {
  matrix(
    `POST /oauth/revoke ends the grant of a ${kind} everywhere (hint: ${hint}) [V-05 V-06 V-08 Q-09]`,
    async ({ startFlow }) => {
      const flow = await startFlow({ instances: 2 })
      const id = await flow.register()
      const tokens = await flow.tokens(id)
      const [upstreamToken = ''] = flow.provider.refreshTokens.keys()
      const unaffected = await flow.tokens(id)
      for (const instance of flow.instances) {
        assert.equal((await instance.call(tokens.access_token)).status, 200)
      }
      isSuccess(await flow.revoke({ client_id: id, token: tokens[kind], token_type_hint: hint }))
      assert.equal(
        (await flow.call(tokens.access_token)).status,
        401,
        'at once at the revoking instance'
      )
      await sleep(1_050)
      for (const instance of flow.instances) {
        const rejected = await instance.call(tokens.access_token)
        assert.equal(rejected.status, 401)
        assert.match(rejected.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
        isError(await instance.token(renew(id, tokens.refresh_token)), 400, 'invalid_grant')
        assert.equal((await instance.call(unaffected.access_token)).status, 200)
        for (const token of [tokens.access_token, tokens.refresh_token]) {
          isSuccess(await instance.revoke({ client_id: id, token }))
        }
      }
      assert.deepEqual(endedAt(flow), [upstreamToken], 'once')
      assert.match(flow.provider.requests.at(-1)?.authorization ?? '', /^Basic /)
    }
  )
}

matrix(
  'POST /oauth/revoke revokes the newest token of the provider [V-05 V-06]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const [, other] = flow.instances as [Flow, Flow]
    const id = await flow.register()
    for (
      const [revoked, generation] of [['access_token', 0], ['refresh_token', 0], [
        'access_token',
        1
      ]] as const
    ) {
      flow.provider.requests.length = 0
      const generations = [await flow.tokens(id)]
      generations.push((await flow.token(renew(id, generations[0]?.['refresh_token']))).json())
      isSuccess(await other.revoke({ client_id: id, token: generations[generation]?.[revoked] }))
      await waitForRevocations(flow, 1)
      assert.deepEqual(endedAt(flow), [
        [...flow.provider.refreshTokens.keys(), ...endedAt(flow)].at(-1)
      ])
      assert.equal(flow.provider.refreshTokens.size, 0)
    }
  }
)

matrix(
  'POST /oauth/revoke revokes the access token of a provider without refresh tokens [V-05]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    flow.provider.tokenOverrides = { refresh_token: undefined }
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    isSuccess(await flow.revoke({ client_id: id, token: tokens.access_token }))
    await waitForRevocations(flow, 1)
    assert.deepEqual(
      endedAt(flow),
      [...flow.provider.canaries].filter(token => token.includes('access'))
    )
  }
)

matrix(
  'POST /oauth/revoke during a refresh leaves no valid token [V-05 V-06]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const [, other] = flow.instances as [Flow, Flow]
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const [first = ''] = flow.provider.refreshTokens.keys()
    flow.provider.delay = 500
    const refreshing = flow.token(renew(id, tokens.refresh_token))
    while (flow.provider.count('/token') < 2) await sleep(10)
    isSuccess(await other.revoke({ client_id: id, token: tokens.access_token }))
    isError(await refreshing, 400, 'invalid_grant')
    while (flow.provider.refreshTokens.size > 0) await sleep(10)
    assert.equal(endedAt(flow)[0], first)
  }
)

matrix(
  'POST /oauth/revoke ends the grant on its instance if no store is shared [V-05]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const [, other] = flow.instances as [Flow, Flow]
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    isSuccess(await other.revoke({ client_id: id, token: tokens.access_token }))
    assert.equal((await other.call(tokens.access_token)).status, 401)
    isSuccess(await flow.revoke({ client_id: id, token: tokens.access_token }))
    await waitForRevocations(flow, 1)
    assert.equal(flow.provider.count('/revoke'), 1)
  },
  { shared: false }
)

matrix(
  'POST /oauth/token revokes at the provider when authorizeUser refuses a refresh [B-16 V-06]',
  async ({ startFlow }) => {
    let isAllowed = true
    const flow = await startFlow({
      options: {
        authorizeUser: () => isAllowed,
        provider: { identify: async () => ({ sub: 'alice' }) }
      }
    })
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    isAllowed = false
    isError(await flow.token(renew(id, tokens.refresh_token)), 400, 'access_denied')
    await waitForRevocations(flow, 1)
    assert.equal(flow.provider.refreshTokens.size, 0)
  }
)

matrix(
  'POST /oauth/revoke ignores a stored provider token of another grant [S-02]',
  async ({ startFlow }) => {
    const { wrap, writes } = recordWrites()
    let store: Store | undefined
    const flow = await startFlow({ wrap: inner => wrap(store = inner) })
    const id = await flow.register()
    await flow.tokens(id)
    const attacker = await flow.tokens(id)
    const [attackerEntry, ownEntry] = writes.filter(({ key }) => key.includes(':family:'))
    await store?.put(ownEntry?.key ?? '', attackerEntry?.value ?? '', 60)
    isSuccess(await flow.revoke({ client_id: id, token: attacker.access_token }))
    assert.equal((await flow.call(attacker.access_token)).status, 401)
    const victim = await flow.tokens(id)
    isSuccess(await flow.revoke({ client_id: id, token: victim.access_token }))
    await waitForRevocations(flow, 1)
    assert.deepEqual(endedAt(flow), [
      [...flow.provider.canaries].filter(token => token.includes('refresh')).at(-1)
    ])
  }
)

matrix(
  'POST /oauth/revoke returns 200 without waiting for the provider [V-07]',
  async ({ startFlow }) => {
    for (const fault of ['hang', 'error', 'reset', 'redirect'] as const) {
      const flow = await startFlow()
      const id = await flow.register()
      const tokens = await flow.tokens(id)
      flow.provider.fail.set('/revoke', fault)
      isSuccess(
        await Promise.race([
          flow.revoke({ client_id: id, token: tokens.refresh_token }),
          sleep(2_000, undefined, { ref: false }) as Promise<never>
        ])
      )
      assert.equal((await flow.call(tokens.access_token)).status, 401)
      await waitForRevocations(flow, 1)
      await Promise.race([
        flow.app.close(),
        sleep(2_000, undefined, { ref: false }).then(() => {
          throw new Error('close() waits for the revocation')
        })
      ])
    }
  }
)

for (const fault of ['error', 'reset', 'unavailable'] as const) {
  matrix(`POST /oauth/revoke retries after ${fault} [V-07]`, async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const [token = ''] = flow.provider.refreshTokens.keys()
    flow.provider.fail.set('/revoke', fault)
    isSuccess(await flow.revoke({ client_id: id, token: tokens.access_token }))
    await waitForRevocations(flow, 1)
    flow.provider.fail.clear()
    await waitForRevocations(flow, 2)
    assert.deepEqual(endedAt(flow), [token, token])
    assert.ok(!flow.logs.some(line => line.includes('Could not revoke a grant')))
  })
}

matrix(
  'POST /oauth/revoke logs no response text of the provider [V-07 D17]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const [token] = flow.provider.refreshTokens.keys()
    flow.provider.fail.set('/revoke', {
      status: 400,
      body: JSON.stringify({
        error: 'invalid_request',
        error_description: `no such token: ${token}`
      })
    })
    isSuccess(await flow.revoke({ client_id: id, token: tokens.refresh_token }))
    while (!flow.logs.some(line => line.includes('Could not revoke a grant'))) await sleep(10)
    assert.doesNotMatch(flow.logs.join(''), /canary-refresh/)
    assert.equal(flow.provider.count('/revoke'), 1, 'a rejected revocation is not repeated')
  }
)

matrix('POST /oauth/revoke ignores expired access tokens [V-01]', async ({ startFlow }, t) => {
  const flow = await startFlow()
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * 3_600_000 })
  assert.equal((await flow.revoke({ client_id: id, token: tokens.access_token })).status, 200)
  t.mock.timers.reset()
  assert.equal((await flow.token(renew(id, tokens.refresh_token))).status, 200)
}, { serial: true })

matrix(
  'POST /oauth/revoke ends a grant here only with revokeAtProvider: false [field:S10]',
  async ({ startFlow }) => {
    const flow = await startFlow({ options: { revokeAtProvider: false } })
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    isSuccess(await flow.revoke({ client_id: id, token: tokens.refresh_token }))
    assert.equal((await flow.call(tokens.access_token)).status, 401)
    isError(await flow.token(renew(id, tokens.refresh_token)), 400, 'invalid_grant')
    await sleep(100)
    assert.equal(flow.provider.count('/revoke'), 0)
  }
)
