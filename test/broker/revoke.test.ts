import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { everywhere } from '../support/everywhere.ts'
import { isError, renew, type Reply } from '../support/flow.ts'

function isDone (reply: Reply): void {
  assert.deepEqual([reply.status, reply.text], [200, ''])
  assert.equal(reply.headers.get('access-control-allow-origin'), '*', 'G-17')
}

everywhere('V-01 V-02 V-03 V-04 TK-08 what does not belong to the client stays good', async ({ startFlow }) => {
  const flow = await startFlow()
  const [id, other] = [await flow.register(), await flow.register()]
  const tokens = await flow.tokens(id)
  const { access_token: access, refresh_token: refresh } = tokens
  for (const token of ['x', 'a.b.c', 'a.b.c.d.e', `${access.slice(0, -3)}AAA`, `${refresh}A`, 'x'.repeat(60_000), id, 'é', 'eyJhbGciOiJub25lIn0.eyJnaWQiOiJ4In0.']) isDone(await flow.revoke({ client_id: id, token }))
  for (const token of [access, refresh]) isDone(await flow.revoke({ client_id: other, token }))
  isError(await flow.revoke({ client_id: id, token: 'x'.repeat(100_000) }), 413, 'invalid_request', 'V-01')
  for (const params of [{ client_id: id }, { client_id: id, token: '' }, `client_id=${id}&token=${refresh}&token=${refresh}`, { token: refresh }]) isError(await flow.revoke(params), 400, 'invalid_request', 'V-03')
  for (const params of [{ client_id: 'unknown', token: refresh }, { client_id: id, client_secret: 'x', token: refresh }]) isError(await flow.revoke(params), 401, 'invalid_client', 'V-04')
  const basic = await flow.revoke({ token: refresh }, { authorization: `Basic ${Buffer.from(`${id}:x`).toString('base64')}` })
  isError(basic, 401, 'invalid_client', 'V-04')
  assert.match(basic.headers.get('www-authenticate') ?? '', /^Basic /)
  isError(await flow.ask('/oauth/revoke'), 405, 'invalid_request')
  assert.equal(flow.upstream.count('/revoke'), 0)
  assert.equal((await flow.call(access)).status, 200)
  assert.equal((await flow.token(renew(id, refresh))).status, 200)
})

for (const [kind, hint] of [['access_token', 'access_token'], ['refresh_token', undefined], ['refresh_token', 'access_token'], ['access_token', 'nonsense']] as const) {
  everywhere(`V-05 V-06 V-08 Q-09 revoking a ${kind} (hint: ${hint}) ends the grant on both instances`, async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const upstreamToken = [...flow.upstream.refreshTokens.keys()][0]
    const bystander = await flow.tokens(id)
    for (const instance of flow.instances) assert.equal((await instance.call(tokens.access_token)).status, 200)
    isDone(await flow.revoke({ client_id: id, token: tokens[kind], token_type_hint: hint }))
    assert.equal((await flow.call(tokens.access_token)).status, 401, 'at once where it was revoked')
    await sleep(1_050)
    for (const instance of flow.instances) {
      const refused = await instance.call(tokens.access_token)
      assert.equal(refused.status, 401)
      assert.match(refused.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
      isError(await instance.token(renew(id, tokens.refresh_token)), 400, 'invalid_grant')
      assert.equal((await instance.call(bystander.access_token)).status, 200)
    }
    isDone(await flow.revoke({ client_id: id, token: tokens[kind] }))
    if (kind === 'access_token') return
    const [sent] = flow.upstream.requests.filter(({ path }) => path === '/revoke')
    assert.equal(sent?.params.get('token'), upstreamToken, 'V-06')
    assert.match(sent?.authorization ?? '', /^Basic /)
  })
}

everywhere('V-07 the client does not wait for the provider, and learns nothing of its troubles', async ({ startFlow }) => {
  for (const fault of ['hang', 'error', 'reset', 'redirect'] as const) {
    const flow = await startFlow()
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    flow.upstream.fail.set('/revoke', fault)
    isDone(await Promise.race([flow.revoke({ client_id: id, token: tokens.refresh_token }), sleep(2_000, undefined, { ref: false }) as Promise<never>]))
    assert.equal((await flow.call(tokens.access_token)).status, 401)
  }
})

everywhere('V-07 D17 what the provider says about a token it cannot end stays out of the log', async ({ startFlow }) => {
  const flow = await startFlow()
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  const [token] = flow.upstream.refreshTokens.keys()
  flow.upstream.fail.set('/revoke', { status: 400, body: JSON.stringify({ error: 'invalid_request', error_description: `no such token: ${token}` }) })
  isDone(await flow.revoke({ client_id: id, token: tokens.refresh_token }))
  while (!flow.logs.some(line => line.includes('could not be ended'))) await sleep(10)
  assert.doesNotMatch(flow.logs.join(''), /canary-refresh/)
})
