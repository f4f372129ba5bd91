import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import type { McpOAuthOptions, UpstreamUser } from '../../lib/index.ts'
import { isError, redeem, renew, type Flow } from '../support/flow.ts'
import { createKey } from '../support/issuer.ts'
import { matrix, type Harness } from '../support/matrix.ts'

/** Redeems the code of a new login. */
async function login (flow: Flow, id?: string) {
  const client = id ?? await flow.register()
  return await flow.token(redeem(client, await flow.login(client)))
}

matrix(
  'POST /oauth/token takes null and empty members of the provider for absent ones, and a list for a scope [field:P2]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    for (
      const overrides of [
        { refresh_token: null, expires_in: null, scope: null, session_state: null },
        { refresh_token: '', expires_in: '', scope: '' },
        { expires_in: 'x' },
        { expires_in: -1 },
        { expires_in: '3600' },
        { error: null },
        { scope: ['openid', 'email'] },
        { scope: [] }
      ]
    ) {
      flow.provider.tokenOverrides = overrides
      const reply = await login(flow)
      assert.equal(reply.status, 200, `${JSON.stringify(overrides)} ${reply.text}`)
      assert.equal(
        reply.json()['refresh_token'] === undefined,
        'refresh_token' in overrides,
        JSON.stringify(overrides)
      )
    }
    for (const member of ['id_token', 'access_token', 'token_type']) {
      for (const value of [null, '']) {
        flow.provider.tokenOverrides = { [member]: value }
        const reply = await login(flow)
        isError(reply, 502, 'temporarily_unavailable', member)
        assert.equal(reply.headers.get('retry-after'), '5')
      }
    }
    flow.provider.tokenOverrides = {}
    flow.provider.claims = { nonce: null }
    isError(await login(flow), 502, 'temporarily_unavailable')
  }
)

async function startWithHook ({ startFlow }: Harness) {
  const users: Array<UpstreamUser['claims']> = []
  const authorizeUser: McpOAuthOptions['authorizeUser'] = ({ claims }) => {
    users.push(claims)
    return claims.email_verified === true
  }
  const flow = await startFlow({ options: { authorizeUser } })
  return { flow, id: await flow.register(), users }
}

const absent = { email: undefined, email_verified: undefined, name: undefined }
const complete = { name: 'Alice', preferred_username: 'alice', email_verified: true }

matrix(
  'POST /oauth/token requests claims that the ID token lacks from userinfo [field:P3]',
  async (harness) => {
    const { flow, id, users } = await startWithHook(harness)
    flow.provider.claims = complete
    assert.equal((await login(flow, id)).status, 200)
    assert.equal(flow.provider.count('/userinfo'), 0, 'nothing was missing')

    flow.provider.claims = absent
    flow.provider.userInfo = { email: 'alice@example.com', email_verified: true, name: 'Alice' }
    assert.equal((await login(flow, id)).status, 200)
    assert.deepEqual([users.at(-1)?.email, users.at(-1)?.name], ['alice@example.com', 'Alice'])

    // The ID token wins, and a source decides about its own address only.
    for (
      const [email, isVerified] of [
        ['alice@example.com', true],
        ['other@example.com', undefined]
      ] as const
    ) {
      flow.provider.claims = { ...absent, email, preferred_username: 'id token' }
      flow.provider.userInfo = { ...flow.provider.userInfo, preferred_username: 'userinfo' }
      assert.equal((await login(flow, id)).status, isVerified ? 200 : 400, email)
      const { email: seen, email_verified: verified, preferred_username: name } = users.at(-1) ?? {}
      assert.deepEqual([seen, verified, name], [email, isVerified, 'id token'])
    }
    flow.provider.claims = { ...absent, email: 'alice@example.com', email_verified: false }
    isError(await login(flow, id), 400, 'access_denied', 'the ID token says that it is not')
    flow.provider.claims = { ...absent, email: null, email_verified: true }
    flow.provider.userInfo = { email: 'alice@example.com' }
    isError(await login(flow, id), 400, 'access_denied')
    assert.equal(users.at(-1)?.email_verified, undefined)
  }
)

matrix(
  'POST /oauth/token refuses userinfo of another user, and reports its faults as such [field:P3]',
  async (harness) => {
    const { flow, id, users } = await startWithHook(harness)
    flow.provider.claims = { email: undefined }
    for (const sub of ['bob', '', null, 1]) {
      flow.provider.userInfo = { sub, email: 'bob@example.com', email_verified: true }
      isError(await login(flow, id), 502, 'temporarily_unavailable', String(sub))
    }
    for (const [fault, status] of [['error', 503], ['html', 502], ['reset', 503]] as const) {
      flow.provider.fail.set('/userinfo', fault)
      isError(await login(flow, id), status, 'temporarily_unavailable', fault)
    }
    assert.equal(users.length, 0)
    flow.provider.claims = { email_verified: true }
    for (const status of [401, 403, 404]) {
      flow.provider.fail.set('/userinfo', { status, body: '{}' })
      assert.equal((await login(flow, id)).status, 200, 'some tokens are not for userinfo')
    }
  }
)

matrix(
  'POST /oauth/token logs the names of the claims when authorizeUser refuses [field:P3]',
  async (harness) => {
    const { flow, id } = await startWithHook(harness)
    flow.provider.claims = { email: 'canary@example.com' }
    isError(await login(flow, id), 400, 'access_denied')
    const lines = flow.logs.join('')
    assert.match(lines, /authorizeUser denied a user with the claims: .*sub.* email/)
    assert.doesNotMatch(lines, /canary@/)
  }
)

matrix(
  'POST /oauth/token verifies ID tokens with keys that are listed twice or have no id [field:P4]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const { jwk } = flow.provider.key
    const { kid, ...unnamed } = jwk
    const other = (await createKey(String(kid))).jwk
    const rows: Array<[keys: object[], header: object, status: number]> = [
      [[jwk, jwk], {}, 200],
      [[unnamed, unnamed], { kid: undefined }, 200],
      [[jwk, { kty: 'RSA', n: 'x' }], { kid: undefined }, 200],
      [[unnamed], {}, 200],
      [[{ ...jwk, alg: null, use: null, key_ops: null, x5c: null }], {}, 200],
      [[jwk, other], {}, 502],
      [[unnamed, { ...other, kid: undefined }], {}, 502],
      [[unnamed, other], { kid: undefined }, 502]
    ]
    for (const [keys, header, status] of rows) {
      flow.provider.keys = keys
      flow.provider.header = header as Record<string, unknown>
      const instance = await flow.addInstance()
      const id = await flow.register()
      const reply = await instance.token(redeem(id, await flow.login(id)))
      assert.equal(reply.status, status, `${JSON.stringify(keys)} ${reply.text}`)
    }
  }
)

matrix(
  'POST /oauth/token keeps the rotated refresh token while the new keys are unknown [field:S5]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const { refresh_token: token } = await flow.tokens(id)
    const key = await createKey('next')
    const idToken = await new SignJWT({ sub: 'alice' }).setIssuer(flow.provider.issuer)
      .setAudience('broker').setIssuedAt().setExpirationTime('5m')
      .setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(key.privateKey)
    flow.provider.tokenOverrides = { id_token: idToken }
    const reply = await flow.token(renew(id, token))
    isError(reply, 503, 'temporarily_unavailable')
    assert.equal(reply.headers.get('retry-after'), '5')
    const renewals = flow.provider.count('/token')
    isError(await flow.token(renew(id, token)), 503, 'temporarily_unavailable')
    assert.equal(flow.provider.count('/token'), renewals + 1, 'with the rotated token')
    assert.match(
      flow.logs.join(''),
      /the keys of http:[^ ]*\/jwks do not verify the ID token/
    )

    flow.provider.keys = [...flow.provider.keys, key.jwk]
    let status = 503
    while (status === 503) {
      await sleep(1_000)
      status = (await flow.token(renew(id, token))).status
    }
    assert.equal(status, 200)
  }
)

matrix(
  'POST /oauth/token says by how much the clocks differ, with 503 [field:S19]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const now = Math.floor(Date.now() / 1000)
    for (const seconds of [7_200, -7_200]) {
      flow.provider.claims = { iat: now - seconds, nbf: now - seconds, exp: now - seconds + 300 }
      const reply = await login(flow)
      isError(reply, 503, 'temporarily_unavailable')
      assert.match(reply.text, /The clocks of this server and of the authorization provider differ/)
      assert.match(
        flow.logs.join(''),
        new RegExp(`7[12]\\d\\d s ${seconds > 0 ? 'ahead of' : 'behind'} that of the provider`)
      )
    }
    flow.provider.claims = { nbf: now + 600 }
    isError(await login(flow), 503, 'temporarily_unavailable')
    assert.match(flow.logs.join(''), /(?:600|599) s behind that of the provider/)
    flow.provider.claims = { exp: 1 }
    isError(await login(flow), 502, 'temporarily_unavailable')
  }
)

matrix(
  'POST /oauth/token logs what the provider answered, and which setting it rejected [field:P5]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const rows: Array<[status: number, error: string, expected: number, line: string]> = [
      [400, 'invalid_grant', 400, 'answered: \\"400 invalid_grant\\"'],
      [400, 'login_required', 400, 'answered: \\"400 login_required\\"'],
      [404, '', 502, 'answered: \\"404 application/json\\", which is no OAuth response. Look for'],
      [429, '', 503, 'answered: \\"429 application/json\\"'],
      [400, 'invalid_scope', 502, 'rejected our defaultScope: \\"400 invalid_scope\\"'],
      [
        401,
        'invalid_client',
        502,
        'rejected our clientId and clientSecret: \\"401 invalid_client\\"'
      ]
    ]
    for (const [status, error, expected, line] of rows) {
      const body = JSON.stringify({ ...error && { error }, error_description: 'canary' })
      flow.provider.fail.set('/token', { status, body })
      const seen = flow.logs.length
      assert.equal((await login(flow)).status, expected, error)
      const lines = flow.logs.slice(seen).join('')
      assert.ok(lines.includes(line), lines)
      assert.doesNotMatch(lines, /canary/)
    }
  }
)

matrix(
  'POST /oauth/token calls no code stolen that gave no tokens [field:S19]',
  async (harness) => {
    const { flow, id } = await startWithHook(harness)
    flow.provider.claims = { email_verified: false }
    const request = redeem(id, await flow.login(id))
    isError(await flow.token(request), 400, 'access_denied')
    isError(await flow.token(request), 400, 'invalid_grant')
    assert.match(
      flow.logs.join(''),
      /The code was used before, and issued no tokens that are known/
    )
    assert.doesNotMatch(flow.logs.join(''), /stolen/)
  }
)
