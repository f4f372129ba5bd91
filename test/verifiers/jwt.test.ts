import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import {
  CompactSign,
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  importJWK
} from 'jose'
import { generateKeyPair } from '../support/key-pair.ts'
import type { TokenVerifier } from '../../lib/types.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { createKeySet } from '../../lib/provider/keys.ts'
import { problemOfClaims } from '../../lib/verifiers/claims.ts'
import { jwtVerifier } from '../../lib/verifiers/jwt.ts'
import type { JwtVerifierOptions } from '../../lib/verifiers/jwt.ts'
import { createKey, resource, startIssuer } from '../support/issuer.ts'
import type { Issuer } from '../support/issuer.ts'

const now = (): number => Math.floor(Date.now() / 1000)
/** Of the running test: other files may have run for minutes before it. */
let context = { resource, now: now() }
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

async function setUp (
  t: TestContext,
  options: Partial<JwtVerifierOptions> = {}
): Promise<{ issuer: Issuer, verify: TokenVerifier }> {
  const issuer = await startIssuer()
  t.after(issuer.close)
  context = { resource, now: now() }
  return { issuer, verify: jwtVerifier({ issuer: issuer.issuer, ...options }) }
}

/** Asserts a final rejection: no other verifier receives the token. */
async function assertRejected (
  verify: TokenVerifier,
  token: string,
  label?: string
): Promise<void> {
  await assert.rejects(verify(token, context), {
    kind: 'invalidToken',
    message: 'The access token is not valid here.'
  }, label ?? token)
}

const signed = async (
  issuer: Issuer,
  payload: string | Uint8Array,
  header: Record<string, unknown> = {}
): Promise<string> =>
  new CompactSign(typeof payload === 'string' ? new TextEncoder().encode(payload) : payload)
    .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header }).sign(issuer.key.privateKey)

test('jwtVerifier returns the caller of a valid token', async (t) => {
  const { issuer, verify } = await setUp(t)
  const token = await issuer.mint({ exp: context.now + 300, iat: context.now, tenant: { id: 7 } })
  const auth = await verify(token, context)
  assert.ok(auth)
  const { resource: url, claims, ...rest } = auth
  assert.deepEqual(rest, {
    token,
    clientId: 'client',
    scopes: ['read', 'write'],
    expiresAt: context.now + 300,
    subject: 'alice',
    extra: {}
  })
  assert.equal(url?.href, resource)
  assert.deepEqual(claims?.['tenant'], { id: 7 })
  assert.ok(
    Object.isFrozen(auth) && Object.isFrozen(auth.scopes) && Object.isFrozen(claims) &&
      Object.isFrozen(claims?.['tenant'])
  )
})

for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']) {
  test(`jwtVerifier accepts ${alg} by default`, async (t) => {
    const { issuer, verify } = await setUp(t)
    const key = await createKey('two', alg)
    issuer.jwks = { keys: [key.jwk] }
    assert.ok(await verify(await issuer.mint({}, { key }), context))
  })
}

test('jwtVerifier accepts the types of access tokens in any case, and none', async (t) => {
  const { issuer, verify } = await setUp(t)
  for (const typ of [undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt']) {
    assert.ok(await verify(await issuer.mint({}, { header: { typ } }), context), typ)
  }
})

test('jwtVerifier reads the client id from client_id, azp, cid or appid', async (t) => {
  const { issuer, verify } = await setUp(t)
  const clientOf = async (claims: Record<string, unknown>): Promise<string | undefined> =>
    (await verify(await issuer.mint({ client_id: undefined, ...claims }), context))?.clientId
  assert.equal(await clientOf({ azp: 'a' }), 'a')
  assert.equal(await clientOf({ cid: 'b' }), 'b')
  assert.equal(await clientOf({ appid: 'c' }), 'c')
  assert.equal(await clientOf({ client_id: { toString: 1 } }), '')
  assert.equal(await clientOf({}), '')
})

test('jwtVerifier rejects unsigned tokens [J-01 RS-08]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const [, payload] = (await issuer.mint()).split('.')
  for (const alg of ['none', 'None', 'nOnE', '', 'NONE', undefined, null, 1, ['ES256']]) {
    await assertRejected(verify, `${encode({ alg, kid: 'one' })}.${payload}.`)
    await assertRejected(verify, `${encode({ alg, kid: 'one' })}.${payload}.AAAA`)
  }
})

test('jwtVerifier rejects an HMAC with the public key [J-02 RS-08]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...await exportJWK(publicKey), kid: 'one' }
  issuer.jwks = { keys: [jwk] }
  assert.ok(
    await verify(
      await issuer.mint({}, { key: { kid: 'one', alg: 'RS256', privateKey, jwk } }),
      context
    )
  )
  const pem = await exportSPKI(publicKey)
  const der = Buffer.from(pem.replace(/-----.*-----|\n/g, ''), 'base64')
  for (const [bits, alg] of [['256', 'HS256'], ['384', 'HS384'], ['512', 'HS512']] as const) {
    const [, payload] = (await issuer.mint()).split('.')
    const input = `${encode({ alg, kid: 'one' })}.${payload}`
    for (const secret of [pem, pem.trim(), der, JSON.stringify(jwk), jwk.n ?? '']) {
      await assertRejected(
        verify,
        `${input}.${createHmac(`sha${bits}`, secret).update(input).digest('base64url')}`
      )
    }
  }
})

test('jwtVerifier ignores keys and key URLs in the token [J-03 J-04 J-15 RS-08]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const attacker = await startIssuer()
  t.after(attacker.close)
  for (
    const header of [
      {},
      { jwk: attacker.key.jwk },
      { jku: attacker.jwksUri },
      { x5u: attacker.jwksUri },
      { x5c: ['AAAA'] },
      { jwk: attacker.key.jwk, kid: undefined }
    ]
  ) {
    await assertRejected(
      verify,
      await issuer.mint({}, { header, key: attacker.key }),
      JSON.stringify(header)
    )
  }
  assert.equal(attacker.requests.size, 0)
})

test('jwtVerifier rejects hostile key ids [J-05]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const rsa = await createKey('rsa', 'RS256')
  issuer.jwks = { keys: [issuer.key.jwk, rsa.jwk] }
  for (
    const kid of [
      'rsa',
      1,
      ['one'],
      { one: 1 },
      '__proto__',
      'constructor',
      'x'.repeat(10_000),
      '../../etc/passwd',
      "' OR 1=1",
      '',
      null
    ]
  ) {
    await assertRejected(verify, await issuer.mint({}, { header: { kid } }), String(kid))
  }
})

test('jwtVerifier names the issuer that has no key for a token', async (t) => {
  const { issuer, verify } = await setUp(t)
  const token = await issuer.mint({}, { header: { kid: 'other' } })
  await assert.rejects(verify(token, context), {
    cause: new Error(
      `The access token was rejected: ${issuer.issuer} has published no key with its kid and alg. ` +
        'Log in again if the keys were replaced'
    )
  })
})

test('jwtVerifier rejects critical headers and unencoded payloads [J-06]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const [header = '', payload, signature] = (await issuer.mint()).split('.')
  const plain = JSON.parse(Buffer.from(header, 'base64url').toString())
  for (
    const extra of [
      { crit: ['x'], x: 1 },
      { crit: [] },
      { crit: 'exp' },
      { crit: ['b64'], b64: false },
      { b64: false },
      { zip: 'DEF' }
    ]
  ) {
    await assertRejected(verify, `${encode({ ...plain, ...extra })}.${payload}.${signature}`)
  }
  await assertRejected(
    verify,
    await signed(issuer, Buffer.from(payload ?? '', 'base64url').toString(), {
      crit: ['b64'],
      b64: true,
      typ: 'x'
    })
  )
})

test('jwtVerifier rejects wrong signatures [J-07]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const [header, payload, signature = ''] = (await issuer.mint()).split('.')
  const other = (await issuer.mint({ sub: 'mallory' })).split('.')
  const bytes = Buffer.from(signature, 'base64url')
  for (let bit = 0; bit < 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit * 8] = (flipped[bit * 8] ?? 0) ^ (1 << bit)
    await assertRejected(verify, `${header}.${payload}.${flipped.toString('base64url')}`)
  }
  await assertRejected(verify, `${header}.${other[1]}.${signature}`, 'for another payload')
  await assertRejected(verify, `${header}.${payload}.`, 'stripped')
  await assertRejected(
    verify,
    `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    'all zero'
  )
  const der = Buffer.concat([
    Buffer.from([0x30, 68, 2, 32]),
    bytes.subarray(0, 32),
    Buffer.from([2, 32]),
    bytes.subarray(32)
  ])
  await assertRejected(verify, `${header}.${payload}.${der.toString('base64url')}`, 'DER')
})

test('jwtVerifier returns null for tokens of another issuer [J-08]', async (t) => {
  const { issuer, verify } = await setUp(t)
  for (
    const iss of [
      undefined,
      [issuer.issuer],
      `${issuer.issuer}/`,
      issuer.issuer.toUpperCase(),
      `${issuer.issuer}/other`,
      null,
      '',
      1
    ]
  ) {
    assert.equal(await verify(await issuer.mint({ iss }), context), null)
  }
  assert.equal(issuer.requests.size, 0)
})

test('jwtVerifier accepts the resource and the configured audiences only [J-09]', async (t) => {
  const { issuer, verify } = await setUp(t, { audience: ['api://notes', 'https://other.example'] })
  for (const aud of [resource, ['x', resource], 'api://notes', ['https://other.example']]) {
    assert.ok(await verify(await issuer.mint({ aud }), context), String(aud))
  }
  for (
    const aud of [
      undefined,
      [],
      'https://other',
      'https://api.example.com',
      `${resource}/`,
      `${resource}/x`,
      resource.toUpperCase(),
      [[resource]],
      { [resource]: 1 },
      'client',
      null,
      `${resource} api://notes`,
      1,
      true
    ]
  ) await assertRejected(verify, await issuer.mint({ aud }), JSON.stringify(aud))
})

test('jwtVerifier without audience accepts the resource only [J-09]', async (t) => {
  const { issuer, verify } = await setUp(t)
  await assertRejected(verify, await issuer.mint({ aud: 'api://notes' }))
})

test('jwtVerifier rejects expired tokens, with tolerance for clocks [J-10 F-06]', async (t) => {
  const { issuer, verify } = await setUp(t)
  assert.ok(await verify(await issuer.mint({ exp: context.now - 29 }), context))
  const iat = context.now
  for (
    const exp of [undefined, context.now - 31, String(context.now + 60), null, -1, 0, [
      context.now + 60
    ], iat + 86_401]
  ) {
    await assertRejected(verify, await issuer.mint({ exp, iat }), JSON.stringify(exp))
  }
  await assert.rejects(verify(await issuer.mint({ exp: context.now - 90 }), context), {
    cause: new Error('The access token was rejected: it expired 90 s ago')
  })
  assert.ok(await verify(await issuer.mint({ exp: iat + 86_400, iat }), context))
  await assertRejected(
    verify,
    await issuer.mint({ exp: context.now + 86_500, iat: undefined }),
    'too long without iat'
  )
  await assertRejected(
    verify,
    await issuer.mint({ exp: context.now + 60, iat: context.now - 90_000 }),
    'too long since iat'
  )
  const claims = JSON.stringify({ iss: issuer.issuer, aud: resource, iat, exp: 0 })
  await assertRejected(
    verify,
    await signed(issuer, claims.replace('"exp":0', '"exp":1e400')),
    '1e400'
  )
})

test('problemOfClaims rejects times that are not finite numbers [J-10 L6]', () => {
  const rules = { clockTolerance: 30, maxTokenLifetime: 86_400, requireSubject: false }
  const exp = context.now + 60
  assert.equal(problemOfClaims({ exp, iat: context.now }, context, rules), null)
  for (
    const claims of [{}, { exp: Infinity }, { exp: NaN }, { exp: String(exp) }, { exp, iat: 'x' }, {
      exp,
      iat: null
    }, { exp, iat: NaN }]
  ) {
    assert.equal(
      problemOfClaims(claims, context, rules),
      'exp or iat is not a number',
      JSON.stringify(claims)
    )
  }
})

test('jwtVerifier rejects tokens from the future, with tolerance for clocks [J-11 F-06]', async (t) => {
  const { issuer, verify } = await setUp(t)
  for (const name of ['nbf', 'iat']) {
    assert.ok(await verify(await issuer.mint({ [name]: context.now + 29 }), context))
    for (const time of [context.now + 31, '1', null, [1]]) {
      await assertRejected(verify, await issuer.mint({ [name]: time }), `${name} ${time}`)
    }
  }
  await assert.rejects(verify(await issuer.mint({ nbf: context.now + 600 }), context), {
    cause: new Error(
      'The access token was rejected: it is not valid for another 600 s (nbf): the clocks differ. ' +
        'Synchronize them'
    )
  })
  const withTolerance = jwtVerifier({ issuer: issuer.issuer, clockTolerance: 120 })
  assert.ok(await withTolerance(await issuer.mint({ iat: context.now + 119 }), context))
})

test('jwtVerifier rejects tokens for other uses [J-12 RS-08 field:A4]', async (t) => {
  const { issuer, verify } = await setUp(t)
  for (
    const claims of [
      { at_hash: 'x' },
      { nonce: 'x' },
      { s_hash: 'x' },
      { code: 'x', state: 'y' },
      { response_type: 'code', code_challenge: 'x' },
      { redirect_uri: 'https://app.example.com/' },
      { c_hash: 'x' },
      { events: {} },
      { token_use: 'id' },
      { token_use: 'refresh' },
      { typ: 'ID' },
      { typ: 'Refresh' }
    ]
  ) {
    await assertRejected(verify, await issuer.mint(claims), JSON.stringify(claims))
  }
  for (
    const typ of ['logout+jwt', 'id+jwt', 'dpop+jwt', 'oauth-authz-req+jwt', 'JOSE', '', 1, null]
  ) await assertRejected(verify, await issuer.mint({}, { header: { typ } }), String(typ))
  assert.ok(await verify(await issuer.mint({ token_use: 'access', typ: 'Bearer' }), context))
})

test('jwtVerifier rejects ID tokens whose audience is a client id, and accepts access tokens [field:A4]', async (t) => {
  const { issuer, verify } = await setUp(t, { audience: ['client-id', 'api://notes'] })
  const aud = 'client-id'
  const bare = { scope: undefined, client_id: undefined, aud }
  const typ = { header: { typ: 'JWT' } }
  for (const claims of [bare, { ...bare, azp: aud }, { ...bare, aud: [aud], name: 'Alice' }]) {
    for (const type of ['JWT', undefined]) {
      const token = await issuer.mint(claims, { header: { typ: type } })
      await assertRejected(verify, token, JSON.stringify(claims))
    }
    assert.ok(await verify(await issuer.mint(claims), context), 'typed as an access token')
    assert.ok(await verify(await issuer.mint({ ...claims, aud: resource }, typ), context))
  }
  for (
    const mark of [
      { scp: 'notes.read', azp: aud },
      { scope: 'notes.read' },
      { azp: 'another client' },
      { client_id: 'x' },
      { cid: 'x' },
      { appid: 'x' },
      { token_use: 'access' },
      { azpacr: '1', azp: aud, roles: ['job'] }
    ]
  ) assert.ok(await verify(await issuer.mint({ ...bare, ...mark }, typ), context), String(mark))
  assert.ok(
    await verify(await issuer.mint({ nonce: 'x', typ: 'Bearer' }, typ), context),
    'Keycloak'
  )
})

test('jwtVerifier rejects sender-constrained tokens without dpop [Q-27 EX-04]', async (t) => {
  const { issuer, verify } = await setUp(t)
  for (const cnf of [{ jkt: 'x' }, { 'x5t#S256': 'x' }, {}, 'x', null]) {
    await assertRejected(verify, await issuer.mint({ cnf }))
  }
})

test('jwtVerifier rejects payloads that are not objects of claims [J-13]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const claims = JSON.stringify({ iss: issuer.issuer, aud: resource, exp: context.now + 60 })
  for (const payload of ['null', '[]', '"x"', '1', '', '{', `${claims}x`]) {
    assert.equal(await verify(await signed(issuer, payload), context), null, payload)
  }
  const latin = Buffer.from(claims.replace('{', '{"name":"\xe9",'), 'latin1')
  assert.equal(await verify(await signed(issuer, latin), context), null, 'not UTF-8')
  assert.equal(
    await verify(
      await signed(
        issuer,
        claims.replace('{"iss"', `{"iss":"${issuer.issuer}","iss"`).replace(
          `:"${issuer.issuer}","aud"`,
          ':"x","aud"'
        )
      ),
      context
    ),
    null,
    'the last iss counts'
  )

  const auth = await verify(
    await signed(issuer, claims.replace('{', '{"__proto__":{"scope":"admin"},"scope":"read",')),
    context
  )
  assert.deepEqual(auth?.scopes, ['read'])
  assert.ok(!Object.hasOwn(auth?.claims ?? {}, '__proto__'))
  const copy = Object.assign({}, auth?.claims)
  assert.equal((Object.getPrototypeOf(copy) as { scope?: string }).scope, undefined)
})

test('jwtVerifier returns null for tokens that are not JWTs [J-14]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const token = await issuer.mint()
  const [header, payload, signature] = token.split('.')
  const json = JSON.stringify({ payload, signatures: [{ protected: header, signature }] })
  for (
    const other of [
      '',
      'opaque',
      'a.b',
      'a.b.c',
      '..',
      `${token}.`,
      `.${token}`,
      `${token}.x.y`,
      `${token}.x`,
      `${header}`,
      `${header}.${payload}`,
      json
    ]
  ) {
    assert.equal(await verify(other, context), null, other)
  }
  assert.equal(issuer.requests.size, 0)
})

test('jwtVerifier rejects second spellings of a token [J-14 J-19 L6]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const token = await issuer.mint()
  const [header = '', payload = '', signature = ''] = token.split('.')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(signature.at(-1) ?? '')
  const malleable = signature.slice(0, -1) + alphabet[last ^ 1]
  assert.deepEqual(
    Buffer.from(malleable, 'base64url'),
    Buffer.from(signature, 'base64url'),
    'the same bytes'
  )
  for (
    const other of [
      `${token}\n`,
      ` ${token}`,
      `${token} `,
      `${token}=`,
      `${token}==`,
      `${header}.${payload}.${malleable}`,
      `${header}=.${payload}.${signature}`,
      `${header}.${payload.slice(0, 9)} ${payload.slice(9)}.${signature}`,
      `${header}.${payload}.${signature.slice(0, 9)}\n${signature.slice(9)}`,
      `${token}!`
    ]
  ) await assertRejected(verify, other)
})

test('jwtVerifier reads scopes as scopesOf() does [J-17]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const scopesOf = async (claims: Record<string, unknown>): Promise<string[] | undefined> =>
    (await verify(await issuer.mint({ scope: undefined, ...claims }), context))?.scopes
  assert.deepEqual(await scopesOf({ scope: ['a', 'b'] }), ['a', 'b'])
  assert.deepEqual(await scopesOf({ scp: 'a b' }), ['a', 'b'])
  assert.deepEqual(await scopesOf({ scope: { admin: true } }), [])
  assert.deepEqual(await scopesOf({ scope: 1 }), [])
})

test('jwtVerifier rejects an invalid subject, and a missing one with requireSubject [J-18]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const strict = jwtVerifier({ issuer: issuer.issuer, requireSubject: true })
  for (const sub of [{}, ['alice'], 1, null, '', 'x'.repeat(10_000)]) {
    await assertRejected(verify, await issuer.mint({ sub }))
    await assertRejected(strict, await issuer.mint({ sub }))
  }
  const machine = await issuer.mint({ sub: undefined })
  await assertRejected(strict, machine)
  assert.ok(!('subject' in (await verify(machine, context) ?? { subject: 1 })))
})

test('jwtVerifier names every invalid option [e.1 K-12]', () => {
  const invalid = {
    issuer: 'http://id.example.com',
    jwksUri: 'http://id.example.com/jwks',
    metadataUrl: 'x',
    audience: [''],
    algorithms: ['HS256'],
    clockTolerance: 121,
    maxTokenLifetime: Infinity
  }
  assert.throws(() => jwtVerifier(invalid), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'FST_MCP_OAUTH_INVALID_OPTIONS')
    for (const name of Object.keys(invalid)) {
      assert.match(
        error.message,
        new RegExp(`\n  - jwtVerifier\\.${name}(?:\\.0)?: .* is given. (?:Give|It must) `)
      )
    }
    return true
  })
  for (
    const algorithms of [['none'], ['RS256', 'HS512'], [], ['dir'], 'RS256' as unknown as string[]]
  ) {
    assert.throws(() => jwtVerifier({ issuer: 'https://id.example.com', algorithms }), {
      kind: 'invalidOptions'
    })
  }
  const rows: Array<[options: unknown, message: RegExp]> = [
    [undefined, /jwtVerifier: undefined is given. Give an object/],
    [
      'https://id.example.com',
      /jwtVerifier: "https:\/\/id\.example\.com" is given. Give an object/
    ],
    [{}, /jwtVerifier\.issuer: missing. Give a URL/],
    [
      { issuer: 'https://me:canary@id.example.com' },
      /jwtVerifier\.issuer: "https:\/\/…@id\.example\.com" is given. It must not contain user info/
    ],
    [
      { jwksUrl: 'https://id.example.com/jwks' },
      /jwtVerifier\.jwksUrl: there is no such option\. Did you mean jwksUri\?/
    ],
    [
      { audiences: ['a'] },
      /jwtVerifier\.audiences: there is no such option\. Did you mean audience\?/
    ],
    [
      { clientSecret: 'canary' },
      /jwtVerifier\.clientSecret: there is no such option\. Use issuer, metadataUrl, /
    ],
    [
      { clockTolerance: '30' },
      /jwtVerifier\.clockTolerance: "30" is given. Give 0 to 120 seconds/
    ],
    [{ cacheFor: null }, /jwtVerifier\.cacheFor: null is given. Give 0 to 60 seconds/],
    [{ requireSubject: 1 }, /jwtVerifier\.requireSubject: 1 is given. Give true or false/],
    [{ log: true }, /jwtVerifier\.log: true is given. Give a logger such as app\.log/]
  ]
  for (const [options, message] of rows) {
    const whole = options === Object(options) && Object.keys(options as object).length > 0
      ? { issuer: 'https://id.example.com', ...options as object }
      : options
    assert.throws(
      () => jwtVerifier(whole as JwtVerifierOptions),
      (error: Error) => message.test(error.message) && !error.message.includes('canary'),
      message.source
    )
  }
})

test('jwtVerifier ignores errors of its logger [F-27]', async (t) => {
  const failingSink = (): never => {
    throw new Error('ENOSPC')
  }
  const { issuer, verify } = await setUp(t, {
    log: { debug: failingSink, info: failingSink, warn: failingSink, error: failingSink }
  })
  const token = await issuer.mint()
  issuer.fail.set('/jwks', 'reset')
  await assert.rejects(verify(token, context), { kind: 'keysUnavailable' })
})

test('jwtVerifier rejects an algorithm that is not listed although the key fits', async (t) => {
  const { issuer, verify } = await setUp(t, { algorithms: ['RS256'] })
  await assertRejected(verify, await issuer.mint())
})

test('jwtVerifier with jwksUri sends no discovery request', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  const verify = jwtVerifier({ issuer: issuer.issuer, jwksUri: issuer.jwksUri })
  assert.ok(await verify(await issuer.mint(), context))
  assert.deepEqual([...issuer.requests], [['/jwks', 1]])
})

test('jwtVerifier is 503 if a key cannot be imported [L5]', async (t) => {
  const { issuer, verify } = await setUp(t)
  issuer.jwks = { keys: [{ ...issuer.key.jwk, x: 'AA' }] }
  await assert.rejects(verify(await issuer.mint(), context), { kind: 'keysUnavailable' })
  await assert.rejects(importJWK({ ...issuer.key.jwk, x: 'AA' }))
})

test('jwtVerifier loads no key for a refused token that is repeated [J-20]', async (t) => {
  let loads = 0
  const issuer = await startIssuer()
  t.after(issuer.close)
  const keys = createKeySet({ uri: async () => issuer.jwksUri })
  const counted = {
    ...keys,
    get () {
      loads++
      return keys.get()
    }
  }
  const verify = jwtVerifier({ issuer: issuer.issuer, keys: counted })
  const stranger = await createKey('one')
  const tokens = {
    expired: await issuer.mint({ exp: now() - 100, iat: now() - 200 }),
    audience: await issuer.mint({ aud: 'https://other.example.com' }),
    signature: await issuer.mint({}, { key: stranger })
  }
  // The keys are fresh, so that the wrong signature is one of the keys in use.
  await verify(await issuer.mint(), { resource, now: now() })
  await keys.refresh()
  for (const [name, token] of Object.entries(tokens)) {
    const reasons = new Set()
    loads = 0
    for (let i = 0; i < 5; i++) {
      await assert.rejects(verify(token, { resource, now: now() }), (error: McpOAuthError) => {
        reasons.add(String(error.cause).replace(/\d+ s/, ''))
        return error.kind === 'invalidToken'
      })
    }
    assert.equal(loads, 1, name)
    assert.equal(reasons.size, 1, name)
  }
  // For another resource, the token is another one.
  assert.ok(await verify(tokens.audience, { resource: 'https://other.example.com', now: now() }))
})

test('jwtVerifier accepts a refused token as soon as it is valid [J-20]', async (t) => {
  const { issuer, verify } = await setUp(t)
  const start = now()
  const early = await issuer.mint({ nbf: start + 50 })
  const future = await issuer.mint({ iat: start + 50 })
  for (const token of [early, future]) {
    await assert.rejects(verify(token, { resource, now: start }), { kind: 'invalidToken' })
    assert.ok(await verify(token, { resource, now: start + 25 }))
  }
})

test('jwtVerifier accepts a refused token once its key is published [J-20 K-11]', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  let time = 0
  const keys = createKeySet({ uri: async () => issuer.jwksUri, now: () => time })
  const verify = jwtVerifier({ issuer: issuer.issuer, keys })
  for (const kid of ['one', 'two']) {
    issuer.jwks = { keys: [issuer.key.jwk] }
    time += 1_000
    assert.ok(await verify(await issuer.mint({ jti: kid }), { resource, now: now() }))
    const key = await createKey(kid)
    const token = await issuer.mint({}, { key })
    // The second one is refused during the cool-down, by the keys in use.
    for (let i = 0; i < 3; i++) {
      await assert.rejects(verify(token, { resource, now: now() }), { kind: 'invalidToken' })
    }
    issuer.jwks = { keys: [key.jwk] }
    time += 29
    await assert.rejects(verify(token, { resource, now: now() }), { kind: 'invalidToken' })
    time += 1
    assert.ok(await verify(token, { resource, now: now() }), kid)
  }
})

test('jwtVerifier with cacheFor: 0 verifies a refused token at each request [J-20]', async (t) => {
  let loads = 0
  const { issuer } = await setUp(t)
  const keys = createKeySet({ uri: async () => issuer.jwksUri })
  const counted = {
    ...keys,
    get () {
      loads++
      return keys.get()
    }
  }
  const verify = jwtVerifier({ issuer: issuer.issuer, keys: counted, cacheFor: 0 })
  const token = await issuer.mint({ exp: now() - 100, iat: now() - 200 })
  for (let i = 0; i < 3; i++) await assert.rejects(verify(token, context))
  assert.equal(loads, 3)
})

test('jwtVerifier does not remember that keys were unavailable [J-20 Q-13]', async (t) => {
  const { issuer } = await setUp(t)
  let fails = true
  const set = createLocalJWKSet({ keys: [issuer.key.jwk] })
  const get = async (): Promise<typeof set> => {
    if (fails) throw new McpOAuthError('keysUnavailable')
    return set
  }
  const keys = { get, refresh: get, peek: () => fails ? undefined : set }
  const verify = jwtVerifier({ issuer: issuer.issuer, keys })
  const token = await issuer.mint()
  await assert.rejects(verify(token, context), { kind: 'keysUnavailable' })
  fails = false
  assert.ok(await verify(token, context))
})

test('jwtVerifier accepts a refused token once another has caused new keys to be loaded [J-20 K-11]', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  let time = 0
  const keys = createKeySet({ uri: async () => issuer.jwksUri, now: () => time })
  const verify = jwtVerifier({ issuer: issuer.issuer, keys })
  const [key, other] = [await createKey('one'), await createKey('two')]
  const token = await issuer.mint({}, { key })
  for (let i = 0; i < 3; i++) {
    await assert.rejects(verify(token, { resource, now: now() }), { kind: 'invalidToken' })
  }
  issuer.jwks = { keys: [key.jwk, other.jwk] }
  time += 30
  assert.ok(await verify(await issuer.mint({}, { key: other }), { resource, now: now() }))
  assert.ok(await verify(token, { resource, now: now() }))
})
