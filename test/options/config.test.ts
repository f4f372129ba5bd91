import assert from 'node:assert/strict'
import { createKeyPair } from '../support/key-pair.ts'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { createConfig } from '../../lib/options/config.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { warningsOf } from '../../lib/options/warnings.ts'
import { optionProblems } from '../../lib/options/rules.ts'
import { newKey } from '../support/machines.ts'
import { optionNames } from '../../lib/options/names.ts'
import type { McpOAuthOptions } from '../../lib/options/schema.ts'

const log = { debug () {}, info () {}, warn () {}, error () {} }
const issuer = 'https://id.example'
const proxies = { issuer, setupProxies: true, clientId: 'server', clientSecret: 'canary' }
const document = {
  issuer: 'https://as.example',
  authorization_endpoint: 'https://as.example/authorize',
  token_endpoint: 'https://as.example/token'
}
const pass = () => {}
const unchecked = 'issuer, tokens or dependencies: nothing would check the callers. ' +
  'Give one of them, or set auth: false for a server without any checks'
const text = ' that is not empty'

function configured (options: McpOAuthOptions, prefix = '') {
  return createConfig(options, prefix, log)
}

test('optionProblems reports each mistake in one line: the option, the given value and the remedy', () => {
  const mistakes: Array<[options: unknown, ...problems: string[]]> = [
    [null, 'options: null is given. Give an object'],
    ['https://id.example', 'options: "https://id.example" is given. Give an object'],
    [{}, unchecked],
    [{ issuer: 5 }, 'issuer: 5 is given. Give a URL'],
    [{ issuer: '' }, 'issuer: an empty string is given. Give a URL'],
    [{ issuer, wat: 1 }, 'wat: there is no such option. See docs/options.md for those there are'],
    [
      { issuer, requireScopes: ['a'] },
      'requireScopes: there is no such option. Did you mean requiredScopes?'
    ],
    [
      { issuer, requireScope: ['a'] },
      'requireScope: there is no such option. Did you mean requiredScopes?'
    ],
    [
      { issuer, authoriseUser: pass },
      'authoriseUser: there is no such option. Did you mean authorizeUser?'
    ],
    [
      { issuer, dependecies: [pass] },
      'dependecies: there is no such option. Did you mean dependencies?'
    ],
    [
      { issuer, tokenVerifier: pass },
      'tokenVerifier: there is no such option. Did you mean tokens?'
    ],
    [
      { issuer, setupProxy: true },
      'setupProxy: there is no such option. Did you mean setupProxies?'
    ],
    [
      { ...proxies, refresh: { gracePeriod: 60 } },
      'refresh.gracePeriod: there is no such option. Did you mean refresh.grace?'
    ],
    [
      { ...proxies, stateless: true },
      'stateless: there is no such option. See docs/options.md for those there are'
    ],
    [
      { issuer, mcp: { tools: { includeOps: [] } } },
      'mcp.tools.includeOps: there is no such option. Did you mean mcp.tools.includeOperations?'
    ],
    [
      { issuer, ['a'.repeat(10_000)]: 1 },
      `${'a'.repeat(10_000)}: there is no such option. See docs/options.md for those there are`
    ],
    ...['jwksUri', 'jwks_url', 'algorithms', 'clockTolerance'].map(name =>
      [
        { issuer, [name]: 1 },
        `${name}: there is no such option. It belongs to a verifier: tokens: jwtVerifier({ … })`
      ] as [unknown, string]
    ),
    [{ issuer, client_id: 'x' }, 'client_id: there is no such option. Did you mean clientId?'],
    [
      { issuer, setup_fake_dynamic_registration: true },
      'setup_fake_dynamic_registration: there is no such option. Did you mean setupFakeDynamicRegistration?'
    ],
    [
      { issuer, requiredScope: ['a'] },
      'requiredScope: there is no such option. Did you mean requiredScopes?'
    ],
    [{ issuer, ISSUER: 'x' }, 'ISSUER: there is no such option. Did you mean issuer?'],
    [{ issuer, tools: true }, 'tools: there is no such option. Did you mean mcp.tools?'],
    [
      { issuer, mcp: { include_tags: [] } },
      'mcp.include_tags: there is no such option. Did you mean mcp.tools.includeTags?'
    ],
    [
      { issuer, version: '2024-11-05' },
      "version: \"2024-11-05\" is given. Give '2025-03-26' or '2025-06-18' or '2025-11-25' or '2026-07-28'"
    ],
    [
      { issuer, tokens: 'jwt' },
      'tokens: a string of 3 characters is given. ' +
      `Give 'auto' or false or a function or a list${text}, each entry a function`
    ],
    [{ issuer, tokens: [pass, 1] }, 'tokens.1: a number is given. Give a function'],
    [
      { auth: true, issuer },
      'auth: can only be false, which switches all checks off. Leave it out to have callers checked'
    ],
    [
      { dependencies: pass },
      `dependencies: a function is given. Give a list${text}, each entry a function`
    ],
    [
      { dependencies: [] },
      `dependencies: an empty list is given. Give a list${text}, each entry a function`
    ],
    [{ dependencies: [{}] }, 'dependencies.0: an object is given. Give a function'],
    [
      { issuer, headers: ['a b'] },
      'headers.0: "a b" is given. Give a header name such as \'x-api-key\''
    ],
    [
      { issuer, prefix: 'api' },
      'prefix: "api" is given. Give a path such as \'/api\', ' +
      'without a slash at its end, query, parameter or wildcard'
    ],
    [
      { issuer, prefix: '/t/:tenant' },
      'prefix: "/t/:tenant" is given. Give a path such as \'/api\', ' +
      'without a slash at its end, query, parameter or wildcard'
    ],
    [
      { issuer, store: {} },
      'store: an object is given. Give redisStore(client) or an object with the methods putIfAbsent, get, put'
    ],
    [
      { issuer, scopeHierarchy: { 'a/b~': 'c' } },
      `scopeHierarchy.a/b~: "c" is given. Give a list${text}, each entry a string${text}`
    ],
    [
      { issuer, consent: { logoText: 'averylonglogo' } },
      'consent.logoText: "averylonglogo" is given. Give a string of 1 to 8 characters'
    ],
    ...[59, 315_360_001, Infinity, '60'].map(registration =>
      [
        { ...proxies, lifetimes: { registration } },
        `lifetimes.registration: ${
          JSON.stringify(registration) === 'null' ? 'Infinity' : JSON.stringify(registration)
        } is given. Give 60 to 315360000 seconds`
      ] as [unknown, string]
    ),
    [
      { ...proxies, registration: 60 },
      'registration: there is no such option. Did you mean lifetimes.registration?'
    ],
    [
      { ...proxies, lifetimes: { refreshIdel: 60 } },
      'lifetimes.refreshIdel: there is no such option. Did you mean lifetimes.refreshIdle?'
    ],
    [
      { ...proxies, lifetimes: { refresh: 60 } },
      'lifetimes.refresh: there is no such option. Did you mean lifetimes.refreshIdle?'
    ],
    [
      { ...proxies, issuer: undefined },
      'issuer: undefined is given. Is the environment variable set? ' +
      'It is required with setupProxies. Take it from your provider'
    ],
    [{ issuer, mcp: [] }, 'mcp: an empty list is given. Give an object'],
    [
      { issuer, mcp: { path: '/mcp/' } },
      'mcp.path: "/mcp/" is given. Give a path such as \'/mcp\', ' +
      'without a slash at its end, query, parameter or wildcard'
    ],
    [
      { issuer, mcp: { bodyLimit: 0.5 } },
      'mcp.bodyLimit: 0.5 is given. Give a whole number, at least 1'
    ],
    [
      { issuer, mcp: { server: {} } },
      'mcp.server: an object is given. Give a function or an object with the methods connect, close'
    ],
    [
      { issuer, mcp: { handler: pass } },
      'mcp.handler: a function is given. Give an object with the methods fetch'
    ],
    [{ issuer, mcp: { tools: 'yes' } }, 'mcp.tools: "yes" is given. Give true or an object'],
    [
      { issuer, mcp: { tools: { includeTags: [] } } },
      `mcp.tools.includeTags: an empty list is given. Give a list${text}, each entry a string${text}`
    ],
    [
      { issuer, customOAuthMetadata: { issuer: 5 } },
      `customOAuthMetadata.token_endpoint: missing. Give a string${text}`,
      `customOAuthMetadata.issuer: 5 is given. Give a string${text}`
    ],
    [
      { issuer: null, audience: 1 },
      'issuer: null is given. Give a URL',
      `audience: 1 is given. Give a string${text}`
    ]
  ]
  for (const [options, ...problems] of mistakes) {
    assert.deepEqual(optionProblems(options, false), problems)
  }
})

test('optionProblems names the options that contradict each other, and the remedy', () => {
  const mistakes: Array<[options: object, problem: RegExp]> = [
    [{ tokens: 'auto' }, new RegExp(`^${unchecked}`)],
    [{ customOAuthMetadata: document }, new RegExp(`^${unchecked}`)],
    [{ issuer, tokens: false }, new RegExp(`^${unchecked}`)],
    [
      { auth: false, dependencies: [pass] },
      /^auth: false switches all checks off, yet dependencies is given/
    ],
    [{ auth: false, tokens: pass }, /^auth: .*tokens/],
    [{ auth: false, requiredScopes: ['a'] }, /^auth: .*requiredScopes/],
    [{ ...proxies, auth: false }, /^auth: .*setupProxies/],
    [
      { ...proxies, clientId: undefined },
      /^clientId: undefined is given.* required with setupProxies/
    ],
    [
      { setupProxies: true, clientId: 'x', dependencies: [pass] },
      /^issuer: missing, required with setupProxies/
    ],
    [
      { ...proxies, customOAuthMetadata: document },
      /^customOAuthMetadata: contradicts setupProxies/
    ],
    [
      { ...proxies, version: '2025-03-26', upstreamToken: true },
      /^upstreamToken: has no effect with version 2025-03-26/
    ],
    [{ issuer, authorizeUser: () => true }, /^authorizeUser: has no effect without the broker/],
    [
      { ...proxies, version: '2025-03-26', lifetimes: { registration: 60 } },
      /^lifetimes: has no effect with version 2025-03-26/
    ],
    [
      { ...proxies, clients: [{ clientId: 'c', redirectUris: ['javascript:alert(1)'] }] },
      /^clients.0.redirectUris: /
    ],
    [
      { issuer, setupProxies: true, clientId: 'server', version: '2025-03-26' },
      /^clientSecret: missing, required with setupFakeDynamicRegistration/
    ],
    [{ ...proxies, clientSecret: undefined }, /^clientSecret: undefined is given/],
    [
      { issuer, allowedRedirectUris: ['https://*.example.com/cb'] },
      /^allowedRedirectUris\.0: "https:\/\/\*\.example\.com\/cb" must name a host, which cannot have a wildcard/
    ],
    [
      { issuer, allowedRedirectUris: ['*'] },
      /^allowedRedirectUris\.0: "\*" must begin with a scheme .* For every https URI give 'https:'/
    ],
    [
      { issuer, secret: undefined },
      /^secret: undefined is given. Is the environment variable set\?/
    ],
    [
      { issuer, publicUrl: undefined },
      /^publicUrl: undefined is given. Is the environment variable set\?/
    ],
    [
      { issuer: `${issuer}/.well-known/openid-configuration` },
      /^issuer: ".*" is the URL of a metadata document/
    ],
    [{ ...proxies, store: memoryStore() }, /^secret: missing, required with store/],
    [{ issuer, mcp: { server: pass, tools: true } }, /^mcp: server and tools are given.*Keep one/],
    [
      { dependencies: [(_a: unknown, _b: unknown, _done: unknown) => {}] },
      /^dependencies.0: takes 3 arguments/
    ],
    [{ issuer, requiredScopes: ['a b'] }, /^requiredScopes\.0: "a b" is not one scope/],
    [{ issuer, scopes: ['a"'] }, /^scopes\.0: "a\\"" is not one scope/],
    [{ issuer, scopeHierarchy: { a: ['b c'] } }, /"b c" is not one scope/],
    [{ issuer, requiredScopes: ['offline_access'] }, /^requiredScopes: offline_access/],
    [{ issuer, defaultScope: 'a, "b"' }, /^defaultScope: .* is not a list of scopes/],
    [
      { issuer, allowedOrigins: ['https://a.example/x'] },
      /^allowedOrigins\.0: "https:\/\/a.example\/x" is not an origin/
    ],
    [{ issuer, allowedHosts: ['https://a.example'] }, /^allowedHosts\.0: .*is not a host name/],
    [{ issuer, allowedRedirectUris: ['javascript:'] }, /^allowedRedirectUris\.0: "javascript:" /],
    [
      { issuer: 'http://id.example' },
      /^issuer: "http:\/\/id.example" is given. It must use https/
    ],
    [{ issuer: 'https://id.example?x=1' }, /^issuer: .*query/],
    [
      { issuer, publicUrl: 'mcp.example.com' },
      /^publicUrl: "mcp.example.com" is given. It must be an absolute/
    ],
    [{ issuer, oauthMetadataUrl: 'ftp://x' }, /^oauthMetadataUrl: /],
    [{ issuer, authorizeUrl: 'https://id.example/a#b' }, /^authorizeUrl: .*fragment/],
    [
      { issuer, customOAuthMetadata: { ...document, issuer: 'http://as.example' } },
      /^customOAuthMetadata.issuer: must use https/
    ],
    [
      { issuer, customOAuthMetadata: { ...document, x: [] } },
      /^customOAuthMetadata.x: must not be empty/
    ],
    [{
      issuer,
      customOAuthMetadata: {
        issuer,
        token_endpoint: document.token_endpoint,
        grant_types_supported: ['authorization_code']
      }
    }, /^customOAuthMetadata.authorization_endpoint: is required/]
  ]
  for (const [options, problem] of mistakes) {
    const problems = optionProblems(options, false)
    assert.equal(problems.length, 1, JSON.stringify(problems))
    assert.match(problems[0] ?? '', problem)
  }
})

test('optionProblems names each mistake in clients, and the remedy [T-10]', () => {
  const machine = {
    clientId: 'c',
    secretHashes: [`sha256:${'x'.repeat(43)}`],
    grantTypes: ['client_credentials']
  }
  const publicKey = createKeyPair('ed25519').publicKey.export({ format: 'jwk' })
  const uris = { redirectUris: ['https://app.example/cb'] }
  const hash = "Give the hash of a secret: 'sha256:' and its SHA-256 in base64url"
  const mistakes: Array<[client: object, problem: string, options?: object]> = [
    [
      { clientId: 'c' },
      'clients.0.redirectUris: missing, required with the grant type authorization_code. ' +
      "A machine has grantTypes: ['client_credentials']"
    ],
    [
      { ...machine, secretHashes: ['canary-canary'] },
      `clients.0.secretHashes.0: a string of 13 characters is given. ${hash}`
    ],
    [
      { ...machine, secretHashes: ['c'.repeat(43)] },
      `clients.0.secretHashes.0: a string of 43 characters is given. ${hash}`
    ],
    [
      { ...machine, secretHashes: [undefined] },
      `clients.0.secretHashes.0: undefined is given. Is the environment variable set? ${hash}`
    ],
    [
      { ...machine, clientSecret: 'canary' },
      'clients.0.clientSecret: there is no such option. Give the hash of the secret, as secretHashes'
    ],
    [
      { ...machine, client_secret: 'canary' },
      'clients.0.client_secret: there is no such option. Give the hash of the secret, as secretHashes'
    ],
    [
      { ...machine, redirect_uris: [] },
      'clients.0.redirect_uris: there is no such option. Did you mean clients.redirectUris?'
    ],
    [
      { ...machine, grantTypes: ['password'] },
      'clients.0.grantTypes.0: "password" is given. ' +
      "Give 'authorization_code' or 'refresh_token' or 'client_credentials' or " +
      "'urn:ietf:params:oauth:grant-type:jwt-bearer' or " +
      "'urn:ietf:params:oauth:grant-type:token-exchange'"
    ],
    [
      { ...machine, secretHashes: undefined, ...uris, grantTypes: ['authorization_code'] },
      'clients.0.secretHashes: undefined is given. Is the environment variable set? Without it, the client is public'
    ],
    [
      { clientId: 'c', grantTypes: ['client_credentials'] },
      'clients.0.grantTypes: client_credentials requires authentication. Add secretHashes or jwks'
    ],
    [
      { ...machine, jwks: { keys: [publicKey] } },
      'clients.0: secretHashes and jwks are given, but a client authenticates in one way. Keep one'
    ],
    [
      { ...machine, grantTypes: ['client_credentials', 'refresh_token'] },
      'clients.0.grantTypes: refresh_token requires authorization_code. Add that, or remove it'
    ],
    [
      { ...machine, ...uris },
      'clients.0.redirectUris: has no effect without the grant type authorization_code. Remove it'
    ],
    [
      {
        clientId: 'c',
        grantTypes: ['client_credentials'],
        jwks: { keys: [{ ...publicKey, d: 'canary' }] }
      },
      'clients.0.jwks.keys.0: has the member d, which only private and symmetric keys have. Give the public key alone'
    ],
    [
      {
        clientId: 'c',
        grantTypes: ['client_credentials'],
        jwks: { keys: [publicKey, { kty: 'oct', k: 'canary' }] }
      },
      'clients.0.jwks.keys.1: has the member k, which only private and symmetric keys have. Give the public key alone'
    ],
    [
      { ...machine, scopes: ['a b'] },
      'clients.0.scopes.0: "a b" is not one scope (RFC 6749, section 3.3). Give each its own entry'
    ],
    [
      { ...machine, scopes: ['write'] },
      'clients.0.scopes: lacks read of requiredScopes. Add it',
      { requiredScopes: ['read'] }
    ]
  ]
  for (const [client, problem, options] of mistakes) {
    assert.deepEqual(optionProblems({ ...proxies, clients: [client], ...options }, false), [
      problem
    ])
  }
  assert.deepEqual(optionProblems({ ...proxies, clients: [machine, machine] }, false), [
    'clients.1.clientId: clients.0 has it too. Give each its own'
  ])
  assert.deepEqual(
    optionProblems({
      ...proxies,
      clients: [{ ...machine, scopes: ['admin'] }],
      requiredScopes: ['read'],
      scopeHierarchy: { admin: ['read'] }
    }, false),
    []
  )
  assert.deepEqual(
    optionProblems({
      ...proxies,
      clients: [{
        ...machine,
        ...uris,
        grantTypes: ['authorization_code', 'refresh_token', 'client_credentials']
      }]
    }, false),
    []
  )
})

test('optionProblems refuses a secret in production that can be guessed [field:A15]', () => {
  const problemsOf = (secret: string | string[], production = true) =>
    optionProblems({ ...proxies, secret }, production)
  for (
    const secret of [
      'a'.repeat(32),
      'a'.repeat(1_000),
      'ab'.repeat(20),
      'password'.repeat(4),
      'changeme-changeme-changeme-changeme',
      '0123456789abcdef0123456789abcdef',
      '12345678901234567890123456789012',
      'abcdefghijklmnopqrstuvwxyz012345',
      'zyxwvutsrqponmlkjihgfedcba987654',
      '00000000-0000-0000-0000-000000000000'
    ]
  ) {
    for (const value of [secret, [randomBytes(32).toString('hex'), secret]]) {
      const problems = problemsOf(value)
      assert.match(problems.join(), /^secret: repeats itself or is a sequence, so .* openssl/)
      assert.doesNotMatch(problems.join(), new RegExp(secret))
    }
    assert.deepEqual(problemsOf(secret, false), [])
  }
  for (let index = 0; index < 1_000; index++) {
    for (const secret of [randomBytes(16).toString('hex'), randomBytes(24).toString('base64')]) {
      assert.deepEqual(problemsOf(secret), [], secret)
    }
  }
})

test('optionProblems requires a secret in production wherever values are encrypted', () => {
  const generate = 'Give at least 32 random bytes: openssl rand -base64 32'
  for (
    const [options, reason] of [
      [proxies, 'when NODE_ENV is production'],
      [{ ...proxies, store: memoryStore() }, 'with store, as all instances must share it']
    ] as const
  ) {
    assert.deepEqual(optionProblems(options, true), [
      `secret: missing, required ${reason}. ${generate}`
    ])
    assert.deepEqual(optionProblems({ ...options, secret: undefined }, true), [
      `secret: undefined is given. Is the environment variable set? It is required ${reason}. ${generate}`
    ])
  }
  assert.deepEqual(
    optionProblems({ ...proxies, secret: randomBytes(16).toString('hex') }, true),
    []
  )
  assert.deepEqual(
    optionProblems(
      { ...proxies, version: '2025-03-26', setupFakeDynamicRegistration: false },
      true
    ),
    []
  )
  assert.deepEqual(optionProblems({ issuer }, true), [])
})

test('optionProblems never quotes a secret', () => {
  for (
    const options of [
      { ...proxies, clientId: undefined },
      { ...proxies, client_secret: 'canary' },
      { issuer, secret: 'canary' },
      { issuer, secret: ['canary', 5] },
      { issuer, clientSecret: ['canary'] },
      { issuer: 'https://user:canary@id.example' },
      { issuer, publicUrl: 'https://canary@id.example' },
      { issuer, tokens: 'canary' },
      { issuer, tokens: ['canary'] },
      ...[
        { secretHashes: ['canary'] },
        { secretHashes: 'canary' },
        { jwks: 'canary' },
        { jwks: { keys: ['canary'] } },
        { secret: 'canary' },
        { jwks: { keys: [{ kty: 'oct', k: 'canary' }] } }
      ]
        .map(client => ({ ...proxies, clientSecret: 'x', clients: [{ clientId: 'c', ...client }] }))
    ]
  ) {
    const problems = optionProblems(options, true)
    assert.ok(problems.length > 0)
    assert.doesNotMatch(problems.join(), /canary/)
  }
  assert.doesNotMatch(optionProblems({ clientSecret: 424242 }, false).join(), /424242/)
})

test('createConfig throws one error with all problems', () => {
  const invalid = { issuer: 'http://id.example', setupProxies: true, defaultScope: '"' }
  assert.throws(() => configured(invalid as McpOAuthOptions), (error) => {
    assert.ok(error instanceof McpOAuthError)
    assert.equal(error.code, 'FST_MCP_OAUTH_INVALID_OPTIONS')
    assert.deepEqual(error.message.split('\n  - ').map((line) => line.split(':')[0]), [
      'The options are invalid',
      'issuer',
      'defaultScope',
      'clientId'
    ])
    return true
  })
  assert.throws(
    () => configured({ ...proxies, legacyEndpoints: true }, '/v1'),
    /legacyEndpoints: needs a registration without a prefix/
  )
  assert.throws(
    () => configured({ issuer }, '/t/:tenant'),
    /prefix: the scope's '\/t\/:tenant' has a parameter/
  )
})

const lifetimeRows: Array<[McpOAuthOptions, RegExp]> = [
  [
    { lifetimes: { access: 7200, refreshIdle: 3600 } },
    /refreshIdle: 3600 .* shorter than lifetimes.access/
  ],
  [
    { lifetimes: { refreshIdle: 7200, refreshAbsolute: 60 } },
    /refreshAbsolute: 60 .* lifetimes.refreshIdle/
  ],
  [
    { lifetimes: { refreshIdle: 3600 }, refresh: { grace: 3601 } },
    /refreshIdle: 3600 .* refresh.grace/
  ],
  [{ lifetimes: { access: 59 } }, /lifetimes.access/],
  [{ refresh: { onReuse: 'ignore' as never } }, /refresh.onReuse/]
]
for (const [options, message] of lifetimeRows) {
  test(`createConfig refuses ${JSON.stringify(options)} [field:S2]`, () => {
    assert.throws(() => configured({ ...proxies, ...options }), { message })
  })
}

test('createConfig completes lifetimes and refresh, and takes long ones [field:S2]', () => {
  const { lifetimes, refresh } = configured({
    ...proxies,
    lifetimes: { refreshIdle: 1e7, refreshAbsolute: 2e7 }
  })
  assert.deepEqual({ ...lifetimes }, {
    consent: 600,
    code: 60,
    access: 3600,
    refreshIdle: 1e7,
    refreshAbsolute: 2e7,
    registration: null
  })
  assert.deepEqual({ ...refresh }, { grace: 600, onReuse: 'revoke' })
})

test('createConfig accepts each combination of the documentation, in its mode', () => {
  const modes: Array<[McpOAuthOptions, mode: string, tokens: unknown]> = [
    [{ dependencies: [pass] }, 'guard', 'none'],
    [{ tokens: async () => null }, 'guard', 1],
    [{ customOAuthMetadata: document, dependencies: [pass] }, 'metadata', 'none'],
    [{ customOAuthMetadata: document, issuer }, 'metadata', 'issuer'],
    [
      { customOAuthMetadata: document, tokens: [async () => null, async () => null] },
      'metadata',
      2
    ],
    [{ issuer }, 'resource', 'issuer'],
    [{ issuer, dependencies: [pass] }, 'resource', 'none'],
    [{ issuer, dependencies: [pass], tokens: false }, 'resource', 'none'],
    [proxies, 'broker', 'own'],
    [{ ...proxies, dependencies: [pass] }, 'broker', 'own'],
    [{ issuer, setupProxies: true, clientId: 'public' }, 'broker', 'own'],
    [{ ...proxies, version: '2025-06-18' }, 'broker', 'own'],
    [{ ...proxies, version: '2025-03-26' }, 'thin', 'issuer'],
    [
      {
        issuer,
        setupProxies: true,
        clientId: 'public',
        version: '2025-03-26',
        setupFakeDynamicRegistration: false
      },
      'thin',
      'issuer'
    ],
    [{ auth: false }, 'open', 'none'],
    [{ auth: false, issuer }, 'resource', 'none']
  ]
  for (const [options, mode, tokens] of modes) {
    const config = configured(options)
    assert.equal(config.mode, mode, JSON.stringify(options))
    assert.equal(
      Array.isArray(config.tokens) ? config.tokens.length : config.tokens,
      tokens,
      JSON.stringify(options)
    )
  }
})

test('optionProblems accepts methods of a class, as those of a store', () => {
  class OwnStore {
    async putIfAbsent () {
      return null
    }

    async get () {
      return null
    }

    async put () {}
  }
  class Handler {
    fetch () {
      return new Response()
    }
  }
  assert.deepEqual(
    optionProblems({ issuer, store: new OwnStore(), mcp: { handler: new Handler() } }, false),
    []
  )
  assert.deepEqual(
    optionProblems({ issuer, root: Object.create({ route: pass, hasRoute: pass }) }, false),
    []
  )
})

test('defaults, prefixes and URLs [PRM-06]', () => {
  const config = configured({ issuer })
  assert.deepEqual([
    config.prefix,
    config.publicUrl,
    config.metadataPath,
    config.headers,
    config.mcp.path,
    config.mcp.bodyLimit
  ], [
    '',
    null,
    '/.well-known/oauth-authorization-server',
    ['authorization'],
    '/mcp',
    4 * 1024 * 1024
  ])
  assert.deepEqual(config.provider?.defaultScopes, ['openid', 'profile', 'email'])
  for (
    const [scope, own, prefix] of [['', '/', ''], ['/', '', ''], ['/a', '/b', '/a/b'], [
      '/a/',
      '/b/c',
      '/a/b/c'
    ], ['/a', '/', '/a']] as const
  ) {
    assert.equal(configured({ issuer, prefix: own }, scope).prefix, prefix)
  }
  for (
    const [given, normalized] of [['HTTPS://MCP.Example.com:443/', 'https://mcp.example.com'], [
      'https://mcp.example.com:8443/Base/',
      'https://mcp.example.com:8443/Base'
    ]] as const
  ) {
    assert.equal(configured({ issuer, publicUrl: given }).publicUrl, normalized)
  }
  assert.equal(
    configured({ issuer: 'https://Id.example/' }).provider?.issuer,
    'https://Id.example/'
  )
  assert.deepEqual(configured({ issuer, headers: ['X-Api-Key'] }).headers, ['x-api-key'])
})

test('createConfig freezes the configuration and leaves the given options unchanged', () => {
  const options = deepFreeze({
    ...proxies,
    audience: 'https://api.example',
    headers: ['Authorization', 'X-Tenant'],
    requiredScopes: ['read'],
    scopes: ['read', 'write'],
    scopeHierarchy: { admin: ['read'] },
    allowedHosts: ['mcp.example.com'],
    allowedOrigins: ['https://app.example.com'],
    allowedRedirectUris: ['https://app.example.com/'],
    secret: ['x'.repeat(32)],
    mcp: { tools: { includeTags: ['public'] } }
  })
  const before = structuredClone(options)
  const config = configured(options as never)
  assert.deepEqual(options, before)
  assert.deepEqual(config.scopes, ['read', 'write'])
  for (
    const part of [
      config,
      config.provider,
      config.mcp,
      config.headers,
      config.requiredScopes,
      config.scopeHierarchy,
      config.allowedHosts,
      config.secrets
    ]
  ) assert.ok(Object.isFrozen(part))

  const own = {
    issuer,
    requiredScopes: ['read'],
    scopeHierarchy: { admin: ['read'] },
    allowedHosts: ['mcp.example.com'],
    dependencies: [pass]
  }
  const normalized = configured(own)
  for (const list of [own.requiredScopes, own.allowedHosts, own.dependencies] as unknown[][]) {
    list.length = 0
  }
  Object.assign(own.scopeHierarchy, { guest: ['read'] })
  assert.deepEqual(
    [
      normalized.requiredScopes,
      normalized.allowedHosts,
      normalized.dependencies,
      normalized.scopeHierarchy
    ],
    [['read'], ['mcp.example.com'], [pass], { admin: ['read'] }]
  )
})

test('createConfig derives a missing secret or creates a random one, and logs which, never the value', () => {
  const messages: string[] = []
  const listening = {
    ...log,
    info: (details: object, message: string) => {
      messages.push(JSON.stringify(details) + message)
    }
  }
  const { clientSecret: guessable, ...without } = proxies
  const clientSecret = 'upstream-secret-'.repeat(2)
  const strong = { ...without, clientSecret }
  assert.equal(
    createConfig(strong, '', listening).secrets[0],
    createConfig(strong, '', listening).secrets[0]
  )
  for (const weak of [without, { ...without, clientSecret: guessable }]) {
    assert.notEqual(
      createConfig(weak, '', listening).secrets[0],
      createConfig(weak, '', listening).secrets[0]
    )
  }
  assert.match(messages.join('\n'), /derived from clientSecret[^]*random/)
  assert.doesNotMatch(messages.join(), new RegExp(clientSecret))
  assert.deepEqual(createConfig({ issuer }, '', listening).secrets, [])
})

test('the names of the options are those of the schema', () => {
  for (
    const name of [
      'issuer',
      'customOAuthMetadata',
      'mcp',
      'mcp.server',
      'mcp.tools.includeOperations'
    ]
  ) assert.ok(optionNames.includes(name), name)
})

function deepFreeze<T extends object> (value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member)
  }
  return Object.freeze(value)
}

test('warningsOf lists valid options that are probably a mistake', () => {
  const warnings = (options: McpOAuthOptions, requestTimeout = 30_000) =>
    warningsOf(configured(options), requestTimeout).map(([, , message]) => message)
  const publicUrl = 'https://mcp.example'
  const [ofUrl, ...none] = warnings({ issuer, publicUrl: `${publicUrl}/mcp` })
  assert.match(ofUrl ?? '', /^Option publicUrl ends with \/mcp, the path of the MCP route/)
  assert.deepEqual(none, [])
  assert.deepEqual(warnings({ issuer, publicUrl: `${publicUrl}/v1` }), [])
  assert.match(warnings({ issuer, publicUrl }, 0).join(), /^Requests have no time limit: /)
  assert.deepEqual(warnings({ issuer }, 0), [], 'loopback needs no time limit')
  assert.match(warnings({ auth: false }).join(), /^Option auth is false: every caller /)
  assert.match(warnings({ issuer, clientSecret: 'x' }).join(), /^Option clientSecret has no effect/)
  assert.deepEqual(warnings(proxies), [])
})

test('createConfig logs that a random secret replaces a short client secret', () => {
  const lines: string[] = []
  const record = (_details: object, message: string) => {
    lines.push(message)
  }
  createConfig(proxies, '', { ...log, info: record })
  assert.equal(lines.length, 1)
  assert.match(
    lines[0] ?? '',
    /^Option secret is random, as clientSecret has fewer than 32 characters: /
  )
})

test('computed lists may be empty, and null members of metadata are omitted [field:H12 field:H13]', async (t) => {
  const empty = { requiredScopes: [], scopes: [], clients: [], redact: [] }
  const customOAuthMetadata = {
    issuer: 'https://id.example',
    token_endpoint: 'https://id.example/token',
    registration_endpoint: null,
    scopes_supported: null
  }
  for (
    const options of [
      { ...empty, issuer: 'https://id.example' },
      { ...empty, auth: false, mcp: { tools: true } },
      { ...empty, issuer: 'https://id.example', clientId: 'server', setupProxies: true },
      { ...empty, customOAuthMetadata, issuer: 'https://id.example' }
    ] as McpOAuthOptions[]
  ) {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, options)
    const path = '/.well-known/oauth-authorization-server'
    const { body } = await app.inject(path)
    assert.doesNotMatch(body, /null/)
    if (options.customOAuthMetadata) {
      assert.equal('registration_endpoint' in JSON.parse(body), false)
      assert.deepEqual(JSON.parse(body).scopes_supported, ['openid', 'profile', 'email'])
    }
  }
  for (const name of ['issuer', 'token_endpoint']) {
    const options = { customOAuthMetadata: { ...customOAuthMetadata, [name]: null }, tokens: false }
    await assert.rejects(
      async () => await Fastify().register(mcpOAuth, options as never),
      new RegExp(`customOAuthMetadata\\.${name}: null is given`)
    )
  }
})

test('optionProblems names each mistake in workloads and trusted issuers, and the remedy [WL-10]', () => {
  const workload = {
    issuer: 'https://cluster.example',
    claims: { sub: 'system:serviceaccount:prod:agent' },
    scopes: ['read']
  }
  const jwks = { keys: [newKey().jwk] }
  const job = { clientId: 'job', grantTypes: ['client_credentials'] }
  const claims = 'workloads.0.claims:'
  const rows: Array<[options: object, ...problems: RegExp[]]> = [
    [{ workloads: [workload] }],
    [{ workloads: [{ ...workload, clients: ['job'] }], clients: [job] }],
    [{ trustedIssuers: [{ issuer: 'https://id.example', clients: ['https://a.example/c.json'] }] }],
    [
      { workloads: [{ ...workload, issuer: 'spiffe://example.org' }] },
      /^workloads\.0\.jwksUri: missing, required for an issuer that is not an https URL\. Give /
    ],
    [{ workloads: [{ ...workload, issuer: 'cluster.local', jwksUri: 'https://c.example/keys' }] }],
    [
      { workloads: [{ ...workload, clients: ['jobs'] }], clients: [{ ...job, jwks }] },
      /^workloads\.0\.clients\.0: "jobs" is given, which clients does not list\. Correct it, or /
    ],
    [
      {
        trustedIssuers: [{ issuer: 'https://id.example', clients: ['a', 'job'] }],
        clients: [{
          ...job,
          jwks
        }]
      },
      /^trustedIssuers\.0\.clients\.0: "a" is given, which clients does not list\. Correct it, or /
    ],
    [
      { workloads: [{ ...workload, clients: ['https://a.example/c.json'] }] },
      /^workloads\.0\.clients\.0: "https:\/\/a\.example\/c\.json" is given, which clients does not /
    ],
    [
      { workloads: [{ ...workload, clients: ['job'] }], clients: [{ ...job, jwks }] },
      /^workloads\.0\.clients\.0: "job" has secretHashes or jwks, but a client .+ Keep one$/
    ],
    [
      {
        requiredScopes: ['read', 'call'],
        scopeHierarchy: { all: ['read', 'call'] },
        workloads: [workload, { ...workload, scopes: ['all'] }],
        trustedIssuers: [
          { issuer: 'https://id.example', scopes: ['call'] },
          { issuer: 'https://other.example' }
        ]
      },
      /^trustedIssuers\.0\.scopes: lacks read of requiredScopes\. Add it$/,
      /^workloads\.0\.scopes: lacks call of requiredScopes\. Add it$/
    ],
    [{ clients: [job] }, /^clients\.0\.grantTypes: client_credentials requires authentication/],
    [{ workloads: [{ ...workload, issuer: 'a|b' }] }, /^workloads\.0\.issuer: .+ \|/, /jwksUri/],
    ...[{}, { sub: '*' }, { sub: 5 }, { sub: 'x', a: [] }, { sub: 'x', a: '**' }, 'x'].map(
      (given): [object, RegExp] => [
        { workloads: [{ ...workload, claims: given }] },
        new RegExp(`^${claims}`)
      ]
    )
  ]
  for (const [options, ...expected] of rows) {
    const problems = optionProblems({ ...proxies, ...options }, false)
    const text = `${JSON.stringify(options)} ${problems.join('\n')}`
    assert.equal(problems.length, expected.length, text)
    for (const [index, problem] of expected.entries()) assert.match(problems[index] ?? '', problem)
  }
})
