import assert from 'node:assert/strict'
import { test } from 'node:test'
import { McpOAuthError } from '../../lib/errors.ts'
import { parseClientMetadata } from '../../lib/oauth/client-metadata.ts'
import { jwtBearer } from '../../lib/oauth/grant-types.ts'

const redirectPolicy = { allowed: null, forbidden: [] }
const uris = ['http://127.0.0.1/cb']

function register (body: unknown): unknown {
  try {
    const { refused, ...metadata } = parseClientMetadata(body, redirectPolicy)
    assert.deepEqual(refused, [])
    return metadata
  } catch (error) {
    assert.ok(error instanceof McpOAuthError, String(error))
    assert.match(error.message, /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
    return error.kind
  }
}

function rejects (kind: string, members: object[]): void {
  for (const member of members) {
    assert.equal(
      register({ redirect_uris: uris, ...member }),
      kind,
      JSON.stringify(member).slice(0, 80)
    )
  }
}

const minimal = {
  redirect_uris: uris,
  grant_types: ['authorization_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none'
}

test('parseClientMetadata accepts redirect URIs alone, and issues no secret [R-01 R-27]', () => {
  assert.deepEqual(register({ redirect_uris: uris }), minimal)
})

test('parseClientMetadata returns the members it recognizes', () => {
  assert.deepEqual(
    register({
      redirect_uris: uris,
      client_name: 'Claude <b>',
      grant_types: ['refresh_token', 'authorization_code'],
      response_types: ['code'],
      application_type: 'native',
      scope: 'a b',
      client_uri: 'https://claude.example/#about',
      logo_uri: '',
      token_endpoint_auth_method: 'none',
      tos_uri: null
    }),
    {
      ...minimal,
      client_name: 'Claude <b>',
      grant_types: ['authorization_code', 'refresh_token'],
      application_type: 'native',
      scope: 'a b'
    }
  )
})

test('parseClientMetadata rejects bodies that are not objects [G-09]', () => {
  for (const body of [undefined, null, [], 'x', 1, true]) {
    assert.equal(register(body), 'invalidRequest')
  }
})

test('parseClientMetadata requires 1 to 10 redirect URIs, each counted once, and coerces nothing [R-02]', () => {
  assert.equal(register({}), 'invalidClientMetadata')
  assert.equal(register(Object.create({ redirect_uris: uris })), 'invalidClientMetadata')
  const many = Array.from({ length: 11 }, (_, index) => `https://a.example/${index}`)
  rejects(
    'invalidClientMetadata',
    [null, 'https://x', {}, 1, [null], [1], [['https://x']], [true], { 0: 'https://x', length: 1 }]
      .map((value) => ({ redirect_uris: value }))
  )
  rejects(
    'invalidRedirectUri',
    [[], many, [`https://a.example/${'a'.repeat(2031)}`], [
      'https://x',
      'javascript:x'
    ], ['']].map((value) => ({ redirect_uris: value }))
  )
  assert.deepEqual(
    register({ redirect_uris: [...uris, ...uris] }),
    register({ redirect_uris: uris })
  )
  assert.deepEqual(register({ redirect_uris: many.slice(1) }), {
    ...minimal,
    redirect_uris: many.slice(1)
  })
  rejects('invalidRedirectUri', [{
    redirect_uris: ['a', 'b', 'c'].map((name) => `https://a.example/${name.repeat(2000)}`)
  }])
})

test('parseClientMetadata limits the sum of the redirect URIs before it reads any of them [G-15 R-02]', () => {
  const checked: string[] = []
  const redirectPolicy = {
    allowed: ['https:'],
    get forbidden () {
      checked.push('one')
      return []
    }
  }
  const redirectUris = [1, 2, 3].map((n) => `https://app.example/${'/'.repeat(2000)}${n}`)
  assert.throws(() => parseClientMetadata({ redirect_uris: redirectUris }, redirectPolicy), {
    kind: 'invalidRedirectUri'
  })
  assert.deepEqual(checked, [])
})

test('parseClientMetadata drops unknown members, whatever their names [R-14 R-20 R-25]', () => {
  assert.deepEqual(
    register({
      redirect_uris: uris,
      client_id: 'x',
      client_secret: 'x',
      client_id_issued_at: 1,
      registration_access_token: 'x',
      trusted: true,
      consent: 'skip',
      grant_id: 'x',
      software_statement: 'a.b.c',
      'client_name#ja': 'x',
      'logo_uri#x': 'javascript:x',
      contacts: [1]
    }),
    minimal
  )
})

test('parseClientMetadata turns secret methods into none and rejects others [R-15]', () => {
  for (const method of ['client_secret_basic', 'client_secret_post', 'none', null]) {
    assert.deepEqual(register({ redirect_uris: uris, token_endpoint_auth_method: method }), minimal)
  }
  rejects(
    'invalidClientMetadata',
    ['client_secret_jwt', 'private_key_jwt', 'tls_client_auth', '', ['none'], 1].map((value) => ({
      token_endpoint_auth_method: value
    }))
  )
})

test('parseClientMetadata narrows grants to codes and refresh tokens [R-16]', () => {
  assert.deepEqual(
    register({
      redirect_uris: uris,
      grant_types: ['implicit', 'authorization_code', 'client_credentials', jwtBearer],
      response_types: ['token', 'code']
    }),
    minimal
  )
  rejects('invalidClientMetadata', [
    ...[
      'implicit',
      'password',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code'
    ].map((type) => ({ grant_types: [type] })),
    { grant_types: [] },
    { grant_types: [jwtBearer] },
    { grant_types: 'authorization_code' },
    { grant_types: [['authorization_code']] },
    { response_types: ['token'] },
    { response_types: ['code token'] },
    { response_types: [] },
    { response_types: 'code' },
    { grant_types: ['implicit'], response_types: ['code'] }
  ])
})

test('parseClientMetadata rejects deceptive names [R-17]', () => {
  assert.deepEqual(register({ redirect_uris: uris, client_name: 'ク'.repeat(100) }), {
    ...minimal,
    client_name: 'ク'.repeat(100)
  })
  assert.deepEqual(register({ redirect_uris: uris, client_name: ' ' }), minimal)
  rejects(
    'invalidClientMetadata',
    [
      'a\nb',
      'a\0',
      'a\u202eb',
      'a\u200bb',
      'a\u2066b',
      '\ufeffa',
      'a\u2028',
      '\ud800',
      123,
      ['x'],
      {}
    ].map((value) => ({ client_name: value }))
  )
})

test('parseClientMetadata cuts a client_name of more than 100 characters [R-17]', () => {
  const nameOf = (name: string) =>
    Object(register({ redirect_uris: uris, client_name: name })).client_name
  assert.equal(nameOf('x'.repeat(101)), `${'x'.repeat(99)}…`)
  assert.equal(nameOf('日本語の長い名前'.repeat(25)).length, 100)
  assert.equal(nameOf(`${'x'.repeat(98)}😀😀`), `${'x'.repeat(98)}…`)
})

test('parseClientMetadata requires https URIs with a host name, or http on loopback [R-18]', () => {
  for (const name of ['logo_uri', 'client_uri', 'tos_uri', 'policy_uri', 'jwks_uri']) {
    rejects(
      'invalidClientMetadata',
      [
        'javascript:x',
        'data:,x',
        'http://a.example/',
        'https://169.254.169.254/',
        'https://2852039166/',
        'https://[::1]/',
        'https://u:p@h/',
        'https:h',
        'x',
        ' ',
        'https://h/ x',
        'http://localhost:5173/ x',
        'http://localhost.evil.example/',
        1,
        ['https://h']
      ].map((value) => ({ [name]: value }))
    )
    // A page in development sends its own origin, as use-mcp does.
    for (const url of ['https://a.example/x', 'http://localhost:5173', '']) {
      assert.deepEqual(register({ redirect_uris: uris, [name]: url }), minimal)
    }
  }
})

test('parseClientMetadata accepts only public keys, and few [R-19]', () => {
  const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
  assert.deepEqual(register({ redirect_uris: uris, jwks: { keys: [key] } }), minimal)
  rejects('invalidClientMetadata', [
    ...[
      { ...key, d: 'x' },
      { kty: 'oct', k: 'x' },
      { kty: 'oct' },
      ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'].map(name => ({ ...key, [name]: 1 })),
      { ...key, kty: undefined },
      null,
      'x',
      []
    ].map((invalid) => ({ jwks: { keys: [key, invalid] } })),
    { jwks: { keys: Array.from({ length: 1000 }, () => key) } },
    { jwks: {} },
    { jwks: [] },
    { jwks: 'x' },
    { jwks: { keys: [key] }, jwks_uri: 'https://a.example/' }
  ])
})

test('parseClientMetadata returns each scope once and rejects malformed ones [R-21]', () => {
  assert.deepEqual(
    register({ redirect_uris: uris, scope: 'offline_access openid offline_access' }),
    { ...minimal, scope: 'offline_access openid' }
  )
  for (const scope of ['', ' ', null]) {
    assert.deepEqual(register({ redirect_uris: uris, scope }), minimal)
  }
  rejects(
    'invalidClientMetadata',
    ['a"b', 'x'.repeat(5000), ['a'], 1].map((value) => ({ scope: value }))
  )
})

test('parseClientMetadata returns the member it checked if one is repeated [R-24]', () => {
  assert.equal(
    register(JSON.parse('{"redirect_uris":["https://ok"],"redirect_uris":["javascript:x"]}')),
    'invalidRedirectUri'
  )
  const list = ['https://ok.example']
  const kept = parseClientMetadata({ redirect_uris: list }, redirectPolicy)
  list[0] = 'javascript:x'
  assert.deepEqual(kept.redirect_uris, ['https://ok.example'])
})

test('parseClientMetadata replaces an application_type that does not fit the redirect URIs [R-29 field:S16]', () => {
  for (const type of ['web', 'spa', '']) {
    assert.deepEqual(register({ redirect_uris: uris, application_type: type }), {
      ...minimal,
      application_type: 'native'
    })
  }
  assert.deepEqual(register({ redirect_uris: ['https://a.example/'], application_type: 'web' }), {
    ...minimal,
    redirect_uris: ['https://a.example/'],
    application_type: 'web'
  })
  assert.deepEqual(
    register({ redirect_uris: ['https://a.example/'], application_type: 'native' }),
    { ...minimal, redirect_uris: ['https://a.example/'], application_type: 'native' }
  )
  rejects(
    'invalidClientMetadata',
    [1, ['web'], true].map((value) => ({ application_type: value }))
  )
})

const cursor = [
  'cursor://anysphere.cursor-mcp/oauth/callback',
  'https://www.cursor.com/agents/mcp/oauth/callback',
  'http://localhost:8787/callback'
]

test('parseClientMetadata keeps the redirect URIs that are allowed, and returns the others [field:S16]', () => {
  const parse = (allowed: string[] | null, redirectUris: string[]) => {
    const { redirect_uris: kept, refused, application_type: type } = parseClientMetadata(
      { redirect_uris: redirectUris, application_type: 'web' },
      { allowed, forbidden: ['https://mcp.example/oauth/callback'] }
    )
    return [kept, refused, type]
  }
  const [scheme = '', web = '', local = ''] = cursor
  assert.deepEqual(parse(null, cursor), [cursor, [], 'native'])
  assert.deepEqual(parse(['http:'], cursor), [[local], [scheme, web], 'native'])
  assert.deepEqual(parse(['https:'], cursor), [[web], [scheme, local], 'web'])
  assert.deepEqual(parse(null, ['myapp://cb', web]), [[web], ['myapp://cb'], 'web'])
  for (
    const [allowed, redirectUris] of [
      [['https://other.example/'], cursor],
      [null, ['myapp://cb']],
      [null, [...cursor, 'javascript:alert(1)']],
      [['https:'], [web, 'ftp://app.example/cb']],
      [['https:'], [web, 'http://app.example/cb']],
      [['https:'], [web, 'cursor://x/../y']],
      [['https:'], [web, 'https://mcp.example/oauth/callback']],
      [['http:'], ['https://mcp.example/oauth/callback', local]]
    ] as const
  ) {
    assert.throws(() => parse(allowed && [...allowed], [...redirectUris]), {
      kind: 'invalidRedirectUri'
    }, redirectUris.join(' '))
  }
})

test('parseClientMetadata returns dpop_bound_access_tokens, which must be boolean [field:S15]', () => {
  for (const value of [true, false]) {
    assert.deepEqual(register({ redirect_uris: uris, dpop_bound_access_tokens: value }), {
      ...minimal,
      dpop_bound_access_tokens: value
    })
  }
  assert.deepEqual(register({ redirect_uris: uris, dpop_bound_access_tokens: null }), minimal)
  rejects(
    'invalidClientMetadata',
    ['true', 1, {}, []].map(value => ({ dpop_bound_access_tokens: value }))
  )
})

test('parseClientMetadata rejects deeply nested members without walking them [G-06 G-08]', () => {
  const deep: unknown = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`)
  assert.deepEqual(register({ redirect_uris: uris, unknown: deep }), minimal)
  for (
    const name of [
      'client_name',
      'grant_types',
      'response_types',
      'scope',
      'jwks',
      'logo_uri',
      'redirect_uris',
      'application_type'
    ]
  ) {
    assert.equal(register({ redirect_uris: uris, [name]: deep }), 'invalidClientMetadata', name)
  }
  assert.deepEqual(
    register(
      JSON.parse(
        '{"redirect_uris":["http://127.0.0.1/cb"],"__proto__":{"client_name":"x"},"constructor":{"prototype":{"x":1}}}'
      )
    ),
    minimal
  )
  assert.equal((Object.prototype as { x?: unknown }).x, undefined)
})

test('parseClientMetadata puts a rejected redirect URI into the cause, not the description', () => {
  for (const uri of ['https://app.example/canary#a', 'canary://cb']) {
    assert.throws(
      () => parseClientMetadata({ redirect_uris: [uri] }, { allowed: null, forbidden: [] }),
      (error: Error) => {
        assert.equal((error.cause as Error).message, `the redirect URIs: "${uri}"`)
        return !error.message.includes('canary')
      }
    )
  }
})
