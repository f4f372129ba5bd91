import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHolder, hashOf, type Holder, type ProofParts } from '../support/dpop.ts'
import { matrix, type Harness, type HarnessSetup } from '../support/matrix.ts'
import {
  claimsOf,
  isError,
  isErrorRedirect,
  loopbackUri,
  openBrowser,
  publicUrl,
  redeem,
  renew,
  startFlow,
  type Flow,
  type Instance,
  type Params,
  type Reply
} from '../support/flow.ts'
import { whoamiCall } from '../support/guarded.ts'
import { newSecret } from '../support/machines.ts'
import { json } from '../support/requests.ts'

interface BoundFlow extends Flow {
  clientId: string
  holder: Holder
  nonce: string
  /** A token request with a valid proof, except for the given parts. */
  prove(params: Params, parts?: TokenProof): Promise<Reply>
  /** Calls the MCP route with a valid proof. */
  use(token: string, prover?: Holder, at?: Instance): Promise<Reply>
}

type TokenProof = ProofParts & { prover?: Holder, at?: Instance, path?: string }

async function start (
  { startFlow }: Pick<Harness, 'startFlow'>,
  dpop: 'off' | 'accept' | 'require',
  setup: HarnessSetup = {}
): Promise<BoundFlow> {
  const flow = await startFlow({ ...setup, options: { dpop, ...setup.options } })
  const [clientId, holder] = [await flow.register(), await createHolder()]
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const reply = await flow.token(renew(clientId, 'x'), {
    dpop: await holder.prove('POST', `${flow.base}/oauth/token`)
  })
  const nonce = reply.headers.get('dpop-nonce') ?? ''
  return {
    ...flow,
    clientId,
    holder,
    nonce,
    async prove (params, { prover = holder, at = flow, path = '/oauth/token', ...parts } = {}) {
      const dpop = await prover.prove('POST', flow.base + path, { nonce, ...parts })
      return await at.send(path, {
        method: 'POST',
        headers: { ...headers, dpop },
        body: new URLSearchParams(params as Record<string, string>).toString()
      })
    },
    async use (token, prover = holder, at = flow) {
      return await at.send('/mcp', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `DPoP ${token}`,
          dpop: await prover.prove('POST', flow.resource, { token, nonce })
        },
        body: JSON.stringify(whoamiCall)
      })
    }
  }
}

matrix(
  'POST /oauth/token issues no bearer token to a client that registered dpop_bound_access_tokens [field:S15]',
  async (harness) => {
    const register = async (flow: Flow, value?: boolean) => {
      const body = {
        redirect_uris: [loopbackUri],
        grant_types: ['authorization_code', 'refresh_token'],
        dpop_bound_access_tokens: value
      }
      return (await flow.send('/oauth/register', json(body))).json()
    }
    const flow = await start(harness, 'accept')
    const { client_id: id, ...metadata } = await register(flow, true)
    assert.equal(metadata['dpop_bound_access_tokens'], true)
    const bound = String(id)
    const code = await flow.login(bound)
    isError(await flow.token(redeem(bound, code)), 400, 'invalid_dpop_proof')
    const tokens = (await flow.prove(redeem(bound, code))).json()
    assert.equal(tokens['token_type'], 'DPoP')
    isError(await flow.token(renew(bound, tokens['refresh_token'])), 400, 'invalid_dpop_proof')
    const renewed = await flow.prove(renew(bound, tokens['refresh_token']))
    assert.equal(renewed.json()['token_type'], 'DPoP')
    for (const value of [false, undefined]) {
      const free = await register(flow, value)
      assert.equal(free['dpop_bound_access_tokens'], value)
      assert.equal((await flow.tokens(String(free['client_id']))).token_type, 'Bearer')
    }
    const strict = await start(harness, 'require')
    assert.equal((await register(strict, true))['dpop_bound_access_tokens'], true)
    assert.equal((await register(strict))['dpop_bound_access_tokens'], undefined)
    const off = await harness.startFlow()
    const answer = await register(off, true)
    assert.equal(answer['dpop_bound_access_tokens'], false)
    assert.equal((await off.tokens(String(answer['client_id']))).token_type, 'Bearer')
  }
)

matrix(
  'POST /oauth/token binds tokens and their successors to the key of the proof [EX-04 Q-27]',
  async (harness) => {
    const flow = await start(harness, 'accept')
    const first = await flow.prove(redeem(flow.clientId, await flow.login(flow.clientId)))
    assert.equal(first.status, 200, first.text)
    const tokens = first.json()
    assert.equal(tokens['token_type'], 'DPoP')
    assert.deepEqual(claimsOf(tokens['access_token'])['cnf'], { jkt: flow.holder.jkt })
    assert.equal((await flow.use(tokens['access_token'])).status, 200)
    assert.equal((await flow.call(tokens['access_token'])).status, 401)
    assert.equal((await flow.use(tokens['access_token'], await createHolder())).status, 401)

    const second = await flow.prove(renew(flow.clientId, tokens['refresh_token']))
    assert.equal(second.json()['token_type'], 'DPoP')
    assert.deepEqual(claimsOf(second.json()['access_token'])['cnf'], { jkt: flow.holder.jkt })
    assert.equal((await flow.use(second.json()['access_token'])).status, 200)
    // Revocation requires no proof.
    assert.equal(
      (await flow.revoke({ client_id: flow.clientId, token: second.json()['refresh_token'] }))
        .status,
      200
    )
    isError(
      await flow.prove(renew(flow.clientId, second.json()['refresh_token'])),
      400,
      'invalid_grant'
    )
  }
)

test('POST /token requires proofs for its own URL, not that of /oauth/token [EX-04]', async (t) => {
  const flow = await start({ startFlow: setup => startFlow(t, setup) }, 'accept', {
    options: { legacyEndpoints: true }
  })
  const code = await flow.login(flow.clientId)
  isError(
    await flow.prove(redeem(flow.clientId, code), {
      path: '/token',
      claims: { htu: `${publicUrl}/oauth/token` }
    }),
    400,
    'invalid_dpop_proof'
  )
  const reply = await flow.prove(redeem(flow.clientId, code), { path: '/token' })
  assert.equal(reply.json()['token_type'], 'DPoP')
})

matrix(
  'POST /oauth/token without a proof issues bearer tokens unless dpop is require [EX-04]',
  async (harness) => {
    const accepting = await start(harness, 'accept')
    const tokens = await accepting.tokens(accepting.clientId)
    assert.equal(tokens['token_type'], 'Bearer')
    assert.equal(claimsOf(tokens['access_token'])['cnf'], undefined)
    assert.equal((await accepting.call(tokens['access_token'])).status, 200)

    const requiring = await start(harness, 'require')
    const code = await requiring.login(requiring.clientId)
    isError(await requiring.token(redeem(requiring.clientId, code)), 400, 'invalid_dpop_proof')
    const bound = await requiring.prove(redeem(requiring.clientId, code))
    assert.equal(bound.json()['token_type'], 'DPoP')
    isError(
      await requiring.token(renew(requiring.clientId, bound.json()['refresh_token'])),
      400,
      'invalid_dpop_proof'
    )
    assert.equal(
      (await requiring.prove(renew(requiring.clientId, bound.json()['refresh_token']))).status,
      200
    )
    // A bearer token that a server with the same secret issued under another `dpop` option.
    const before = await requiring.addInstance({ dpop: 'accept' })
    const bearerToken =
      (await before.token(redeem(requiring.clientId, await requiring.login(requiring.clientId))))
        .json()['access_token'] as string
    assert.equal((await before.call(bearerToken)).status, 200)
    assert.equal((await requiring.call(bearerToken)).status, 401)
    assert.equal((await requiring.use(bearerToken)).status, 401)
  }
)

matrix('POST /oauth/token ignores proofs if dpop is off [EX-04]', async (harness) => {
  const flow = await start(harness, 'off')
  for (const header of ['garbage', await flow.holder.prove('POST', 'https://elsewhere.example/')]) {
    const code = await flow.login(flow.clientId, { params: { dpop_jkt: 'garbage' } })
    const reply = await flow.token(redeem(flow.clientId, code), { dpop: header })
    assert.deepEqual([reply.status, reply.json()['token_type'], reply.headers.get('dpop-nonce')], [
      200,
      'Bearer',
      null
    ])
    assert.equal(claimsOf(reply.json()['access_token'])['cnf'], undefined)
  }
  const document = (await flow.send('/.well-known/openid-configuration')).json()
  assert.equal(document['dpop_signing_alg_values_supported'], undefined)
  // A bound token signed with the same secret is invalid here, too.
  const bound = await flow.addInstance({ dpop: 'accept' })
  const code = await flow.login(flow.clientId)
  const rejected = await flow.prove(redeem(flow.clientId, code), { at: bound })
  const token = (await flow.prove(redeem(flow.clientId, code), {
    at: bound,
    nonce: rejected.headers.get('dpop-nonce') ?? ''
  })).json()['access_token']
  assert.ok(token)
  assert.equal((await flow.call(token)).status, 401)
})

matrix(
  'POST /oauth/token names faults of a proof, sends a nonce and uses no code [EX-04 T-17]',
  async (harness) => {
    const flow = await start(harness, 'accept')
    const other = await createHolder()
    const faults: Array<[error: string, parts: TokenProof]> = [
      ['use_dpop_nonce', { nonce: undefined }],
      ['use_dpop_nonce', { nonce: 'x' }],
      ['invalid_dpop_proof', { signer: other.privateKey }],
      ['invalid_dpop_proof', { claims: { htm: 'GET' } }],
      ['invalid_dpop_proof', { claims: { htu: flow.resource } }],
      ['invalid_dpop_proof', { claims: { jti: undefined } }],
      ['invalid_dpop_proof', { header: { typ: 'JWT' } }]
    ]
    const all = async (params: Params) => {
      for (const [error, parts] of faults) {
        const reply = await flow.prove(params, parts)
        isError(reply, 400, error, JSON.stringify(parts))
        if (error === 'use_dpop_nonce') {
          assert.match(reply.headers.get('dpop-nonce') ?? '', /^[\w-]{22}$/)
        }
        assert.match(reply.headers.get('access-control-expose-headers') ?? '', /DPoP-Nonce/)
        assert.equal(reply.headers.get('www-authenticate'), null)
      }
      const proof = await flow.holder.prove('POST', `${flow.base}/oauth/token`, {
        nonce: flow.nonce
      })
      isError(await flow.token(params, { dpop: `${proof}, ${proof}` }), 400, 'invalid_dpop_proof')
    }
    const code = redeem(flow.clientId, await flow.login(flow.clientId))
    await all(code)
    const tokens = (await flow.prove(code, { claims: { jti: 'once' } })).json()
    const refresh = renew(flow.clientId, tokens['refresh_token'])
    await all(refresh)
    isError(
      await flow.prove(refresh, { claims: { jti: 'once' } }),
      400,
      'invalid_dpop_proof',
      'a proof that was used before'
    )
    assert.equal((await flow.prove(refresh)).status, 200)
  }
)

matrix(
  'POST /oauth/token binds a refresh token to its key, also in the grace period [EX-04 R-05]',
  async (harness) => {
    const flow = await start(harness, 'accept')
    const attacker = await createHolder()
    const tokens = (await flow.prove(redeem(flow.clientId, await flow.login(flow.clientId)))).json()
    const refresh = renew(flow.clientId, tokens['refresh_token'])
    isError(await flow.prove(refresh, { prover: attacker }), 400, 'invalid_grant', 'another key')
    isError(await flow.token(refresh), 400, 'invalid_grant', 'no key')
    const [one, two] = await Promise.all([flow.prove(refresh), flow.prove(refresh)])
    assert.equal(one.status, 200, one.text)
    for (const copy of [two, await flow.prove(refresh)]) {
      assert.equal(copy.json()['refresh_token'], one.json()['refresh_token'])
    }
    isError(await flow.prove(refresh, { prover: attacker }), 400, 'invalid_grant')
    isError(await flow.token(refresh), 400, 'invalid_grant')
    // The client itself sent none of these requests: its grant remains valid.
    assert.equal((await flow.prove(renew(flow.clientId, one.json()['refresh_token']))).status, 200)

    const plain = await flow.tokens(flow.clientId)
    const bound = await flow.prove(renew(flow.clientId, plain['refresh_token']))
    assert.deepEqual(claimsOf(bound.json()['access_token'])['cnf'], { jkt: flow.holder.jkt })
    // The unbound token comes again with another key, or without one: one of both is a thief.
    isError(await flow.token(renew(flow.clientId, plain['refresh_token'])), 400, 'invalid_grant')
    isError(
      await flow.prove(renew(flow.clientId, bound.json()['refresh_token'])),
      400,
      'invalid_grant'
    )
  }
)

matrix(
  'POST /oauth/token rejects a code with another key than its dpop_jkt, and keeps it [EX-04]',
  async (harness) => {
    const flow = await start(harness, 'accept')
    const attacker = await createHolder()
    const code = await flow.login(flow.clientId, { params: { dpop_jkt: flow.holder.jkt } })
    isError(
      await flow.prove(redeem(flow.clientId, code), { prover: attacker }),
      400,
      'invalid_grant'
    )
    isError(await flow.token(redeem(flow.clientId, code)), 400, 'invalid_grant')
    const tokens = await flow.prove(redeem(flow.clientId, code))
    assert.deepEqual(claimsOf(tokens.json()['access_token'])['cnf'], { jkt: flow.holder.jkt })
    // An attacker with the used code cannot end the grant, either.
    isError(
      await flow.prove(redeem(flow.clientId, code), { prover: attacker }),
      400,
      'invalid_grant'
    )
    assert.equal((await flow.use(tokens.json()['access_token'])).status, 200)

    for (
      const params of [
        `dpop_jkt=${hashOf('a')}&dpop_jkt=${hashOf('b')}`,
        'dpop_jkt=short',
        `dpop_jkt=${hashOf('a')}=`
      ]
    ) {
      const authorizationQuery = new URLSearchParams(
        flow.params(flow.clientId) as Record<string, string>
      )
        .toString()
      isErrorRedirect(
        flow,
        await openBrowser().get(flow, `/oauth/authorize?${authorizationQuery}&${params}`),
        302,
        'invalid_request',
        { message: params }
      )
    }
  }
)

matrix(
  'GET /.well-known/openid-configuration lists the accepted proof algorithms [EX-04]',
  async (harness) => {
    for (const dpop of ['accept', 'require'] as const) {
      const flow = await start(harness, dpop)
      const document = (await flow.send('/.well-known/openid-configuration')).json()
      assert.deepEqual(document['dpop_signing_alg_values_supported'], [
        'RS256',
        'PS256',
        'ES256',
        'EdDSA',
        'Ed25519'
      ])
    }
  }
)

matrix(
  'POST /oauth/token binds tokens of confidential clients, which may change keys [EX-04 EX-01]',
  async (harness) => {
    const { secret, hash } = newSecret()
    const clients = [
      { clientId: 'job', secretHashes: [hash], grantTypes: ['client_credentials' as const] },
      { clientId: 'web', secretHashes: [hash], redirectUris: [loopbackUri] }
    ]
    for (const dpop of ['accept', 'require'] as const) {
      const flow = await start(harness, dpop, { options: { clients } })
      const job = { grant_type: 'client_credentials', client_id: 'job', client_secret: secret }
      const tokens = (await flow.prove(job)).json()
      assert.deepEqual([tokens['token_type'], claimsOf(tokens['access_token'])['cnf']], ['DPoP', {
        jkt: flow.holder.jkt
      }])
      assert.equal((await flow.use(tokens['access_token'])).status, 200)
      assert.equal((await flow.call(tokens['access_token'])).status, 401)
      const plain = await flow.token(job)
      if (dpop === 'require') isError(plain, 400, 'invalid_dpop_proof')
      else assert.equal(plain.json()['token_type'], 'Bearer')

      const [first, other] = [
        await flow.prove({ ...redeem('web', await flow.login('web')), client_secret: secret }),
        await createHolder()
      ]
      const second = await flow.prove({
        ...renew('web', first.json()['refresh_token']),
        client_secret: secret
      }, { prover: other })
      assert.deepEqual(claimsOf(second.json()['access_token'])['cnf'], { jkt: other.jkt })
      assert.equal((await flow.use(second.json()['access_token'], other)).status, 200)
      assert.equal((await flow.use(first.json()['access_token'], other)).status, 401)
    }
  }
)

matrix(
  'POST /oauth/token accepts a proof and a refresh once on two instances [EX-04 S-03]',
  async (harness) => {
    const flow = await start(harness, 'require', { instances: 2 })
    const [, other] = flow.instances as [Instance, Instance]
    const tokens =
      (await flow.prove(redeem(flow.clientId, await flow.login(flow.clientId)), { at: other }))
        .json()
    const token = tokens['access_token'] as string
    const send = async (at: Instance, dpop: string) =>
      (await at.send('/mcp', { method: 'GET', headers: { authorization: `DPoP ${token}`, dpop } }))
        .status
    const proof = await flow.holder.prove('GET', flow.resource, { token, nonce: flow.nonce })
    // A method that is not served: the response behind the guard is 405.
    assert.deepEqual((await Promise.all([send(flow, proof), send(other, proof)])).sort(), [
      401,
      405
    ])
    const refresh = renew(flow.clientId, tokens['refresh_token'])
    const [one, two] = await Promise.all([flow.prove(refresh), flow.prove(refresh, { at: other })])
    assert.deepEqual(
      [one.status, two.json()['refresh_token']],
      [200, one.json()['refresh_token']]
    )
  }
)

matrix(
  'POST /oauth/token returns 503 for a proof while the store is down, keeping the code [EX-04 S-02]',
  async (harness) => {
    let down = false
    const unless =
      <A extends unknown[], R>(operation: (...args: A) => Promise<R>) => async (...args: A) => {
        if (down) throw new Error('canary')
        return await operation(...args)
      }
    const flow = await start(harness, 'require', {
      wrap: ({ get, put, putIfAbsent }) => ({
        get: unless(get),
        put: unless(put),
        putIfAbsent: unless(putIfAbsent)
      })
    })
    const code = redeem(flow.clientId, await flow.login(flow.clientId))
    down = true
    isError(await flow.prove(code), 503, 'temporarily_unavailable')
    down = false
    assert.equal((await flow.prove(code)).status, 200)
  }
)
