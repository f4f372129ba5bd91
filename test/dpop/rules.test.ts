import assert from 'node:assert/strict'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { McpOAuthError } from '../../lib/errors.ts'
import {
  boundKeyOf,
  checkProof,
  proofHeader,
  requestedKey,
  requestUrl
} from '../../lib/dpop/rules.ts'
import { parameters } from '../../lib/oauth/parameters.ts'
import { hashOf } from '../support/dpop.ts'
import { createKeyPair } from '../support/key-pair.ts'
import { sweep } from '../support/sweep.ts'
import { webUrl } from '../support/text.ts'

const kindOf = (check: () => unknown): string => {
  try {
    check()
  } catch (error) {
    assert.ok(error instanceof McpOAuthError)
    return error.kind
  }
  return 'valid'
}

const url = 'https://mcp.example.com/mcp'
const token = 'an.access.token'
const exported = ({ publicKey }: { publicKey: KeyObject }) =>
  publicKey.export({ format: 'jwk' }) as Record<string, unknown>
const ec = exported(createKeyPair('ec'))
const okp = exported(createKeyPair('ed25519'))
const rsa = exported(createKeyPair('rsa'))
const validHeader = { typ: 'dpop+jwt', alg: 'ES256', jwk: ec }
const validClaims = {
  jti: 'one',
  htm: 'POST',
  htu: url,
  iat: 1_700_000_000,
  ath: hashOf(token),
  nonce: 'now'
}
const expected = { method: 'POST', url, nonces: ['now', 'before'], tokenHash: hashOf(token) }

function outcome (header: object = {}, claims: object = {}, more: object = {}): string {
  return kindOf(() =>
    checkProof({ ...validHeader, ...header }, { ...validClaims, ...claims }, {
      ...expected,
      ...more
    })
  )
}

test('checkProof returns the key, algorithm and id of a valid proof [EX-04]', () => {
  const jwk = { ...ec, use: 'sig', kid: 'k', key_ops: ['verify'], ext: true }
  assert.deepEqual(checkProof({ ...validHeader, jwk }, validClaims, expected), {
    alg: 'ES256',
    jwk,
    id: 'one'
  })
  for (
    const [alg, key] of [['EdDSA', okp], ['Ed25519', okp], ['PS256', rsa], ['RS256', rsa]] as const
  ) {
    assert.deepEqual(
      checkProof({ ...validHeader, alg, jwk: key }, validClaims, expected).jwk,
      key,
      alg
    )
  }
})

test('checkProof rejects every invalid header member [EX-04 J-01 J-02 J-04 J-06]', () => {
  for (
    const typ of [undefined, 'JWT', 'at+jwt', 'DPOP+JWT', 'application/dpop+jwt', ['dpop+jwt']]
  ) { assert.equal(outcome({ typ }), 'invalidDpopProof', String(typ)) }
  for (
    const alg of [undefined, 'none', 'None', 'HS256', 'HS512', 'ES256K', 'dir', ['ES256'], 7]
  ) { assert.equal(outcome({ alg }), 'invalidDpopProof', String(alg)) }
  for (const crit of [[], ['b64'], ['x'], null]) {
    assert.equal(outcome({ crit }), 'invalidDpopProof', String(crit))
  }
  for (
    const jwk of [
      undefined,
      null,
      'key',
      [],
      {},
      { kty: 'oct', k: 'a2V5' },
      { kty: 'EC' },
      { ...ec, y: 7 },
      { ...ec, x: undefined },
      { ...ec, x: 'AAAA' },
      { ...ec, crv: 'P-384' },
      { ...ec, use: 'enc' },
      { kty: 'constructor' },
      { ...ec, kty: ['EC'] },
      ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'].flatMap(
        secret => [{ ...ec, [secret]: 'x' }, { ...ec, [secret]: null }]
      )
    ]
  ) assert.equal(outcome({ jwk }), 'invalidDpopProof', JSON.stringify(jwk))
})

test('checkProof rejects every missing or invalid claim [EX-04]', () => {
  for (
    const [name, values] of Object.entries({
      jti: [undefined, '', 7, null, ['one'], 'x'.repeat(257)],
      iat: [undefined, '1700000000', null, NaN, Infinity, [1]],
      htm: [undefined, 'GET', 'post', '', ['POST'], 'POST '],
      ath: [undefined, hashOf('another'), hashOf(token).slice(1), `${hashOf(token)}=`, '', [
        hashOf(token)
      ]]
    })
  ) {
    for (const value of values) {
      assert.equal(
        outcome({}, { [name]: value }),
        'invalidDpopProof',
        `${name}: ${String(value)}`
      )
    }
  }
  assert.equal(outcome({}, { jti: 'x'.repeat(256) }), 'valid')
  // A token request carries no access token, so ath does not matter.
  assert.equal(outcome({}, { ath: undefined }, { tokenHash: undefined }), 'valid')
})

test('checkProof requests a nonce if only that is missing, and ignores the value of iat [EX-04]', () => {
  for (const nonce of [undefined, 'old', '', null, 7, ['now']]) {
    assert.equal(outcome({}, { nonce }), 'useDpopNonce', String(nonce))
    assert.equal(outcome({}, { nonce, htm: 'GET' }), 'invalidDpopProof', String(nonce))
  }
  assert.equal(outcome({}, { nonce: 'before' }), 'valid')
  for (const iat of [0, 1, 2e9, 1_700_000_000.5]) assert.equal(outcome({}, { iat }), 'valid')
})

test('checkProof compares htu normalized by RFC 3986, without query and fragment [EX-04]', () => {
  const equivalent: Array<[htu: string, url: string]> = [
    [url, url],
    [`${url}?a=b`, url],
    [`${url}#c`, url],
    [`${url}?a#b`, url],
    ['HTTPS://MCP.Example.COM/mcp', url],
    ['https://mcp.example.com:443/mcp', url],
    ['https://mcp.example.com/x/../mcp', url],
    ['https://mcp.example.com/./mcp', url],
    ['https://mcp.example.com/%6dcp', url],
    ['https://mcp.example.com/%6Dcp', url],
    [url, 'https://mcp.example.com/%6dcp'],
    ['https://mcp.example.com', 'https://mcp.example.com/'],
    ['https://mcp.example.com/a%2fb%c3%a9', 'https://mcp.example.com/a%2Fb%C3%A9'],
    ['http://localhost:3000/mcp', 'http://localhost:3000/mcp']
  ]
  for (const [htu, url] of equivalent) {
    assert.equal(outcome({}, { htu }, { url }), 'valid', `${htu} ${url}`)
  }
  const different: unknown[] = [
    undefined,
    null,
    7,
    '',
    '/mcp',
    'mcp.example.com/mcp',
    [url],
    'http://mcp.example.com/mcp',
    'https://mcp.example.com:8443/mcp',
    'https://evil.example/mcp',
    'https://mcp.example.com.evil.example/mcp',
    'https://user@mcp.example.com/mcp',
    'https://:@evil.example/mcp',
    'https://mcp.example.com/mcp/',
    'https://mcp.example.com/MCP',
    'https://mcp.example.com//mcp',
    'https://mcp.example.com/mcp%2f',
    'https://mcp.example.com/%256dcp',
    'https://mcp.example.com/mcp;a',
    'https:\\\\mcp.example.com\\mcp',
    'https://mcp.example.com\\mcp',
    ` ${url}`,
    `${url}\n`,
    'https://mcp.exa\tmple.com/mcp',
    'https:mcp.example.com/mcp',
    'https://ｍcp.example.com/mcp'
  ]
  for (const htu of different) assert.equal(outcome({}, { htu }), 'invalidDpopProof', String(htu))
  // Routers do not resolve dot segments: no proof matches such a request.
  for (const path of ['/x/../mcp', '/./mcp', '/x/%2e%2E/mcp', '/x/..', '/x\\..\\mcp']) {
    for (const htu of [url, `https://mcp.example.com${path}`]) {
      assert.equal(
        outcome({}, { htu }, { url: `https://mcp.example.com${path}` }),
        'invalidDpopProof',
        path
      )
    }
  }
})

test('checkProof accepts every equivalent percent-encoding of a path, and no other path [EX-04]', () => {
  const path = fc.array(fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/), { minLength: 1, maxLength: 4 })
    .map(parts => `/${parts.join('/')}`)
  const encode = (text: string, mask: readonly boolean[]) =>
    [...text].map((character, index) =>
      character !== '/' && mask[index % mask.length]
        ? `%${character.charCodeAt(0).toString(16)}`
        : character
    ).join('')
  fc.assert(
    fc.property(
      path,
      fc.array(fc.boolean(), { minLength: 1 }),
      fc.array(fc.boolean(), { minLength: 1 }),
      (text, one, two) => {
        assert.equal(
          outcome({}, { htu: `https://h.example${encode(text, one)}` }, {
            url: `https://h.example${encode(text, two)}`
          }),
          'valid'
        )
      }
    ),
    { numRuns: sweep(500) }
  )
  fc.assert(
    fc.property(path, path, (one, two) => {
      assert.equal(
        outcome({}, { htu: `https://h.example${one}` }, { url: `https://h.example${two}` }) ===
          'valid',
        one === two
      )
    }),
    { numRuns: sweep(500) }
  )
  fc.assert(
    fc.property(fc.anything(), webUrl, (any, web) => {
      for (const htu of [any, web]) assert.equal(outcome({}, { htu }), 'invalidDpopProof')
    }),
    { numRuns: sweep(500) }
  )
})

test('proofHeader returns the only DPoP header, if it is a short enough compact JWS [EX-04]', () => {
  assert.equal(proofHeader([]), undefined)
  assert.equal(
    proofHeader(['Host', 'dpop', 'X-DPoP', 'a.b.c', 'Authorization', 'DPoP x']),
    undefined
  )
  assert.equal(proofHeader(['Host', 'h', 'DPoP', 'a.b.c']), 'a.b.c')
  assert.equal(proofHeader(['dpop', 'a.b.c']), 'a.b.c')
  for (const raw of [['DPoP', 'a.b.c', 'dpop', 'a.b.c'], ['DPoP', 'a.b.c', 'DPOP', '']]) {
    assert.equal(kindOf(() => proofHeader(raw)), 'invalidDpopProof')
  }
  for (
    const value of [
      '',
      'a',
      'a.b',
      'a.b.',
      '.b.c',
      'a..c',
      'a.b.c.d',
      'a.b.c.d.e',
      'a.b.c, a.b.c',
      'a.b.c=',
      'a.b.c ',
      'a.b.é',
      '{"a":1}',
      `a.b.${'c'.repeat(8192)}`
    ]
  ) {
    assert.equal(kindOf(() => proofHeader(['DPoP', value])), 'invalidDpopProof', value.slice(0, 20))
  }
})

test('requestUrl joins the public URL and the path that the router received [EX-04]', () => {
  for (
    const [target, path] of [
      ['/mcp', '/mcp'],
      ['/mcp?a=b', '/mcp'],
      ['/mcp#a', '/mcp'],
      ['/', '/'],
      ['', ''],
      ['/a%20b', '/a%20b'],
      ['//evil.example/mcp', '//evil.example/mcp'],
      ['http://evil.example/mcp?a', '/mcp'],
      ['https://evil.example:1/x', '/x'],
      ['HTTP://evil.example', ''],
      ['/x?u=http://a/b', '/x'],
      ['*', '*']
    ] as const
  ) {
    assert.equal(
      requestUrl('https://mcp.example.com/base', target),
      `https://mcp.example.com/base${path}`,
      target
    )
  }
})

test('boundKeyOf returns the thumbprint only if cnf has no other member [Q-27]', () => {
  const jkt = 'x'.repeat(43)
  assert.equal(boundKeyOf({}), undefined)
  assert.equal(boundKeyOf({ cnf: { jkt } }), jkt)
  for (
    const cnf of [
      null,
      {},
      [],
      '',
      jkt,
      7,
      { jkt: 'short' },
      { jkt: `${jkt}=` },
      { jkt: [jkt] },
      { jkt: null },
      { 'x5t#S256': jkt },
      { jkt, 'x5t#S256': jkt },
      { jkt, kid: 'k' },
      { jwk: ec },
      { kid: 'k' },
      JSON.parse(`{"__proto__":{"jkt":"${jkt}"}}`)
    ]
  ) assert.equal(boundKeyOf({ cnf }), null, JSON.stringify(cnf))
})

test('requestedKey returns the only dpop_jkt if it is a thumbprint [EX-04]', () => {
  const jkt = hashOf('a key')
  assert.equal(requestedKey(parameters('scope=a')), undefined)
  assert.equal(requestedKey(parameters('dpop_jkt=')), undefined)
  assert.equal(requestedKey(parameters(`dpop_jkt=${jkt}`)), jkt)
  for (
    const query of [
      `dpop_jkt=${jkt}&dpop_jkt=${jkt}`,
      'dpop_jkt=x',
      `dpop_jkt=${jkt}%3D`,
      `dpop_jkt=${jkt.slice(1)}%20`
    ]
  ) assert.equal(kindOf(() => requestedKey(parameters(query))), 'invalidRequest', query)
})
