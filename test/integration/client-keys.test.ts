import assert from 'node:assert/strict'
import type { JsonWebKey } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { matrix } from '../support/matrix.ts'
import {
  claimsOf,
  isError,
  isErrorRedirect,
  isPage,
  loopbackUri,
  redeem,
  renew,
  type Flow,
  type Params
} from '../support/flow.ts'
import {
  inside,
  privateAddress,
  publicAddress,
  runInside,
  skip,
  startInternet
} from '../support/internet.ts'
import { idJag, identityClaims, jwtBearer, startAssertionIssuer } from '../support/assertions.ts'
import { tokenExchange } from '../support/delegation.ts'
import { createHolder } from '../support/dpop.ts'
import { assertion, newKey, type KeyPair } from '../support/machines.ts'

if (inside) await tests()
else {
  test(
    'POST /oauth/token accepts the keys of metadata documents [REG-19 REG-20 REG-21 REG-22 REG-23 C-19 C-20]',
    { skip },
    t => runInside(t, import.meta.filename)
  )
}

const key = newKey()
const otherKey = newKey()

/** Returns a function that makes the header of a token request with a proof. */
async function prover (flow: Flow) {
  const holder = await createHolder()
  const prove = async (nonce?: string) => ({
    dpop: await holder.prove('POST', `${flow.base}/oauth/token`, { nonce })
  })
  const asked = await flow.token(renew(await flow.register(), 'x'), await prove())
  return () => prove(asked.headers.get('dpop-nonce') ?? '')
}

async function tests (): Promise<void> {
  const internet = await startInternet()
  internet.hosts = {
    'owl.example': [[publicAddress]],
    'moving.example': [[publicAddress]],
    'inside.example': [[privateAddress]]
  }
  const respond = (url: string, body: object, status = 200, headers: object = {}) => {
    internet.responses[url.slice('https://'.length)] = (response: ServerResponse) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(body))
    }
  }
  const publish = (id: string, more: object = {}, headers: object = {}) => {
    respond(
      id,
      {
        client_id: id,
        client_name: 'Night Owl',
        redirect_uris: [loopbackUri],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [key.jwk] },
        ...more
      },
      200,
      headers
    )
    return id
  }
  const urlOf = (name: string, host = 'owl.example') =>
    `https://${host}/${encodeURIComponent(name)}`
  const unreachable = (url: string) => respond(url, {}, 503)
  const fetchesOf = (url: string) => internet.requests[url.slice('https://'.length)]?.length ?? 0
  const setOf = (...keys: KeyPair[]) => ({
    keys: keys.map(({ jwk }, index): JsonWebKey => ({ ...jwk, kid: `key-${index}` }))
  })
  const sign = async (
    flow: Flow,
    id: string,
    params: Record<string, string | undefined>,
    signer: KeyPair = key,
    claims: object = {},
    header: object = {}
  ) => ({ ...params, ...await assertion(signer, id, flow.base, claims, header) })

  const places: Record<string, (name: string) => object> = {
    jwks: () => ({ jwks: { keys: [newKey().jwk, key.jwk] } }),
    jwks_uri: (name: string) => {
      const url = urlOf(`${name}/keys`, 'moving.example')
      respond(url, setOf(newKey('PS256'), key))
      return { jwks: undefined, jwks_uri: url }
    }
  }
  for (const [where, keysOf] of Object.entries(places)) {
    matrix(
      `a client logs in, refreshes and revokes with the keys in its ${where} [REG-19]`,
      async ({ startFlow }, t) => {
        const flow = await startFlow()
        const id = publish(`${urlOf(t.name)}.json`, keysOf(t.name))
        const header = where === 'jwks' ? {} : { kid: 'key-1' }
        const signed = (params: Record<string, string | undefined>) =>
          sign(flow, id, params, key, {}, header)
        const redeemed = await flow.token(await signed(redeem(id, await flow.login(id))))
        assert.equal(redeemed.status, 200, redeemed.text)
        const first = redeemed.json()
        assert.equal(claimsOf(first['access_token'])['client_id'], id)
        const renewed = await flow.token(await signed(renew(id, first['refresh_token'])))
        assert.equal(renewed.status, 200, renewed.text)
        const { refresh_token: refresh, access_token: token } = renewed.json()
        assert.equal((await flow.call(token)).status, 200)
        for (const given of [refresh, token]) {
          isError(await flow.revoke({ client_id: id, token: given }), 401, 'invalid_client')
          assert.equal((await flow.call(token)).status, 200)
        }
        const revoked = await flow.revoke(await signed({ client_id: id, token }))
        assert.equal(revoked.status, 200)
        isError(
          await flow.token(await signed(renew(id, refresh))),
          400,
          'invalid_grant'
        )
        assert.equal(fetchesOf(id), 1)
      }
    )
  }

  matrix(
    'a missing or invalid assertion is invalid_client, and uses up neither code nor assertion [REG-19]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({ options: { lifetimes: { code: 600 } } })
      const id = publish(`${urlOf(t.name)}.json`)
      const request = redeem(id, await flow.login(id))
      const now = Math.floor(Date.now() / 1000)
      const rows: Record<string, Params> = {
        'no assertion': request,
        'an empty secret': { ...request, client_secret: '' },
        'a secret': { ...request, client_secret: 'x'.repeat(43) },
        'not a JWT': { ...await sign(flow, id, request), client_assertion: 'x.y.z' },
        'another key': await sign(flow, id, request, otherKey),
        'another issuer': await sign(flow, id, request, key, { iss: `${id}x` }),
        'another subject': await sign(flow, id, request, key, { sub: `${id}x` }),
        'another audience': await sign(flow, id, request, key, { aud: 'https://evil.example' }),
        'two audiences': await sign(flow, id, request, key, {
          aud: [flow.base, 'https://e.example']
        }),
        'no audience': await sign(flow, id, request, key, { aud: undefined }),
        expired: await sign(flow, id, request, key, { exp: now - 60 }),
        'no end': await sign(flow, id, request, key, { exp: undefined }),
        'too long': await sign(flow, id, request, key, { exp: now + 400 }),
        'not yet valid': await sign(flow, id, request, key, { nbf: now + 120 }),
        'of the future': await sign(flow, id, request, key, { iat: now + 120 }),
        'no jti': await sign(flow, id, request, key, { jti: undefined }),
        'another typ': await sign(flow, id, request, key, {}, { typ: 'at+jwt' }),
        'another type': { ...await sign(flow, id, request), client_assertion_type: 'urn:x' }
      }
      for (const [name, params] of Object.entries(rows)) {
        isError(await flow.token(params), 401, 'invalid_client', name)
      }
      const valid = await sign(flow, id, request)
      assert.equal((await flow.token(valid)).status, 200, 'the code is unused')
      isError(await flow.token(valid), 401, 'invalid_client', 'jti')
    }
  )

  matrix(
    'a jti counts once on all instances [REG-19]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({ instances: 4 })
      const id = publish(`${urlOf(t.name)}.json`)
      const signed = await sign(flow, id, {
        client_id: id,
        token: (await flow.token(await sign(flow, id, redeem(id, await flow.login(id)))))
          .json()['refresh_token']
      })
      const replies = await Promise.all(Array.from(
        { length: 40 },
        (_, index) => flow.instances[index % 4]?.revoke(signed)
      ))
      assert.equal(replies.filter(reply => reply?.status === 200).length, 1)
      assert.equal(replies.filter(reply => reply?.status === 401).length, 39)
      // Before its code is looked at: a replay must use nothing up.
      const { client_assertion: used } = signed as Record<string, string>
      const request = await sign(flow, id, redeem(id, 'unknown'))
      const reply = await flow.token({ ...request, client_assertion: used })
      assert.deepEqual([reply.status, reply.json()['error']], [401, 'invalid_client'])
    }
  )

  matrix(
    'a code or refresh token of a client that signs is of no use without a signature, anywhere [REG-20 C-19]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({ instances: 2, options: { lifetimes: { code: 600 } } })
      const [, cold] = flow.instances as [Flow, Flow]
      const id = publish(`${urlOf(t.name)}.json`)
      const code = await flow.login(id)
      const { refresh_token: refresh } = (await flow.token(
        await sign(flow, id, redeem(id, await flow.login(id)))
      )).json()
      const downgrades = {
        'valid document': () => publish(id),
        'document out of reach': () => unreachable(id),
        'document of a public client': () => publish(id, { token_endpoint_auth_method: 'none' }),
        'invalid document': () => publish(id, { client_name: 1 })
      }
      for (const [name, change] of Object.entries(downgrades)) {
        change()
        for (const instance of [flow, cold]) {
          for (
            const params of [redeem(id, code), renew(id, refresh), {
              client_id: id,
              token: refresh
            }]
          ) {
            const send = 'token' in params ? instance.revoke : instance.token
            isError(await send(params), 401, 'invalid_client', name)
          }
        }
      }
      assert.equal(fetchesOf(id), 1, 'the flag in the token is enough')
      publish(id)
      assert.equal((await cold.token(await sign(flow, id, redeem(id, code)))).status, 200)
      assert.equal((await cold.token(await sign(flow, id, renew(id, refresh)))).status, 200)
    }
  )

  matrix(
    'a client that need not sign logs in without, and one that signs does so for good [REG-23]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const id = publish(`${urlOf(t.name)}.json`, {
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt']
      })
      const plain = await flow.token(redeem(id, await flow.login(id)))
      assert.equal(plain.status, 200, plain.text)
      const renewed = await flow.token(renew(id, plain.json()['refresh_token']))
      assert.equal(renewed.status, 200, renewed.text)
      const { refresh_token: refresh, access_token: access } = renewed.json()
      assert.equal((await flow.revoke({ client_id: id, token: access })).status, 200)
      isError(await flow.token(renew(id, refresh)), 400, 'invalid_grant')

      const request = redeem(id, await flow.login(id))
      isError(await flow.token(await sign(flow, id, request, otherKey)), 401, 'invalid_client')
      const signed = await flow.token(await sign(flow, id, request))
      assert.equal(signed.status, 200, signed.text)
      const { refresh_token: token, access_token: signedAccess } = signed.json()
      isError(await flow.token(renew(id, token)), 401, 'invalid_client')
      for (const given of [token, signedAccess]) {
        isError(await flow.revoke({ client_id: id, token: given }), 401, 'invalid_client')
      }
      const called = await flow.call(signedAccess)
      assert.equal(called.status, 200)
      assert.doesNotMatch(called.text, /\bsgn\\/)
      assert.equal((await flow.token(await sign(flow, id, renew(id, token)))).status, 200)
    }
  )

  matrix(
    'a document that has become that of a public client does not authenticate the tokens of a signer [REG-20]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const uncached = { 'cache-control': 'no-store' }
      const id = publish(`${urlOf(t.name)}.json`, {}, uncached)
      const { refresh_token: refresh } = (await flow.token(
        await sign(flow, id, redeem(id, await flow.login(id)))
      )).json()
      publish(id, { token_endpoint_auth_method: 'none' }, uncached)
      isError(
        await flow.token(await sign(flow, id, renew(id, refresh), otherKey)),
        401,
        'invalid_client'
      )
    }
  )

  matrix(
    'documents and keys that cannot be loaded are 503, and the same request succeeds later [REG-21 C-20]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({ options: { lifetimes: { code: 600 } } })
      const uncached = { 'cache-control': 'no-store' }
      const id = publish(`${urlOf(t.name)}.json`, {}, uncached)
      const signed = await sign(flow, id, redeem(id, await flow.login(id)))
      unreachable(id)
      const reply = await flow.token(signed)
      isError(reply, 503, 'temporarily_unavailable')
      assert.match(String(reply.headers.get('retry-after')), /^([1-9]|[12]\d|30)$/)
      const other = await flow.addInstance()
      publish(id)
      assert.equal((await other.token(signed)).status, 200)

      const url = urlOf(`${t.name}/keys`, 'moving.example')
      const faults: Record<string, () => void> = {
        'no keys': () => respond(url, { keys: [] }),
        'a secret': () => respond(url, { keys: [{ kty: 'oct', k: 'x' }] }),
        'unusable keys': () =>
          respond(url, { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] }),
        'not JSON': () => respond(url, []),
        redirect: () => respond(url, {}, 302, { location: id }),
        'too large': () => respond(url, { ...setOf(key), more: 'x'.repeat(70_000) }),
        down: () => unreachable(url)
      }
      for (const [name, fault] of Object.entries(faults)) {
        const ofUri = publish(`${urlOf(`${t.name} ${name}`)}.json`, {
          jwks: undefined,
          jwks_uri: url
        })
        const instance = await flow.addInstance()
        fault()
        const signed = await sign(flow, ofUri, redeem(ofUri, await flow.login(ofUri)), key, {}, {
          kid: 'key-0'
        })
        isError(await instance.token(signed), 503, 'temporarily_unavailable', name)
        respond(url, setOf(key))
        const later = await (await flow.addInstance()).token(signed)
        assert.equal(later.status, 200, `${name} ${later.text}`)
      }
      const hidden = publish(`${urlOf(`${t.name} hidden`)}.json`, {
        jwks: undefined,
        jwks_uri: 'https://inside.example/keys'
      })
      isError(
        await flow.token(await sign(flow, hidden, redeem(hidden, await flow.login(hidden)))),
        503,
        'temporarily_unavailable'
      )
      assert.equal(internet.privateConnections, 0)
    },
    { serial: true }
  )

  matrix(
    'keys of a set are loaded again for a new key, and rarely for unknown ones [REG-21]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const url = urlOf(`${t.name}/keys`, 'moving.example')
      respond(url, setOf(key))
      const id = publish(`${urlOf(t.name)}.json`, { jwks: undefined, jwks_uri: url })
      const { refresh_token: refresh } = (await flow.token(
        await sign(flow, id, redeem(id, await flow.login(id)), key, {}, { kid: 'key-0' })
      )).json()
      respond(url, setOf(key, otherKey))
      const renewed = await flow.token(
        await sign(flow, id, renew(id, refresh), otherKey, {}, { kid: 'key-1' })
      )
      assert.equal(renewed.status, 200, renewed.text)
      for (let index = 0; index < 20; index++) {
        const forged = await sign(flow, id, renew(id, refresh), newKey(), {}, { kid: `x${index}` })
        assert.ok([401, 503].includes((await flow.token(forged)).status))
      }
      assert.ok(fetchesOf(url) <= 4, String(fetchesOf(url)))
    }
  )

  matrix(
    'documents without usable keys, or with keys at an address that is not public, are invalid [REG-22]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({
        options: { clientIdMetadata: { allowedHosts: ['owl.example'] } }
      })
      const rows: object[] = [
        { jwks: undefined },
        { jwks: { keys: [] } },
        { jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] } },
        { jwks: undefined, jwks_uri: 'https://10.0.0.1/keys' },
        { jwks: undefined, jwks_uri: 'https://localhost/keys' },
        { jwks: undefined, jwks_uri: 'http://127.0.0.1/keys' },
        { jwks: undefined, jwks_uri: 'https://owl.example:8443/keys' },
        { jwks: undefined, jwks_uri: 'https://moving.example/keys' }
      ]
      for (const [index, more] of rows.entries()) {
        const id = publish(`${urlOf(t.name)}/${index}.json`, more)
        isPage(await flow.authorize(flow.params(id)), 400, 'invalid_client', JSON.stringify(more))
        isError(await flow.token(await sign(flow, id, redeem(id, 'x'))), 401, 'invalid_client')
      }
      const id = publish(`${urlOf(t.name)}/own.json`, {
        jwks: undefined,
        jwks_uri: urlOf('keys')
      })
      assert.equal((await flow.authorize(flow.params(id))).status, 200)
    }
  )

  matrix(
    'a public client that signs all the same stays public, and so do sessions from before [REG-20]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({ options: { lifetimes: { code: 600 } } })
      const none = { token_endpoint_auth_method: 'none' }
      const id = publish(`${urlOf(t.name)}.json`, none, { 'cache-control': 'no-store' })
      const tokens = await flow.token(
        await sign(flow, id, redeem(id, await flow.login(id)), otherKey)
      )
      assert.equal(tokens.status, 200, tokens.text)
      publish(id)
      const renewed = await flow.token(renew(id, tokens.json()['refresh_token']))
      assert.equal(renewed.status, 200, 'a token without the flag')
      assert.equal(
        (await flow.token(await sign(flow, id, renew(id, renewed.json()['refresh_token'])))).status,
        200
      )
    }
  )

  matrix(
    'a client that signs exchanges identity assertions, and a request without its signature does not [REG-19 EM-24]',
    async ({ startFlow }, t) => {
      const trusted = await startAssertionIssuer(t)
      const id = publish(`${urlOf(t.name)}.json`)
      const rows = [['private_key_jwt'], ['none', 'private_key_jwt']].flatMap(methods =>
        [undefined, [id]].map(clients => [methods, clients] as const)
      )
      for (const [methods, clients] of rows) {
        publish(id, { token_endpoint_auth_methods_supported: methods })
        const flow = await startFlow({
          options: { trustedIssuers: [{ issuer: trusted.issuer, ...clients && { clients } }] }
        })
        const ours = { issuer: flow.base, resource: flow.resource, clientId: id }
        const request = async () => ({
          grant_type: jwtBearer,
          client_id: id,
          assertion: await trusted.sign(identityClaims(trusted, ours), idJag)
        })
        const exchanged = await flow.token(await sign(flow, id, await request()))
        assert.equal(exchanged.status, 200, exchanged.text)
        isError(await flow.token(await request()), 401, 'invalid_client')
        const cold = await flow.addInstance()
        const respondedBefore = internet.responses[id.slice('https://'.length)]
        unreachable(id)
        isError(await cold.token(await request()), 503, 'temporarily_unavailable')
        internet.responses[id.slice('https://'.length)] = respondedBefore as never
      }
    }
  )

  matrix(
    'a document with dpop_bound_access_tokens gets no bearer token, with any grant [field:S15]',
    async ({ startFlow }, t) => {
      const trusted = await startAssertionIssuer(t)
      const options = { dpop: 'accept' as const, trustedIssuers: [{ issuer: trusted.issuer }] }
      const flow = await startFlow({ options })
      const id = publish(`${urlOf(t.name)}.json`, {
        dpop_bound_access_tokens: true,
        grant_types: ['authorization_code', 'refresh_token', jwtBearer]
      })
      const ours = { issuer: flow.base, resource: flow.resource, clientId: id }
      const code = redeem(id, await flow.login(id))
      const given = await trusted.sign(identityClaims(trusted, ours), idJag)
      const prove = await prover(flow)
      const get = async (params: Record<string, string | undefined>, isProven: boolean) =>
        await flow.token(await sign(flow, id, params), isProven ? await prove() : {})
      const bound = async (
        params: Record<string, string | undefined>,
        error = 'invalid_dpop_proof'
      ) => {
        isError(await get(params, false), 400, error)
        const reply = await get(params, true)
        assert.equal(reply.json()['token_type'], 'DPoP', reply.text)
        return reply.json()
      }
      const { refresh_token: refresh } = await bound(code)
      await bound(renew(id, refresh))
      // As with `dpop: 'require'`.
      await bound({ grant_type: jwtBearer, assertion: given }, 'invalid_grant')
      const off = await startFlow({ options: { ...options, dpop: 'off' } })
      const bearer = await off.token(await sign(off, id, redeem(id, await off.login(id))))
      assert.equal(bearer.json()['token_type'], 'Bearer', bearer.text)
    }
  )

  matrix(
    'a session goes on while it is unknown whether its client wants bound tokens [field:S15]',
    async ({ startFlow }, t) => {
      const flow = await startFlow({ options: { dpop: 'accept' } })
      const uncached = { 'cache-control': 'no-store' }
      const isPublic = { token_endpoint_auth_method: 'none', jwks: undefined }
      const id = publish(`${urlOf(t.name)}.json`, isPublic, uncached)
      let { refresh_token: refresh } = await flow.tokens(id)
      const isRenewed = async (at = flow) => {
        const reply = await at.token(renew(id, refresh))
        if (reply.status === 200) refresh = reply.json()['refresh_token']
        else isError(reply, 400, 'invalid_dpop_proof')
        return reply.status === 200
      }
      publish(id, { ...isPublic, dpop_bound_access_tokens: true }, uncached)
      assert.ok(await isRenewed(), 'this instance knows the earlier document')
      const code = await flow.login(id)
      assert.ok(!await isRenewed())
      const cold = await flow.addInstance()
      isError(await cold.token(redeem(id, code)), 400, 'invalid_dpop_proof')
      publish(id, isPublic, uncached)
      assert.ok(await isRenewed(), 'the document has changed')
      publish(id, { ...isPublic, dpop_bound_access_tokens: true }, uncached)
      await flow.login(id)
      unreachable(id)
      assert.ok(await isRenewed())
    }
  )

  matrix(
    'a client of identity assertions alone exchanges them, and logs in no user [EM-23]',
    async ({ startFlow }, t) => {
      const trusted = await startAssertionIssuer(t)
      const grants = { grant_types: [tokenExchange, jwtBearer], response_types: [] }
      const id = publish(`${urlOf(t.name)}.json`, grants)
      const flow = await startFlow({ options: { trustedIssuers: [{ issuer: trusted.issuer }] } })
      const ours = { issuer: flow.base, resource: flow.resource, clientId: id }
      const exchanged = await flow.token(
        await sign(flow, id, {
          grant_type: jwtBearer,
          assertion: await trusted.sign(identityClaims(trusted, ours), idJag)
        })
      )
      assert.equal(exchanged.status, 200, exchanged.text)
      const refused = await flow.authorize(flow.params(id))
      isErrorRedirect(flow, refused, 302, 'unauthorized_client')
      const without = publish(`${urlOf(t.name)}/without.json`, {
        ...grants,
        redirect_uris: undefined
      })
      const claims = identityClaims(trusted, { ...ours, clientId: without })
      const request = {
        grant_type: jwtBearer,
        assertion: await trusted.sign(claims, idJag)
      }
      assert.equal((await flow.token(await sign(flow, without, request))).status, 200)
      isPage(await flow.authorize(flow.params(without)), 400, 'invalid_request')
      const code = await flow.login(publish(`${urlOf(t.name)}/another.json`))
      for (const request of [redeem(id, code), renew(id, code)]) {
        isError(
          await flow.token(await sign(flow, id, request)),
          400,
          'unauthorized_client'
        )
      }
    }
  )

  matrix(
    'a code of a client whose document names no grant for logins any more is kept [EM-23]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const isPublic = { token_endpoint_auth_method: 'none', jwks: undefined }
      const id = publish(`${urlOf(t.name)}.json`, isPublic)
      const request = redeem(id, await flow.login(id))
      publish(id, { ...isPublic, grant_types: [jwtBearer] })
      const cold = await flow.addInstance()
      isError(await cold.token(request), 400, 'unauthorized_client')
      assert.equal((await flow.token(request)).status, 200)
    }
  )

  matrix(
    'the tokens of a login go on when the document names no refresh tokens any more [REG-19]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const id = publish(`${urlOf(t.name)}.json`)
      const tokens = await flow.token(await sign(flow, id, redeem(id, await flow.login(id))))
      publish(id, { grant_types: ['authorization_code'] })
      const cold = await flow.addInstance()
      const request = renew(id, tokens.json()['refresh_token'])
      assert.equal((await cold.token(await sign(flow, id, request))).status, 200)
    }
  )
}
