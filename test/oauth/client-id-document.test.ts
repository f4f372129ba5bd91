import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isClientIdUrl } from '../../lib/oauth/client-id-url.ts'
import { parseClientDocument } from '../../lib/oauth/client-metadata.ts'
import { jwtBearer, tokenExchange as exchange } from '../../lib/oauth/grant-types.ts'
import type { RedirectPolicy } from '../../lib/oauth/redirect-uri.ts'
import { redirectUriMatches } from '../../lib/oauth/redirect-uri.ts'
import { newKey } from '../support/machines.ts'
import { sweep } from '../support/sweep.ts'
import { webUrl } from '../support/text.ts'

const redirectPolicy: RedirectPolicy = {
  allowed: null,
  forbidden: ['https://mcp.example/oauth/callback']
}
const id = 'https://app.example/client.json'
const document = {
  client_id: id,
  client_name: 'App',
  redirect_uris: ['http://127.0.0.1/cb', 'https://app.example/cb']
}

function refusesText (text: string): void {
  assert.throws(
    () => parseClientDocument(text, id, redirectPolicy),
    (error: Error & { kind?: string }) => {
      assert.equal(error.kind, 'invalidClient', text.slice(0, 80))
      assert.equal(error.message, 'The client is unknown or could not be authenticated.')
      assert.ok(error.cause instanceof Error)
      return true
    },
    text.slice(0, 80)
  )
}

function rejects (members: Record<string, unknown>): void {
  refusesText(JSON.stringify({ ...document, ...members }))
}

function accepts (members: Record<string, unknown>): ReturnType<typeof parseClientDocument> {
  return parseClientDocument(JSON.stringify({ ...document, ...members }), id, redirectPolicy)
}

test('isClientIdUrl accepts valid client ids [REG-14]', () => {
  const longest = `https://app.example/${'a'.repeat(2028)}`
  for (
    const url of [
      id,
      'https://app.example/c',
      'https://app.example/c/',
      'https://a.b.example/x/y?z=1&a=%20',
      'https://xn--go-hmcd.com/c',
      'https://app.example/@x',
      'https://1.app.example/c',
      'https://localhost.example/c',
      longest
    ]
  ) {
    assert.ok(isClientIdUrl(url), url)
  }
  assert.ok(!isClientIdUrl(`${longest}a`))
})

test('isClientIdUrl rejects invalid client ids [C-01 REG-14]', () => {
  const invalid = [
    'http://app.example/c',
    'HTTPS://app.example/c',
    'ftp://app.example/c',
    '//app.example/c',
    'https:app.example/c',
    'https:/app.example/c',
    'https:///app.example/c',
    'https://',
    'https://app.example',
    'https://app.example/',
    'https://app.example?x=/c',
    'https://app.example/c#x',
    'https://app.example/c#',
    'https://app.example/#/c',
    'https://u@app.example/c',
    'https://u:p@app.example/c',
    'https://@app.example/c',
    'https://:@app.example/c',
    'https://good.example@evil.example/c',
    'https://app.example/a/../c',
    'https://app.example/./c',
    'https://app.example/a/..',
    'https://app.example/a/%2e%2e/c',
    'https://app.example/a/.%2E/c',
    'https://app.example/%2e/c',
    'https://app.example:443/c',
    'https://app.example:8443/c',
    'https://app.example:0/c',
    'https://app.example:/c',
    'https://APP.example/c',
    'https://app.example\\c',
    'https://app.example/c\\d',
    'https://app.example/c d',
    ' https://app.example/c',
    'https://app.example/c\n',
    'https://app.example/\tc',
    'https://app.example/c\0',
    'https://app.example/%00',
    'https://app.example/%0d%0a',
    'https://app.example/%zz',
    'https://app.example/%',
    'https://app.example/"',
    'https://app.example/<c>',
    'https://app.example/?<c>',
    "https://app.example/'",
    'https://app。example/c',
    'https://goоd.example/c',
    'https://app.example/é',
    'https://a pp.example/c'
  ]
  for (const url of invalid) assert.ok(!isClientIdUrl(url), url)
})

test('isClientIdUrl rejects addresses and hosts outside the public internet [C-01 C-04]', () => {
  const hosts = [
    '127.0.0.1',
    '8.8.8.8',
    '127.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '0.0.0.0',
    '[::1]',
    '[2606:4700::1]',
    '[::ffff:127.0.0.1]',
    '127.0.0.1.',
    'localhost',
    'localhost.',
    'app.localhost',
    'LOCALHOST',
    'metadata.google.internal',
    'metadata',
    'printer.local',
    'router.lan',
    'x.home.arpa',
    'x.localdomain',
    'x.intranet',
    'x.onion',
    'intranet',
    'com',
    'app.example.',
    'app..example',
    '.example',
    '*.example',
    'app.1',
    '１２７.0.0.1',
    '%6cocalhost',
    'app.example%00'
  ]
  for (const host of hosts) {
    assert.ok(!isClientIdUrl(`https://${host}/c`), host)
  }
})

test('isClientIdUrl accepts only URLs in normal form [C-01]', () => {
  fc.assert(
    fc.property(webUrl, (url) => {
      if (isClientIdUrl(url) === null) assert.equal(new URL(url).href, url)
    }),
    { numRuns: sweep(500) }
  )
})

test('parseClientDocument returns the members that we use [REG-12]', () => {
  assert.deepEqual(accepts({ dpop_bound_access_tokens: true }), {
    refused: [],
    dpopBound: true,
    redirectUris: document.redirect_uris,
    name: 'App',
    grantTypes: ['authorization_code']
  })
  assert.deepEqual(
    accepts({
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      client_uri: 'https://app.example',
      logo_uri: 'https://app.example/l.png',
      scope: 'read',
      unknown: { deep: [1] }
    }),
    {
      refused: [],
      redirectUris: document.redirect_uris,
      name: 'App',
      grantTypes: ['authorization_code', 'refresh_token']
    }
  )
  assert.deepEqual(accepts({ token_endpoint_auth_method: null }).name, 'App')
})

test('parseClientDocument accepts a client of identity assertions, without logins [EM-23]', () => {
  const grantsOf = (members: Record<string, unknown>) => accepts(members).grantTypes
  assert.deepEqual(grantsOf({ grant_types: [exchange, jwtBearer] }), [jwtBearer])
  assert.deepEqual(grantsOf({ grant_types: [jwtBearer], response_types: [] }), [jwtBearer])
  for (
    const members of [
      { grant_types: [jwtBearer, 'refresh_token'] },
      { grant_types: [jwtBearer, 'refresh_token', 'authorization_code'], response_types: ['token'] }
    ]
  ) assert.deepEqual(grantsOf(members), [jwtBearer])
  assert.deepEqual(
    grantsOf({ grant_types: [jwtBearer, 'refresh_token', 'authorization_code'] }),
    ['authorization_code', 'refresh_token', jwtBearer]
  )
  for (const uris of [undefined, null, []]) {
    const members = { grant_types: [jwtBearer], response_types: [], redirect_uris: uris }
    assert.deepEqual(accepts(members).redirectUris, [])
    rejects({
      ...members,
      grant_types: [jwtBearer, 'authorization_code'],
      response_types: ['code']
    })
  }
  rejects({ grant_types: [jwtBearer], redirect_uris: 'https://app.example/cb' })
  rejects({ grant_types: [jwtBearer], redirect_uris: ['javascript:alert(1)'] })
})

test('parseClientDocument accepts a loopback URI for all ports [REG-13]', () => {
  const { redirectUris } = accepts({})
  assert.ok(redirectUriMatches(redirectUris, 'http://127.0.0.1:51234/cb'))
  assert.ok(!redirectUriMatches(redirectUris, 'http://127.0.0.1:51234/other'))
})

test('parseClientDocument accepts only JSON objects [C-08]', () => {
  const valid = JSON.stringify(document)
  for (
    const text of [
      '',
      ' ',
      'null',
      '[]',
      '1',
      '"x"',
      `[${valid}]`,
      `\ufeff${valid}`,
      `${valid}\n${valid}`,
      `${valid},`,
      '<!doctype html>',
      '{',
      '['.repeat(5_000),
      '{"a":'.repeat(800),
      `{"__proto__":${valid}}`
    ]
  ) refusesText(text)
  assert.equal(parseClientDocument(` ${valid}\n`, id, redirectPolicy).name, 'App')
})

test('parseClientDocument keeps the text of the document out of the reason [C-08]', () => {
  assert.throws(
    () => parseClientDocument('canary', id, redirectPolicy),
    (error: Error) => !String((error.cause as Error).message).includes('canary')
  )
})

test('parseClientDocument requires client_id to be the URL, byte for byte [C-09]', () => {
  for (
    const other of [
      'https://APP.example/client.json',
      'https://app.example:443/client.json',
      `${id}/`,
      `${id}?`,
      `${id}#`,
      'https://app.example/Client.json',
      'http://app.example/client.json',
      ` ${id}`,
      '',
      null,
      undefined,
      1,
      [id],
      { id }
    ]
  ) rejects({ client_id: other })
  const requestedUrl = 'https://app.example/c?a=1&b=2'
  const text = JSON.stringify({ ...document, client_id: 'https://app.example/c?b=2&a=1' })
  assert.throws(() => parseClientDocument(text, requestedUrl, redirectPolicy), {
    kind: 'invalidClient'
  })
})

test('parseClientDocument rejects secrets, methods that need one, and private keys [C-10]', () => {
  for (const name of ['client_secret', 'client_secret_expires_at', 'client_secret_hash']) {
    for (const value of ['x', '', 0, null]) { rejects({ [name]: value }) }
  }
  for (
    const method of [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      '',
      'NONE',
      ['none'],
      1,
      {}
    ]
  ) rejects({ token_endpoint_auth_method: method })
  const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
  assert.equal(accepts({ jwks: { keys: [key] } }).jwks, undefined, 'a public client needs none')
  rejects({ jwks: { keys: [{ ...key, d: 'd' }] } })
  rejects({ jwks: { keys: [{ kty: 'oct', k: 'x' }] } })
  rejects({ jwks: { keys: [key] }, jwks_uri: 'https://app.example/jwks' })
  rejects({ jwks: 'x' })
})

test('parseClientDocument requires usable keys for private_key_jwt [REG-22]', () => {
  const method = 'private_key_jwt'
  const { jwk } = newKey()
  const unusable = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
  const keysOf = (members: object) => {
    const { jwks, jwksUri } = accepts({ token_endpoint_auth_method: method, ...members })
    return { jwks, jwksUri }
  }
  assert.deepEqual(keysOf({ jwks: { keys: [unusable, { ...jwk, kid: null }] } }), {
    jwks: { keys: [jwk] },
    jwksUri: undefined
  })
  const url = 'https://keys.example/jwks?v=1'
  for (
    const [methods, mayBePublic] of [
      [['none', method], true],
      [[method], undefined],
      ['none', undefined],
      [undefined, undefined]
    ]
  ) {
    const members = { jwks_uri: url, token_endpoint_auth_methods_supported: methods }
    const signing = accepts({ token_endpoint_auth_method: method, ...members })
    assert.equal(signing.mayBePublic, mayBePublic, String(methods))
    assert.equal(signing.jwksUri, url)
    assert.equal(accepts(members).mayBePublic, undefined)
  }
  assert.deepEqual(keysOf({ jwks_uri: url }), { jwks: undefined, jwksUri: url })
  const invalid: object[] = [
    {},
    { jwks: null },
    { jwks: {} },
    { jwks: { keys: [] } },
    { jwks: { keys: [unusable] } },
    { jwks: { keys: [{ ...jwk, use: 'enc' }] } },
    { jwks: { keys: [jwk] }, jwks_uri: url },
    { jwks: { keys: Array(21).fill(jwk) } },
    ...[
      '',
      1,
      'http://keys.example/jwks',
      'http://localhost/jwks',
      'https://keys.example',
      'https://10.0.0.1/jwks',
      'https://keys.internal/jwks',
      'https://keys.example:8443/jwks',
      'https://user@keys.example/jwks'
    ].map(uri => ({ jwks_uri: uri }))
  ]
  for (const members of invalid) rejects({ token_endpoint_auth_method: method, ...members })
})

test('parseClientDocument applies the rules of registration to redirect URIs [C-11 C-12]', () => {
  const invalid = [
    undefined,
    null,
    [],
    'https://app.example/cb',
    [null],
    [1],
    [['https://app.example/cb']],
    ['javascript:alert(1)'],
    ['data:text/html,x'],
    ['https://good.example@evil.example/'],
    ['https://app.example/cb#x'],
    ['https://app.example/cb/../x'],
    ['http://app.example/cb'],
    ['http://localhost.evil.example/'],
    ['https://*.example/'],
    ['https://app.example/cb?code=x'],
    ['cursor://cb'],
    ['https://mcp.example/oauth/callback'],
    ['https://app.example/cb', 'javascript:alert(1)'],
    Array.from({ length: 11 }, (_, index) => `https://app.example/${index}`)
  ]
  for (const uris of invalid) rejects({ redirect_uris: uris })
  assert.deepEqual(accepts({ redirect_uris: ['https://other.example/cb'] }).redirectUris, [
    'https://other.example/cb'
  ], 'C-12')
  const listed = parseClientDocument(
    JSON.stringify({ ...document, redirect_uris: ['cursor://cb'] }),
    id,
    { allowed: ['cursor:'], forbidden: [] }
  )
  assert.deepEqual(listed.redirectUris, ['cursor://cb'])
  const { redirectUris, refused } = accepts({
    redirect_uris: ['cursor://cb', 'https://a.example/']
  })
  assert.deepEqual([redirectUris, refused], [['https://a.example/'], ['cursor://cb']])
})

test('parseClientDocument requires a name that cannot deceive [REG-12]', () => {
  for (
    const name of [
      undefined,
      null,
      '',
      '  ',
      1,
      ['App'],
      'A\u202epp',
      'A\u200bpp',
      'A\npp'
    ]
  ) rejects({ client_name: name })
  assert.equal(accepts({ client_name: '<script>' }).name, '<script>')
  assert.equal(accepts({ client_name: 'x'.repeat(101) }).name?.length, 100)
})

test('parseClientDocument checks grants, response types and logos, and fetches none of them [C-18]', () => {
  rejects({ grant_types: ['client_credentials'] })
  rejects({ grant_types: ['refresh_token', exchange] })
  rejects({ grant_types: [] })
  rejects({ response_types: ['token'] })
  rejects({ logo_uri: 'javascript:alert(1)' })
  rejects({ logo_uri: 'https://169.254.169.254/' })
})

test('parseClientDocument returns the member it checked if one is repeated [R-24]', () => {
  const text = JSON.stringify(document).replace(
    '{',
    '{"redirect_uris":["https://first.example/cb"],'
  )
  assert.deepEqual(
    parseClientDocument(text, id, redirectPolicy).redirectUris,
    document.redirect_uris
  )
  refusesText(JSON.stringify(document).replace('}', ',"redirect_uris":["javascript:x"]}'))
})
