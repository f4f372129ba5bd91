import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Store } from '../../lib/types.ts'
import {
  introspectionVerifier,
  mcpOAuth,
  type Guard,
  type McpAuth,
  type McpOAuthOptions,
  type TokenVerifier
} from '../../lib/index.ts'
import { optionProblems } from '../../lib/options/rules.ts'
import { createHolder, type Holder, type ProofParts } from '../support/dpop.ts'
import {
  callerIn,
  raw,
  startGuarded,
  whoami,
  whoamiCall,
  type GuardedApp
} from '../support/guarded.ts'
import type { AppSetup } from '../support/app.ts'
import { startIntrospection } from '../support/introspection.ts'
import { createKey } from '../support/issuer.ts'
import { stores } from '../support/stores.ts'
import { sendRequest, type Received } from '../support/requests.ts'

const algs = 'algs="RS256 PS256 ES256 EdDSA Ed25519"'
const description = {
  invalid_token: 'The access token is not valid here.',
  invalid_dpop_proof: 'The DPoP proof is missing or not valid here.',
  use_dpop_nonce: 'A DPoP proof with the nonce of this response is required.',
  invalid_request: 'The request is malformed.',
  insufficient_scope: 'The access token lacks a scope this request needs.'
} as const

type Denial = keyof typeof description

interface BoundApp extends GuardedApp {
  holder: Holder
  /** A token bound to the holder's key. */
  bound(claims?: Record<string, unknown>): Promise<string>
  nonce(): Promise<string>
  /** Calls the MCP route, or `url`, with a valid proof except for the given parts. */
  send(
    token: string,
    parts?: ProofParts & {
      method?: string
      url?: string
      scheme?: string
      prover?: Holder
      proof?: string | undefined
    }
  ): Promise<Received>
}

async function start (
  t: TestContext,
  dpop: 'off' | 'accept' | 'require',
  options: McpOAuthOptions = {},
  setup: AppSetup = {}
): Promise<BoundApp> {
  const [app, holder] = [await startGuarded(t, { dpop, ...options }, setup), await createHolder()]
  const post = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const { origin, mcpUrl } = app
  const localUrl = (url: string) => url.replace(options.publicUrl ?? origin, origin)
  const bound: BoundApp = {
    ...app,
    holder,
    bound: claims => app.token({ cnf: { jkt: holder.jkt }, ...claims }),
    async nonce () {
      const response = await bound.send(await bound.bound(), { nonce: undefined })
      return response.headers.get('dpop-nonce') ?? assert.fail(await response.text())
    },
    async send (
      token,
      { method = 'POST', url = mcpUrl, scheme = 'DPoP', prover = holder, ...parts } = {}
    ) {
      const nonce = 'nonce' in parts ? parts.nonce : await bound.nonce()
      const proof = 'proof' in parts
        ? parts.proof
        : await prover.prove(method, url, { token, ...parts, nonce })
      return await sendRequest(localUrl(url), {
        method,
        headers: {
          ...(method === 'POST' && post),
          authorization: `${scheme} ${token}`,
          ...(proof !== undefined && { dpop: proof })
        },
        ...(method === 'POST' && { body: JSON.stringify(whoamiCall) })
      })
    }
  }
  return bound
}

/** Asserts a rejection with exactly these challenges: `*` marks a scheme without an error. */
async function isRejected (
  response: Received,
  status: number,
  expected: string,
  origin: string,
  message = '',
  scope = ''
): Promise<void> {
  assert.equal(response.status, status, message)
  const metadata = `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
  const lines = expected.split(', ').map((line) => {
    const [scheme = '', error] = line.split(' ') as [string, Denial | undefined]
    const errorParts = error === undefined
      ? ''
      : `error="${error}", error_description="${description[error]}", `
    return `${scheme} ${errorParts}${metadata}${scope}${scheme === 'DPoP' ? `, ${algs}` : ''}`
  })
  assert.equal(response.headers.get('www-authenticate'), lines.join(', '), message)
  await response.text()
}

test('dpop off: POST /mcp rejects a bound token with 401, with either scheme [Q-27]', async (t) => {
  const app = await start(t, 'off')
  const token = await app.bound()
  await isRejected(await app.call(token), 401, 'Bearer invalid_token', app.origin)
  await isRejected(
    await app.send(token, { scheme: 'Bearer', nonce: 'x' }),
    401,
    'Bearer invalid_token',
    app.origin
  )
  // Credentials of an unsupported scheme count as none (RFC 6750 §3.1).
  const response = await app.send(token, { nonce: 'x' })
  assert.equal(response.headers.get('dpop-nonce'), null)
  await isRejected(response, 401, 'Bearer', app.origin)
  for (const cnf of [{ 'x5t#S256': app.holder.jkt }, { kid: 'k' }, {}, null]) {
    await isRejected(
      await app.call(await app.token({ cnf })),
      401,
      'Bearer invalid_token',
      app.origin
    )
  }
  assert.equal((await app.call(await app.token())).status, 200)
  const document =
    await (await sendRequest(`${app.origin}/.well-known/oauth-protected-resource/mcp`))
      .json() as object
  assert.deepEqual(Object.keys(document).filter(name => name.startsWith('dpop')), [])
})

test('dpop accept: POST /mcp accepts bearer tokens, and bound tokens with a proof only [Q-27 EX-04]', async (t) => {
  const app = await start(t, 'accept')
  const [token, plain] = [await app.bound(), await app.token()]
  assert.equal((await app.call(plain)).status, 200)
  const caller = await callerIn(await app.send(token))
  assert.deepEqual([caller['subject'], (caller['claims'] as { cnf: unknown }).cnf], ['alice', {
    jkt: app.holder.jkt
  }])
  for (const scheme of ['dpop', 'DPOP', 'DPoP ']) {
    assert.equal((await app.send(token, { scheme })).status, 200, scheme)
  }

  await isRejected(
    await app.call(token),
    401,
    'Bearer invalid_token, DPoP invalid_token',
    app.origin,
    'downgraded'
  )
  await isRejected(
    await app.send(token, { scheme: 'Bearer' }),
    401,
    'Bearer invalid_token, DPoP invalid_token',
    app.origin,
    'downgraded, with a proof'
  )
  await isRejected(
    await app.send(plain),
    401,
    'Bearer invalid_token, DPoP invalid_token',
    app.origin,
    'not bound'
  )
  await isRejected(
    await app.send(token, { proof: undefined }),
    401,
    'DPoP invalid_dpop_proof',
    app.origin,
    'no proof'
  )
  for (
    const cnf of [
      { 'x5t#S256': app.holder.jkt },
      { jkt: app.holder.jkt, 'x5t#S256': app.holder.jkt },
      { jkt: 'x' },
      {},
      null
    ]
  ) {
    for (const scheme of ['DPoP', 'Bearer']) {
      await isRejected(
        await app.send(await app.token({ cnf }), { scheme }),
        401,
        'Bearer invalid_token, DPoP invalid_token',
        app.origin,
        JSON.stringify(cnf)
      )
    }
  }
})

test('dpop require: POST /mcp accepts only bound tokens [Q-27 EX-04]', async (t) => {
  const app = await start(t, 'require')
  const token = await app.bound()
  assert.equal((await app.send(token)).status, 200)
  await isRejected(await app.send(await app.token()), 401, 'DPoP invalid_token', app.origin)
  // Bearer is not supported here: its credentials count as none.
  for (const bearer of [token, await app.token(), 'a b']) {
    await isRejected(await app.call(bearer), 401, 'DPoP', app.origin)
  }
})

test('POST /mcp sends one complete challenge for each accepted scheme [RS-09 RS-11 RS-13]', async (t) => {
  const scope = ', scope="read write"'
  for (
    const [dpop, both] of [['accept', (error: string) => `Bearer${error}, DPoP${error}`], [
      'require',
      (error: string) => `DPoP${error}`
    ]] as const
  ) {
    const app = await start(t, dpop, { requiredScopes: ['read', 'write'] })
    await isRejected(await app.call(), 401, both(''), app.origin, dpop, scope)
    await isRejected(
      await app.send(await app.bound({ scope: 'read' })),
      403,
      both(' insufficient_scope'),
      app.origin,
      dpop,
      scope
    )
    const [head = ''] =
      (await raw(app.origin, ['GET /mcp HTTP/1.1', 'Host: localhost', 'Connection: close'])).split(
        '\r\n\r\n'
      )
    assert.equal(
      head.match(/^www-authenticate: /gm)?.length,
      dpop === 'accept' ? 2 : 1,
      'one line each'
    )
  }
})

test('POST /mcp responds 400 to a malformed DPoP header, as to Bearer [RS-18 Q-02 Q-03 Q-04]', async (t) => {
  const app = await start(t, 'accept')
  const token = await app.bound()
  const proof = await app.holder.prove('POST', app.mcpUrl, { token, nonce: await app.nonce() })
  const send = (authorization: string, url = app.mcpUrl) =>
    sendRequest(url, { method: 'POST', headers: { authorization, dpop: proof } })
  for (
    const value of [
      'DPoP',
      `DPoP ${token} ${token}`,
      `DPoP ${token},${token}`,
      `DPoP\t${token}`,
      `DPoP ${token}, Bearer ${token}`
    ]
  ) {
    await isRejected(
      await send(value),
      400,
      'Bearer invalid_request, DPoP invalid_request',
      app.origin,
      value.slice(0, 20)
    )
  }
  await isRejected(
    await send(`DPoP ${token}`, `${app.mcpUrl}?access_token=${token}`),
    400,
    'Bearer invalid_request, DPoP invalid_request',
    app.origin
  )
  await isRejected(
    await send('DPoP {}'),
    401,
    'Bearer invalid_token, DPoP invalid_token',
    app.origin
  )
  const two = await raw(app.origin, [
    'GET /mcp HTTP/1.1',
    'Host: localhost',
    'Connection: close',
    `Authorization: Bearer ${token}`,
    `Authorization: DPoP ${token}`
  ])
  assert.match(two, /^HTTP\/1.1 400 /)
})

for (const [kind, isKnown] of [['a new', false], ['a known', true]] as const) {
  test(`POST /mcp rejects altered proofs of ${kind} key with 401 [EX-04 J-01 J-02 J-03 J-07]`, async (t) => {
    const app = await start(t, 'accept')
    const [token, nonce, other] = [await app.bound(), await app.nonce(), await createHolder()]
    if (isKnown) assert.equal((await app.send(token, { nonce })).status, 200)
    const assertRejected = async (
      message: string,
      parts: Parameters<BoundApp['send']>[1],
      error = 'invalid_dpop_proof'
    ) => {
      await isRejected(
        await app.send(token, { nonce, ...parts }),
        401,
        error === 'invalid_token' ? 'Bearer invalid_token, DPoP invalid_token' : `DPoP ${error}`,
        app.origin,
        message
      )
    }
    await assertRejected('signed by another key', { signer: other.privateKey })
    await assertRejected('with another key in it', { header: { jwk: other.jwk } })
    await assertRejected('of another key', { prover: other }, 'invalid_token')
    await assertRejected('with a private key in it', {
      header: { jwk: { ...app.holder.jwk, d: 'x' } }
    })
    await assertRejected('with a broken key in it', {
      header: { jwk: { ...app.holder.jwk, x: 'AAAA' } }
    })
    await assertRejected('with a key of another curve', {
      header: { jwk: { ...app.holder.jwk, crv: 'P-384' } }
    })
    await assertRejected('no key', { header: { jwk: undefined } })
    await assertRejected('a type of token', { header: { typ: 'at+jwt' } })
    await assertRejected('no type', { header: { typ: undefined } })
    for (const name of ['jti', 'htm', 'htu', 'iat', 'ath']) {
      await assertRejected(`without ${name}`, { claims: { [name]: undefined } })
    }
    await assertRejected('for another method', { claims: { htm: 'GET' } })
    await assertRejected('for another URL', { claims: { htu: `${app.mcpUrl}/x` } })
    await assertRejected('for the address it was sent to, not the published one', {
      claims: { htu: app.mcpUrl.replace('localhost', '127.0.0.1') }
    })
    await assertRejected('for another token', { token: await app.bound() })
    await assertRejected('without a nonce', { nonce: undefined }, 'use_dpop_nonce')
    await assertRejected(
      'with an invented nonce',
      { nonce: nonce.split('').reverse().join('') },
      'use_dpop_nonce'
    )
    await assertRejected('the access token', { proof: token })

    const validProof = await app.holder.prove('POST', app.mcpUrl, { token, nonce })
    const [header = '', payload = '', signature = ''] = validProof.split('.')
    for (
      const [message, proof] of Object.entries({
        'no signature': `${header}.${payload}.`,
        'alg none': `${
          Buffer.from(JSON.stringify({ typ: 'dpop+jwt', alg: 'none', jwk: app.holder.jwk }))
            .toString(
              'base64url'
            )
        }.${payload}.${signature}`,
        'alg HS256': `${
          Buffer.from(JSON.stringify({ typ: 'dpop+jwt', alg: 'HS256', jwk: app.holder.jwk }))
            .toString('base64url')
        }.${payload}.${signature}`,
        'another payload': `${header}.${
          Buffer.from(
            JSON.stringify({
              ...JSON.parse(Buffer.from(payload, 'base64url').toString()),
              jti: 'x'
            })
          ).toString('base64url')
        }.${signature}`,
        'zeros for a signature': `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
        'no JSON': `${header}.e30x.${signature}`,
        'a list': `${header}.W10.${signature}`,
        text: 'proof',
        'two in one': `${validProof}, ${validProof}`
      })
    ) await assertRejected(message, { proof })
    const response = await raw(app.origin, [
      'POST /mcp HTTP/1.1',
      'Host: localhost',
      'Connection: close',
      'Content-Length: 0',
      `Authorization: DPoP ${token}`,
      `DPoP: ${validProof}`,
      `dpop: ${validProof}`
    ])
    assert.match(response, /^HTTP\/1.1 401 [^]*error="invalid_dpop_proof"/)
    // None of these requests has consumed the valid proof.
    assert.equal((await app.send(token, { proof: validProof })).status, 200)
  })
}

test('POST /mcp accepts proofs of every announced algorithm [EX-04]', async (t) => {
  const app = await start(t, 'accept')
  const nonce = await app.nonce()
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']) {
    const [prover, other] = [await createHolder(alg), await createHolder(alg)]
    const token = await app.token({ cnf: { jkt: prover.jkt } })
    for (const signer of [other.privateKey, undefined, undefined, other.privateKey]) {
      const { status } = await app.send(token, { prover, nonce, ...(signer && { signer }) })
      assert.equal(status, signer ? 401 : 200, alg)
    }
  }
  for (const alg of ['ES384', 'RS512']) {
    const prover = await createHolder(alg)
    await isRejected(
      await app.send(await app.token({ cnf: { jkt: prover.jkt } }), { prover, nonce }),
      401,
      'DPoP invalid_dpop_proof',
      app.origin,
      alg
    )
  }
})

test('POST /mcp accepts a proof once, identified by its key and jti [EX-04]', async (t) => {
  const app = await start(t, 'accept')
  const [token, nonce, other] = [await app.bound(), await app.nonce(), await createHolder()]
  const proof = await app.holder.prove('POST', app.mcpUrl, {
    token,
    nonce,
    claims: { jti: 'once' }
  })
  const responses = await Promise.all(Array.from({ length: 10 }, () => app.send(token, { proof })))
  assert.deepEqual(responses.map(({ status }) => status).sort(), [
    200,
    ...Array.from({ length: 9 }, () => 401)
  ])
  await isRejected(await app.send(token, { proof }), 401, 'DPoP invalid_dpop_proof', app.origin)
  await isRejected(
    await app.send(token, { nonce, claims: { jti: 'once' } }),
    401,
    'DPoP invalid_dpop_proof',
    app.origin
  )
  assert.equal(
    (await app.send(await app.token({ cnf: { jkt: other.jkt } }), {
      prover: other,
      nonce,
      claims: { jti: 'once' }
    })).status,
    200
  )
})

test('POST /mcp accepts nonces of instances with the same secret only [EX-04]', async (t) => {
  const secret = 'a secret that is shared by two instances'
  const [one, two, unrelated] = [
    await start(t, 'accept', { secret }),
    await start(t, 'accept', { secret }),
    await start(t, 'accept')
  ]
  const nonce = await one.nonce()
  assert.match(nonce, /^[\w-]{22}$/)
  const response = await two.send(await two.bound(), { nonce })
  assert.equal(response.status, 200)
  const rejected = await unrelated.send(await unrelated.bound(), { nonce })
  assert.notEqual(rejected.headers.get('dpop-nonce'), nonce)
  await isRejected(rejected, 401, 'DPoP use_dpop_nonce', unrelated.origin)
})

test('POST /mcp requires a proof for cached tokens, and accepts one after a rejection [EX-04]', async (t) => {
  const app = await start(t, 'accept')
  const token = await app.bound()
  for (let round = 0; round < 3; round++) {
    await isRejected(
      await app.call(token),
      401,
      'Bearer invalid_token, DPoP invalid_token',
      app.origin
    )
    await isRejected(
      await app.send(token, { proof: undefined }),
      401,
      'DPoP invalid_dpop_proof',
      app.origin
    )
    assert.equal((await app.send(token)).status, 200)
  }
  const plain = await app.token()
  for (let round = 0; round < 2; round++) {
    assert.equal((await app.call(plain)).status, 200)
    await isRejected(
      await app.send(plain),
      401,
      'Bearer invalid_token, DPoP invalid_token',
      app.origin
    )
  }
})

test('A guarded route expects its own URL in htu, also behind a proxy that strips a path [EX-04 Q-27]', async (t) => {
  const publicUrl = 'https://mcp.example.com/base'
  const routes = (app: FastifyInstance) => {
    app.get(
      '/notes/:id',
      { onRequest: app.requireMcpAuth() },
      async ({ mcpAuth }) => mcpAuth?.subject
    )
    app.get('/twice', {
      onRequest: app.requireMcpAuth(),
      preHandler: app.requireMcpAuth({ scopes: ['read'] })
    }, async () => 'twice')
  }
  const app = await start(t, 'require', { publicUrl }, { routes })
  const token = await app.token({ aud: `${publicUrl}/mcp`, cnf: { jkt: app.holder.jkt } })
  const nonce = (await app.send(token, { url: `${publicUrl}/mcp`, nonce: undefined })).headers.get(
    'dpop-nonce'
  ) ??
    ''
  const send = (url: string, parts: Parameters<BoundApp['send']>[1] = {}) =>
    app.send(token, { method: 'GET', url: publicUrl + url, nonce, ...parts })
  assert.equal((await app.send(token, { url: `${publicUrl}/mcp`, nonce })).status, 200)
  assert.equal(await (await send('/notes/a%20b?c=d')).text(), 'alice')
  assert.equal((await send('/notes/%61')).status, 200)
  // Two guards of one request share one verified proof.
  assert.equal(await (await send('/twice')).text(), 'twice')
  for (
    const htu of [
      `${app.origin}/notes/a`,
      'https://mcp.example.com/notes/a',
      `${publicUrl}/notes/b`,
      `${publicUrl}/mcp`
    ]
  ) {
    const response = await send('/notes/a', { claims: { htu } })
    assert.match(
      response.headers.get('www-authenticate') ?? '',
      /^DPoP error="invalid_dpop_proof"/,
      htu
    )
    assert.equal(response.status, 401)
  }
  // The Host and forwarding headers do not change the expected `htu`.
  const forged = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-prefix': '/evil',
    authorization: `DPoP ${token}`,
    dpop: await app.holder.prove('GET', 'https://evil.example/evil/notes/a', { token, nonce })
  }
  assert.equal((await sendRequest(`${app.origin}/notes/a`, { headers: forged })).status, 401)
})

test('A verified proof of a request holds for one token and one key only [EX-04 Q-27]', async (t) => {
  const [holder, other] = [await createHolder(), await createHolder()]
  const verifier = (key: Holder) => async (token: string): Promise<McpAuth> => ({
    token,
    clientId: 'c',
    scopes: [],
    claims: { cnf: { jkt: key.jkt } }
  })
  const app = Fastify()
  t.after(() => app.close())
  const secret = 'a secret that is long enough to be one'
  await app.register(mcpOAuth, {
    prefix: '/mine',
    dpop: 'accept',
    secret,
    tokens: verifier(holder)
  })
  await app.register(mcpOAuth, {
    prefix: '/other',
    dpop: 'accept',
    secret,
    tokens: verifier(other)
  })
  const [first, second] = ['/mine', '/other'].map(prefix => app.requireMcpAuth({ prefix })) as [
    Guard,
    Guard
  ]
  app.get('/same', { onRequest: first, preHandler: first }, async () => 'in')
  app.get('/key', { onRequest: first, preHandler: second }, async () => 'in')
  app.get('/token', {
    onRequest: first,
    preValidation: async (request) => {
      request.headers.authorization = 'DPoP another'
    },
    preHandler: first
  }, async () => 'in')
  const send = async (url: string, nonce?: string) =>
    await app.inject({
      url,
      headers: {
        authorization: 'DPoP token',
        dpop: await holder.prove('GET', `http://localhost${url}`, { token: 'token', nonce })
      }
    })
  const nonce = String((await send('/same')).headers['dpop-nonce'])
  assert.deepEqual(
    await Promise.all(
      ['/same', '/key', '/token'].map(async url => (await send(url, nonce)).statusCode)
    ),
    [200, 401, 401]
  )
})

test('A guarded route reads the binding of a token from the verifiers of the app [EX-04 Q-27]', async (t) => {
  const holder = await createHolder()
  const verifier = async (token: string): Promise<McpAuth> => ({
    token,
    clientId: 'c',
    scopes: [],
    ...(token === 'bound' && { claims: { cnf: { jkt: holder.jkt } } }),
    ...(token === 'mtls' && { claims: { cnf: { 'x5t#S256': holder.jkt } } })
  })
  for (
    const [dpop, expected] of [['off', [401, 200, 401, 401, 401]], ['accept', [
      401,
      200,
      200,
      401,
      401
    ]], ['require', [401, 401, 200, 401, 401]]] as const
  ) {
    const app = await start(t, dpop, { tokens: verifier, dependencies: [() => ({ seen: true })] })
    const nonce =
      (await app.send('bound', { prover: holder, nonce: undefined })).headers.get('dpop-nonce') ??
        undefined
    const responses = [
      await app.call('bound'),
      await app.call('plain'),
      await app.send('bound', { prover: holder, nonce }),
      await app.send('plain', { prover: holder, nonce }),
      await app.send('mtls', { prover: holder, nonce })
    ]
    assert.deepEqual(responses.map(({ status }) => status), expected, dpop)
  }
})

test('A guarded route reads the binding of an opaque token from introspection [EX-04 Q-27]', async (t) => {
  const server = await startIntrospection(t)
  const verify = introspectionVerifier({
    issuer: server.issuer,
    clientId: 'rs',
    clientSecret: 'canary'
  })
  // The app has another issuer than this verifier.
  const tokens: TokenVerifier = async (token, context) => await verify(token, context)
  for (
    const [dpop, expected] of [['off', [401, 401, 401]], ['accept', [200, 401, 401]], ['require', [
      200,
      401,
      401
    ]]] as const
  ) {
    const app = await start(t, dpop, { tokens })
    const response = {
      active: true,
      aud: app.mcpUrl,
      sub: 'alice',
      token_type: 'DPoP',
      cnf: { jkt: app.holder.jkt }
    }
    server.response = response
    const nonce = (await app.send('opaque', { nonce: undefined })).headers.get('dpop-nonce') ??
      undefined
    const statuses = [
      (await app.send('opaque', { nonce })).status,
      (await app.call('opaque')).status
    ]
    server.response = { ...response, cnf: undefined }
    assert.deepEqual([...statuses, (await app.call('opaque')).status], expected, dpop)
  }
})

for (const { where, skip, open } of stores) {
  test(
    `Two instances that share a store (${where}) accept a proof once [EX-04 S-03]`,
    { skip },
    async (t) => {
      const options = {
        store: await open(t),
        secret: 'a secret that is shared by two instances',
        publicUrl: 'https://mcp.example.com'
      }
      const url = 'https://mcp.example.com/mcp'
      const [one, two] = [await start(t, 'require', options), await start(t, 'require', options)]
      const key = await createKey('shared')
      for (const { issuer } of [one, two]) issuer.jwks = { keys: [key.jwk] }
      const claims = { aud: url, cnf: { jkt: one.holder.jkt } }
      // Each instance has its own issuer, so each has its own token. The test does not concern
      // `ath`.
      const tokens = await Promise.all([one, two].map(({ issuer }) => issuer.mint(claims, { key })))
      const nonce = (await one.send(tokens[0] as string, { url, nonce: undefined })).headers.get(
        'dpop-nonce'
      ) ??
        ''
      const parts = { url, by: one.holder, nonce, claims: { jti: 'shared' } }
      const responses = await Promise.all([
        one.send(tokens[0] as string, parts),
        two.send(tokens[1] as string, parts)
      ])
      assert.deepEqual(responses.map(({ status }) => status).sort(), [200, 401])
    }
  )
}

test('POST /mcp responds 503 to bound tokens while the store is unavailable [EX-04 S-02]', async (t) => {
  const down = async () => {
    throw new Error('canary')
  }
  const store: Store = { get: down, put: down, putIfAbsent: down }
  const app = await start(t, 'accept', { store, secret: 'a secret that is long enough to be one' })
  const response = await app.send(await app.bound())
  assert.equal(response.status, 503)
  assert.ok(Number(response.headers.get('retry-after')) > 0)
  assert.equal(response.headers.get('www-authenticate'), null)
  assert.doesNotMatch(await response.text(), /canary/)
  assert.equal((await app.call(await app.token())).status, 200)
})

test('CORS of POST /mcp allows the proof header and exposes the nonce [EX-04]', async (t) => {
  const app = await start(t, 'accept', { allowedOrigins: ['https://app.example'] })
  const origin = 'https://app.example'
  const preflight = await sendRequest(app.mcpUrl, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, dpop'
    }
  })
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /\bdpop\b/)
  const response = await sendRequest(app.mcpUrl, { method: 'POST', headers: { origin } })
  assert.match(response.headers.get('access-control-expose-headers') ?? '', /\bDPoP-Nonce\b/)
})

test('The resource metadata name the proof algorithms, and whether proofs are required [EX-04]', async (t) => {
  for (const [dpop, required] of [['accept', undefined], ['require', true]] as const) {
    const app = await start(t, dpop)
    const document =
      await (await sendRequest(`${app.origin}/.well-known/oauth-protected-resource/mcp`))
        .json() as Record<string, unknown>
    assert.deepEqual(document['dpop_signing_alg_values_supported'], [
      'RS256',
      'PS256',
      'ES256',
      'EdDSA',
      'Ed25519'
    ])
    assert.equal(document['dpop_bound_access_tokens_required'], required)
  }
})

const routes = (app: FastifyInstance) => {
  app.get(
    '/me',
    { onRequest: app.requireMcpAuth(), schema: { operationId: 'me' } },
    async ({ mcpAuth, headers }) => ({
      subject: mcpAuth?.subject,
      ticket: headers['x-fastify-mcp-oauth-ticket'] ?? null
    })
  )
}

const toolCall = { ...whoamiCall, params: { name: 'me', arguments: {} } }

/** The same call, as clients of each era send it. */
const eras = {
  legacy: [{}, toolCall],
  modern: [
    { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'me' },
    {
      ...toolCall,
      params: {
        ...toolCall.params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {}
        }
      }
    }
  ]
} as const

test('A tool made from a guarded route reuses the proof of its MCP request alone [EX-04 Q-25]', async (t) => {
  for (
    const [dpop, era] of [['accept', 'legacy'], ['require', 'legacy'], ['accept', 'modern'], [
      'require',
      'modern'
    ]] as const
  ) {
    const [eraHeaders, body] = eras[era]
    const tickets: string[] = []
    const app = Fastify()
    // A hook of the host reads all headers before the plugin does.
    app.addHook('onRequest', async ({ headers }) => {
      tickets.push(...[headers['x-fastify-mcp-oauth-ticket'] ?? []].flat())
    })
    const bound = await start(t, dpop, { mcp: { tools: true } }, { app, routes })
    const token = await bound.bound()
    const call = async (proof?: string) =>
      await sendRequest(bound.mcpUrl, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `DPoP ${token}`,
          ...(proof !== undefined && { dpop: proof }),
          ...eraHeaders
        },
        body: JSON.stringify(body)
      })
    const nonce = await bound.nonce()
    const response = await call(await bound.holder.prove('POST', bound.mcpUrl, { token, nonce }))
    assert.deepEqual(await callerIn(response), { subject: 'alice', ticket: null })
    assert.equal(tickets.length, 1)

    const meUrl = `${bound.origin}/me`
    const outside = (headers: Record<string, string>) =>
      sendRequest(meUrl, { headers: { authorization: `DPoP ${token}`, ...headers } })
    assert.equal((await outside({})).status, 401)
    // Inject tokens are valid once, and cannot be forged.
    for (
      const ticket of [...tickets, '', 'x', 'undefined', '00000000-0000-4000-8000-000000000000']
    ) {
      const rejected = await outside({ 'x-fastify-mcp-oauth-ticket': ticket })
      assert.ok([401, 404].includes(rejected.status), ticket)
      assert.doesNotMatch(await rejected.text(), /alice/)
    }
    assert.equal((await bound.send(token, { method: 'GET', url: meUrl })).status, 200)
    assert.equal((await call()).status, 401)
  }
})

test('A tool made from a guarded route rejects a bound token if no proof was verified [EX-04 Q-25]', async (t) => {
  const bound = await start(t, 'accept')
  const { issuer } = bound
  const app = Fastify()
  t.after(() => app.close())
  const [open, closed] = [
    { auth: false as const, prefix: '/open', mcp: { tools: true as const } },
    { issuer: issuer.issuer, prefix: '/closed', dpop: 'accept' as const, mcp: { server: whoami() } }
  ]
  await app.register(mcpOAuth, open)
  await app.register(mcpOAuth, closed)
  app.get('/me', {
    onRequest: app.requireMcpAuth({ prefix: '/closed' }),
    schema: { operationId: 'me' }
  }, async ({ mcpAuth }) => ({ subject: mcpAuth?.subject }))
  const send = async (token: string, scheme: string, dpop?: string) => {
    const headers = {
      accept: 'application/json, text/event-stream',
      authorization: `${scheme} ${token}`,
      ...(dpop !== undefined && { dpop })
    }
    const { result } =
      (await app.inject({ method: 'POST', url: '/open/mcp', headers, payload: toolCall })).json<
        { result: { isError?: boolean, content: Array<{ text: string }> } }
      >()
    return result.isError ? 'refused' : result.content[0]?.text
  }
  const resource = 'http://localhost/closed/mcp'
  assert.equal(await send(await issuer.mint({ aud: resource }), 'Bearer'), '{"subject":"alice"}')
  const token = await issuer.mint({ aud: resource, cnf: { jkt: bound.holder.jkt } })
  const rejected = await app.inject({
    url: '/me',
    headers: {
      authorization: `DPoP ${token}`,
      dpop: await bound.holder.prove('GET', 'http://localhost/me', { token })
    }
  })
  const nonce = String(rejected.headers['dpop-nonce'])
  assert.equal(await send(token, 'DPoP'), 'refused')
  assert.equal(
    await send(
      token,
      'DPoP',
      await bound.holder.prove('POST', 'http://localhost/open/mcp', { token, nonce })
    ),
    'refused'
  )
  assert.equal(await send(token, 'Bearer'), 'refused')
})

test('The option dpop is rejected without token checks, or with a store and no secret [EX-04]', () => {
  const issuer = 'https://id.example'
  const proxies = { issuer, setupProxies: true, clientId: 'server', clientSecret: 'canary' }
  const verifier = async () => null
  const store: Store = { get: async () => null, put: async () => {}, putIfAbsent: async () => null }
  const secret = 'a secret that is long enough to be one'
  const problems = (options: McpOAuthOptions) =>
    optionProblems(options, false).map(line => line.split(':')[0])
  for (const dpop of ['accept', 'require'] as const) {
    for (
      const valid of [
        { issuer },
        { tokens: verifier },
        { issuer, tokens: verifier, dependencies: [() => {}] },
        proxies,
        { ...proxies, dependencies: [() => {}] },
        { issuer, store, secret }
      ] satisfies McpOAuthOptions[]
    ) {
      assert.deepEqual(problems({ dpop, ...valid }), [])
    }
    for (
      const invalid of [
        { dependencies: [() => {}] },
        { issuer, dependencies: [() => {}] },
        { auth: false },
        { issuer, tokens: false, dependencies: [() => {}] },
        { ...proxies, tokens: false, dependencies: [() => {}] },
        { ...proxies, version: '2025-03-26' }
      ] satisfies McpOAuthOptions[]
    ) {
      assert.deepEqual(problems({ dpop, ...invalid }), ['dpop'], JSON.stringify(invalid))
    }
    assert.deepEqual(problems({ dpop, issuer, store }), ['secret'])
  }
  assert.deepEqual(problems({ dpop: 'off', issuer, store }), [])
  assert.deepEqual(problems({ dpop: 'off', dependencies: [() => {}] }), [])
  assert.match(
    optionProblems({ issuer, dpop: true }, false)[0] ?? '',
    /^dpop: true is given. Give 'off' or 'accept' or 'require'$/
  )
})

test('A guarded route accepts a proof once, however the path is spelled [EX-04 Q-27]', async (t) => {
  const app = await start(t, 'accept')
  const token = await app.bound()
  const proof = await app.holder.prove('POST', app.mcpUrl, { token, nonce: await app.nonce() })
  for (
    const [path, status] of [['/mcp', 200], ['/mcp', 401], ['/%6dcp', 401], ['/%6Dcp', 401], [
      '/m%63p',
      401
    ], ['/mcp?x=1', 401]] as const
  ) {
    assert.equal((await app.send(token, { proof, url: app.origin + path })).status, status, path)
  }
})
