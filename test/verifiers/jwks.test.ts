import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { exportJWK } from 'jose'
import { createKeySet } from '../../lib/provider/keys.ts'
import { jwtVerifier } from '../../lib/verifiers/jwt.ts'
import { createKey, resource, startIssuer } from '../support/issuer.ts'
import type { faults } from '../support/issuer.ts'
import { sweep } from '../support/sweep.ts'

/** A verifier whose key cache has its own clock. */
async function setUp (t: TestContext) {
  const issuer = await startIssuer()
  t.after(issuer.close)
  const state = { time: 0, warnings: 0 }
  const ignore = (): void => {}
  const log = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: () => {
      state.warnings++
    }
  }
  const keys = createKeySet({ uri: async () => issuer.jwksUri, log, now: () => state.time })
  const verify = jwtVerifier({ issuer: issuer.issuer, keys, cacheFor: 0 })
  return {
    issuer,
    state,
    keys,
    verify: (token: string) => verify(token, { resource, now: Math.floor(Date.now() / 1000) }),
    loads: () => issuer.requests.get('/jwks') ?? 0
  }
}

const broken: Array<keyof typeof faults> = [
  'error',
  'unavailable',
  'missing',
  'html',
  'garbage',
  'null',
  'array',
  'deep',
  'redirect',
  'oversize',
  'bomb',
  'reset',
  'resetMidBody'
]
for (const fault of broken) {
  test(`jwtVerifier is 503 after one request for keys with "${fault}" [Q-13 F-01 K-01..K-06]`, async (t) => {
    const { issuer, verify, loads, state } = await setUp(t)
    issuer.fail.set('/jwks', fault)
    const token = await issuer.mint()
    for (let i = 0; i < 5; i++) {
      await assert.rejects(verify(token), {
        kind: 'keysUnavailable',
        statusCode: 503,
        retryAfter: 5,
        error: 'temporarily_unavailable'
      })
    }
    assert.equal(loads(), 1)
    assert.equal(state.warnings, 1)
    assert.equal(issuer.requests.get('/trap'), undefined)
  })
}

test('createKeySet rejects sets that do not consist of public keys [K-01]', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  const { jwk, privateKey } = issuer.key
  const sets: unknown[] = [
    {},
    { keys: {} },
    { keys: [] },
    { keys: [null] },
    { keys: ['x'] },
    { keys: [{}] },
    { keys: [{ kty: 1 }] },
    { keys: null },
    { keys: [jwk, { kty: 'oct', k: 'AAAA' }] },
    { keys: [{ ...jwk, ...await exportJWK(privateKey) }] },
    { keys: [jwk, { kty: 'AKP', priv: 'x' }] },
    { keys: Array.from({ length: 101 }, () => jwk) }
  ]
  for (const set of sets) {
    issuer.jwks = set
    await assert.rejects(createKeySet({ uri: async () => issuer.jwksUri }).get(), {
      kind: 'keysUnavailable'
    }, JSON.stringify(set))
  }
  issuer.jwks = { keys: Array.from({ length: 100 }, () => jwk) }
  await createKeySet({ uri: async () => issuer.jwksUri }).get()
})

test('createKeySet ignores members of a set that are no keys (RFC 7517 §5) [K-01]', async (t) => {
  const { issuer, verify } = await setUp(t)
  issuer.jwks = { keys: [null, 'x', {}, { kty: 1 }, issuer.key.jwk] }
  assert.ok(await verify(await issuer.mint()))
})

test('jwtVerifier accepts a key that is listed twice, and refuses an id of two keys [K-01 field:P4]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const { jwk } = issuer.key
  const { alg, use, ...bare } = jwk
  for (const keys of [[jwk, jwk], [jwk, { ...jwk, use: undefined }], [bare, jwk, bare]]) {
    issuer.jwks = { keys }
    assert.ok(await verify(await issuer.mint()))
    await assert.rejects(verify(await issuer.mint({ aud: 'x' })), { kind: 'invalidToken' })
  }
  const sameId = await createKey('one')
  const { issuer: other, verify: verifyOther } = await setUp(t)
  other.jwks = { keys: [sameId.jwk, other.key.jwk] }
  for (const key of [sameId, other.key, await createKey('one')]) {
    await assert.rejects(verifyOther(await other.mint({}, { key })), { kind: 'invalidToken' })
  }
})

test('jwtVerifier accepts a token without key id if exactly one key fits [L6 field:P4]', async (t) => {
  const header = { kid: undefined }
  const { kid, ...other } = (await createKey('two')).jwk
  const outcomes: Array<[others: unknown[], outcome: boolean | string]> = [
    [[], true],
    [['same'], true],
    [[{ kty: 'RSA' }], true],
    [[other], 'invalidToken']
  ]
  for (const [others, outcome] of outcomes) {
    const { issuer, verify } = await setUp(t)
    const { jwk } = issuer.key
    issuer.jwks = { keys: [jwk, ...others.map(key => Object(key) === key ? key : jwk)] }
    const verified = verify(await issuer.mint({}, { header })).then(Boolean, ({ kind }) => kind)
    assert.equal(await verified, outcome, JSON.stringify(others))
    await assert.rejects(verify(await issuer.mint({}, { header, key: await createKey('x') })), {
      kind: 'invalidToken'
    })
  }
})

test('jwtVerifier accepts a token with a key id if no key has one and exactly one fits [K-01 field:P4]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const { kid, ...unnamed } = issuer.key.jwk
  const other = await createKey('two')
  for (
    const [keys, isValid] of [
      [[unnamed], true],
      [[unnamed, unnamed], true],
      [[unnamed, { ...other.jwk, kid: undefined }], false],
      [[unnamed, other.jwk], false]
    ] as const
  ) {
    const { issuer: source, verify } = await setUp(t)
    source.jwks = { keys: [...keys] }
    const verified = verify(await source.mint({}, { key: issuer.key })).then(Boolean, () => false)
    assert.equal(await verified, isValid, JSON.stringify(keys))
  }
  issuer.jwks = { keys: [unnamed] }
  const forged = await issuer.mint({}, { key: await createKey('one') })
  await assert.rejects(verify(forged), { kind: 'invalidToken' })
})

test('createKeySet rejects metadata without jwks_uri', async () => {
  await assert.rejects(createKeySet({ uri: async () => undefined }).get(), (error: Error) => {
    assert.match(String(Object(error.cause).cause.cause), /have no jwks_uri/)
    return true
  })
})

test('createKeySet ignores the content type of the response [K-07]', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  const { createServer } = await import('node:http')
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).end(JSON.stringify(issuer.jwks))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.close()
  })
  const { port } = server.address() as { port: number }
  assert.equal(
    typeof await createKeySet({ uri: async () => `http://127.0.0.1:${port}/` }).get(),
    'function'
  )
})

test('a thousand requests without cached keys load the keys once [D12]', async (t) => {
  const { issuer, verify, loads } = await setUp(t)
  const token = await issuer.mint()
  await Promise.all(Array.from({ length: 1_000 }, () => verify(token)))
  assert.equal(loads(), 1)
})

test('createKeySet serves known keys for an hour while the provider fails [F-02 L3]', async (t) => {
  const { issuer, verify, state } = await setUp(t)
  const token = await issuer.mint()
  await verify(token)
  issuer.fail.set('/jwks', 'error')
  state.time = 601
  assert.ok(await verify(token))
  state.time = 600 + 3_599
  assert.ok(await verify(token))
  state.time = 600 + 3_600
  await assert.rejects(verify(token), { kind: 'keysUnavailable' })
})

test('a flood of unknown key ids causes one load in 30 s, and valid tokens pass [F-03 F-04 K-08]', async (t) => {
  const { issuer, verify, loads, state } = await setUp(t)
  const validToken = await issuer.mint()
  const unknown = await issuer.mint({}, { header: { kid: 'two' } })
  await verify(validToken)
  for (; state.time < 60; state.time++) {
    await Promise.all(
      Array.from({ length: 20 }, () => assert.rejects(verify(unknown), { kind: 'invalidToken' }))
    )
    assert.ok(await verify(validToken))
  }
  assert.equal(loads(), 3)
})

test('the first token loads the keys once, although its key id is unknown', async (t) => {
  const { issuer, verify, loads } = await setUp(t)
  await assert.rejects(verify(await issuer.mint({}, { header: { kid: 'two' } })), {
    kind: 'invalidToken'
  })
  assert.equal(loads(), 1)
})

test('without the provider, unknown key ids are 503 and wrong signatures 401 [F-03 L2]', async (t) => {
  const { issuer, verify, loads } = await setUp(t)
  const validToken = await issuer.mint()
  await verify(validToken)
  issuer.fail.set('/jwks', 'error')
  const unknown = await issuer.mint({}, { header: { kid: 'two' } })
  const forged = await issuer.mint({}, { key: await createKey('one') })
  for (let i = 0; i < 100; i++) {
    await assert.rejects(verify(unknown), { kind: 'keysUnavailable' })
    await assert.rejects(verify(forged), { kind: 'invalidToken' })
    assert.ok(await verify(validToken))
  }
  assert.equal(loads(), 2)
})

test('a rotation of keys rejects no valid token, and withdraws the old key [K-10 K-09 F-05 J-16]', async (t) => {
  const { issuer, verify, state } = await setUp(t)
  const two = await createKey('two')
  const oldToken = await issuer.mint()
  assert.ok(await verify(oldToken))
  issuer.jwks = { keys: [issuer.key.jwk, two.jwk] }
  assert.ok(await verify(await issuer.mint({}, { key: two })), 'accepted with the first token')
  assert.ok(await verify(oldToken))
  issuer.jwks = { keys: [two.jwk] }
  state.time += 600
  assert.ok(await verify(await issuer.mint({}, { key: two })))
  await assert.rejects(verify(oldToken), { kind: 'invalidToken' })
})

test('jwtVerifier accepts all requests during a rotation of keys [F-05]', async (t) => {
  const { issuer, verify, state, loads } = await setUp(t)
  const two = await createKey('two')
  const mintedBy = async (key = issuer.key): Promise<string[]> =>
    Promise.all(
      Array.from({ length: 50 }, (_, index) => issuer.mint({ sub: `user${index}` }, { key }))
    )
  const [before, after] = [await mintedBy(), await mintedBy(two)]
  const phases = [
    { keys: [issuer.key], tokens: before },
    { keys: [issuer.key, two], tokens: before },
    { keys: [issuer.key, two], tokens: [...before, ...after] },
    { keys: [two], tokens: after }
  ]
  const requests = 100 * sweep(25)
  let accepted = 0
  for (const { keys, tokens } of phases) {
    issuer.jwks = { keys: keys.map(({ jwk }) => jwk) }
    for (let request = 0; request < requests; request += 100) {
      // An hour passes in total, so the keys are also reloaded when they expire.
      state.time += 900 / (requests / 100)
      const callers = await Promise.all(
        Array.from(
          { length: 100 },
          (_, index) => verify(tokens[(request + index) % tokens.length] ?? '')
        )
      )
      accepted += callers.filter(caller => caller !== null).length
    }
  }
  assert.equal(accepted, 4 * requests)
  assert.ok(loads() <= 8, `${loads()} loads`)
})

test('a new key with an old id is loaded with its first token, and replaces the old one [K-11]', async (t) => {
  const { issuer, verify, loads } = await setUp(t)
  const oldToken = await issuer.mint()
  await verify(oldToken)
  const next = await createKey('one')
  issuer.jwks = { keys: [next.jwk] }
  assert.ok(await verify(await issuer.mint({}, { key: next })))
  assert.equal(loads(), 2)
  await assert.rejects(verify(oldToken), { kind: 'invalidToken' })
})
