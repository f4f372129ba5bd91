import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RedirectPolicy } from '../../lib/oauth/redirect-uri.ts'
import {
  isLoopbackRedirect,
  redirectPatternProblem,
  redirectUriMatches,
  redirectUriProblem
} from '../../lib/oauth/redirect-uri.ts'
import { sweep } from '../support/sweep.ts'

const open: RedirectPolicy = { allowed: null, forbidden: [] }
const cursor: RedirectPolicy = {
  allowed: ['https:', 'http:', 'cursor://*', 'com.example.app:'],
  forbidden: []
}

function rejects (uris: readonly unknown[], policy = open): void {
  for (const uri of uris) {
    const problem = redirectUriProblem(uri, policy)
    assert.equal(typeof problem, 'string', String(uri).slice(0, 80))
    assert.match(problem ?? '', /^[A-Z][\x20\x21\x23-\x5b\x5d-\x7e]*\.$/)
  }
}

function accepts (uris: readonly string[], policy = open): void {
  for (const uri of uris) assert.equal(redirectUriProblem(uri, policy), null, uri)
}

test('redirectUriProblem accepts https anywhere and http on loopback', () => {
  accepts([
    'https://app.example/cb',
    'https://app.example',
    'https://app.example/',
    'https://app.example:8443/cb?x=1&y=%20',
    'https://xn--go-hmcd.com/',
    'https://localhost/cb',
    'http://127.0.0.1/cb',
    'http://127.0.0.1:51234/cb',
    'http://localhost:3334/oauth/callback',
    'http://localhost',
    'http://[::1]:1/'
  ])
})

test('redirectUriProblem rejects anything but strings of up to 2048 characters [R-02]', () => {
  const longest = `https://app.example/${'a'.repeat(2028)}`
  accepts([longest])
  rejects([`${longest}a`, '', null, undefined, 1, ['https://app.example'], {}])
})

test('redirectUriProblem rejects script schemes, whatever the policy allows [R-03]', () => {
  const schemes = [
    'javascript',
    'data',
    'vbscript',
    'blob',
    'file',
    'about',
    'view-source',
    'filesystem',
    'ftp',
    'ws',
    'wss',
    'mailto',
    'tel',
    'ms-msdt',
    'search-ms',
    'intent'
  ]
  for (const scheme of schemes) {
    const uris = [
      `${scheme}:x`,
      `${scheme}://h/x`,
      `${scheme.toUpperCase()}:x`,
      ` ${scheme}:x`,
      `${scheme}\t:x`,
      `${scheme}\n:x`,
      `\0${scheme}:x`,
      `${scheme}:x\0`
    ]
    rejects(uris)
    rejects(uris, { allowed: [`${scheme}:`, `${scheme}:x`, `${scheme}://*`], forbidden: [] })
    assert.equal(typeof redirectPatternProblem(`${scheme}:`), 'string')
  }
})

test('redirectUriProblem rejects user info [R-04]', () => {
  const uris = [
    'https://good.com@evil.com/',
    'http://localhost:1@evil.com/',
    'https://u:p@h/',
    'https://@h/',
    'https://:@h/'
  ]
  rejects(uris)
  rejects([...uris, 'cursor://u@h/cb'], cursor)
  accepts(['https://h/@x', 'https://h/?u=a@b'])
})

test('redirectUriProblem rejects fragments, also empty ones [R-05]', () => {
  rejects(['https://h/cb#x', 'https://h/cb#', 'https://h#', 'http://127.0.0.1/#'])
  rejects(['cursor://cb#', 'com.example.app:/cb#x'], cursor)
})

test('redirectUriProblem rejects URIs that a parser would repair [R-06]', () => {
  rejects([
    'http:evil.com',
    'https:evil.com',
    'https:///evil.com',
    'https:/evil.com',
    'https://evil.com\\@good.com',
    'java\nscript:alert(1)',
    'https://good。com/',
    'http://0177.0.0.1/',
    'http://2130706433/',
    'http://127.1/',
    'https://h:443/cb',
    'https://h:0443/',
    'HTTPS://h/',
    'https://H/',
    'https://h/ ',
    ' https://h/',
    'https://h/"',
    'https://h/a b',
    'https://h%2eexample/',
    "https://h/?a='",
    'https://h:/',
    '//h/cb',
    '/cb',
    'h/cb',
    'https://',
    'https://h/%zz',
    'https://h/%0d%0aX',
    'https://h/%00',
    'https://h?x=1'
  ])
})

test('redirectUriProblem rejects dot segments [R-07]', () => {
  const paths = [
    'cb/../x',
    'cb/%2e%2e/x',
    'cb/.%2E/x',
    './cb',
    'cb/.',
    'cb/..',
    'cb/%2e',
    'cb/..?x=1'
  ]
  rejects(paths.map((path) => `https://h/${path}`))
  rejects(paths.map((path) => `com.example.app:/${path}`), cursor)
  rejects(['com.example.app:cb/../x'], cursor)
  accepts(['https://h/...', 'https://h/.well-known/x', 'https://h/a..b'])
})

test('redirectUriProblem accepts http for three spellings of loopback only [R-08 R-09]', () => {
  rejects([
    'http://app.example/cb',
    'http://0.0.0.0/cb',
    'http://192.168.1.5/cb',
    'http://localhost.evil.com',
    'http://127.0.0.1.evil.com',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]/',
    'http://127.1',
    'http://2130706433',
    'http://localhost.',
    'http://localhost./',
    'http://127.0.0.2/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[::]/',
    'http://127.0.0.1:99999/',
    'http://127.0.0.1:080/'
  ])
})

test('redirectUriProblem allows the callbacks of well-known apps, unless patterns are given [field:S16]', () => {
  const uris = [
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'vscode://saoudrizwan.claude-dev/mcp-auth/callback/0123456789abcdef0123456789abcdef',
    'warp://mcp/oauth2callback'
  ]
  for (const uri of uris) {
    assert.equal(redirectUriProblem(uri, open), null)
    for (const allowed of [['https:', 'http:'], ['https://a.example/']]) {
      assert.ok(redirectUriProblem(uri, { allowed, forbidden: [] }))
    }
    const others = [`${uri}/`, `${uri}/x`, `${uri}?x=1`, uri.slice(0, -1), uri.replace('//', '//x')]
    for (const other of others) assert.ok(redirectUriProblem(other, open), other)
  }
})

test('redirectUriProblem matches no path that may lead out of the folder of a pattern [field:A12]', () => {
  const allowed = ['https://a.example/cb/*']
  const problem = (tail: string) =>
    redirectUriProblem(`https://a.example/cb/${tail}`, { allowed, forbidden: [] })
  for (
    const tail of [
      '..;/evil',
      '..;',
      'x/..;/..;/evil',
      '..;jsessionid=1/evil',
      '.;/evil',
      '..%3b/evil',
      '..%3B/evil',
      '%2e%2e/evil',
      '.%2e/evil',
      'x/%2E%2e',
      '%252e%252e/evil',
      '%252e%252e%252fevil',
      '..%252fevil',
      '%25252e%25252e/evil',
      '..%2fevil',
      '..%5cevil',
      '..%255cevil',
      '..\\evil',
      '\\..\\evil',
      '%c0%ae%c0%ae/evil',
      '%c0%afevil',
      '%e0%80%ae/evil',
      '%ef%bc%8e%ef%bc%8e/evil',
      '..%20/evil',
      '.../evil',
      '..,/evil',
      '../evil',
      'x/../../evil'
    ]
  ) assert.ok(problem(tail), tail)
  for (
    const tail of [
      '',
      '1',
      'a/b',
      'a.b/c..d',
      '.well-known/x',
      'a;b',
      'a%20b',
      'x?next=%2F..;%E9&y=1'
    ]
  ) assert.equal(problem(tail), null, tail)
})

test('redirectUriProblem rejects wildcards of clients [R-10]', () => {
  rejects(['https://*.good.com/', 'https://good.com/*', 'http://localhost:*/cb', 'https://*/'])
  rejects(['cursor://*'], cursor)
})

test('redirectUriProblem accepts only ASCII [R-11]', () => {
  rejects([
    'https://goоd.com',
    'https://good。com',
    'https://good.com/\u202ex',
    'https://good.com/é',
    'https://good.com/\ud800'
  ])
})

test('redirectUriProblem rejects parameters of authorization responses in the query [R-12]', () => {
  rejects(
    [
      'code=x',
      'state=',
      'iss=',
      'error=',
      'response=',
      'access_token=',
      'x=1&code',
      '%63ode=1',
      'id_token=1'
    ].map((query) => `https://h/cb?${query}`)
  )
  rejects(['com.example.app:/cb?code=1'], cursor)
  accepts(['https://h/cb?codes=1&x=code'])
})

test('redirectUriProblem rejects our own URLs and those of the provider [R-13]', () => {
  const policy = {
    allowed: null,
    forbidden: [
      'https://mcp.example.com/oauth/callback',
      'https://mcp.example.com/mcp',
      'https://idp.example/authorize?tenant=1',
      'http://localhost:3000/oauth/callback'
    ]
  }
  rejects([
    'https://mcp.example.com/oauth/callback',
    'https://mcp.example.com/oauth/callback/',
    'https://mcp.example.com/oauth/callback?x=1',
    'https://mcp.example.com/oauth/%63allback',
    'https://mcp.example.com./mcp',
    'https://mcp.example.com/mcp',
    'https://idp.example/authorize',
    'http://127.0.0.1:3000/oauth/callback',
    'http://[::1]:3000/oauth/callback'
  ], policy)
  accepts([
    'https://mcp.example.com/other',
    'http://localhost:3334/oauth/callback',
    'https://idp.example/'
  ], policy)
})

test('redirectUriProblem accepts private-use schemes only if listed [AZ-02]', () => {
  const uris = ['cursor://cb', 'com.example.app:/cb']
  rejects(uris)
  accepts(uris, cursor)
  rejects(['cursors://x', 'vscode://x', 'cursor:x', 'Cursor://x'], cursor)
  accepts(['https://h/cb', 'http://localhost:1/'], cursor)
})

test('redirectUriProblem accepts the URIs that a pattern describes, and no others', () => {
  const match = (pattern: string, uri: string): boolean => {
    assert.equal(redirectPatternProblem(pattern), null, pattern)
    return redirectUriProblem(uri, { allowed: [pattern], forbidden: [] }) === null
  }
  assert.ok(match('https://a.example/cb', 'https://a.example/cb'))
  assert.ok(!match('https://a.example/cb', 'https://a.example/cb/'))
  assert.ok(match('https://a.example/cb/*', 'https://a.example/cb/1?x=y'))
  assert.ok(match('https://a.example/*', 'https://a.example/'))
  for (
    const uri of [
      'https://a.example/cb',
      'https://a.example/cbx',
      'https://a.example.evil/cb/',
      'https://a.example/cb/..%2fx',
      'https://a.example/cb/%5cx',
      'https://b.example/cb/1'
    ]
  ) {
    assert.ok(!match('https://a.example/cb/*', uri), uri)
  }
  for (const pattern of ['http://localhost:*/cb', 'http://localhost/cb']) {
    assert.ok(match(pattern, 'http://localhost:51234/cb') && match(pattern, 'http://localhost/cb'))
    assert.ok(
      !match(pattern, 'http://localhost:51234/cb2') &&
        !match(pattern, 'http://127.0.0.1:51234/cb') &&
        !match(pattern, 'https://localhost:51234/cb')
    )
  }
  assert.ok(match('http://[::1]:*/*', 'http://[::1]:51234/any'))
  assert.ok(
    match('http://127.0.0.1:8080/cb', 'http://127.0.0.1:8080/cb') &&
      !match('http://127.0.0.1:8080/cb', 'http://127.0.0.1:8081/cb')
  )
  assert.ok(
    match('http:', 'http://localhost:1/') && !match('http:', 'http://a.example/') &&
      !match('http:', 'https://a.example/')
  )
  assert.ok(
    match('cursor://app/*', 'cursor://app/cb') && !match('cursor://app/*', 'cursor://other/cb')
  )
})

test('redirectPatternProblem rejects patterns that could match more than intended [R-10]', () => {
  const invalid = [
    '',
    '*',
    'https://*',
    'https://*/',
    'https://*.a.example/*',
    'https://a.example*',
    'https://a.example/c*b',
    'https://a.example/cb*',
    'https://a.example:*/cb',
    'http://a.example/*',
    'http://a.example:*/',
    'http://localhost:*x/',
    'https://a.example/#',
    'https://u@a.example/',
    'HTTPS:',
    'javascript:',
    'a.example',
    'https://a.example/*/*',
    null,
    1,
    ['https:']
  ]
  for (const pattern of invalid) {
    assert.equal(typeof redirectPatternProblem(pattern), 'string', String(pattern))
  }
})

test('redirectUriMatches rejects near misses of a registered URI [A-04 AZ-01]', () => {
  const registered = ['https://app.example/cb']
  assert.ok(redirectUriMatches(registered, 'https://app.example/cb'))
  const misses = [
    'https://app.example/cb/',
    'https://app.example/CB',
    'https://app.example/cb?x=1',
    'https://app.example/cb%2f',
    'https://app.example/cb;',
    'https://app.example:443/cb',
    'HTTPS://app.example/cb',
    'https://APP.example/cb',
    'https://app.example./cb',
    'http://app.example/cb',
    'https://app.example/cb#',
    'https://app.example/./cb',
    'https://app.example/cb ',
    'https://app.example/cb&',
    'https://app.example:1/cb',
    ''
  ]
  for (const uri of misses) assert.ok(!redirectUriMatches(registered, uri), uri)
})

test('redirectUriMatches ignores only the port of a loopback URI [A-05]', () => {
  // Port 0 is that of a client which listens on any free one.
  const anyPort = ['http://127.0.0.1/cb', 'http://127.0.0.1:5000/cb', 'http://127.0.0.1:0/cb']
  for (const registered of anyPort) {
    for (
      const uri of ['http://127.0.0.1:51234/cb', 'http://127.0.0.1/cb', 'http://127.0.0.1:6000/cb']
    ) assert.ok(redirectUriMatches([registered], uri), uri)
    for (
      const uri of [
        'http://localhost:51234/cb',
        'http://[::1]:51234/cb',
        'http://127.0.0.2:51234/cb',
        'https://127.0.0.1:51234/cb',
        'http://127.0.0.1:51234/cb2',
        'http://127.0.0.1:51234/cb?x',
        'http://127.0.0.1:51234',
        'http://127.0.0.1:1@evil.example/cb',
        'http://127.0.0.1:99999/cb',
        'http://127.0.0.1:01/cb',
        'http://127.0.0.1:00/cb',
        'http://127.0.0.1:/cb',
        'http://127.0.0.1:1:2/cb',
        'http://127.0.0.1:*/cb'
      ]
    ) assert.ok(!redirectUriMatches([registered], uri), uri)
  }
  assert.ok(redirectUriMatches(['http://localhost:1/cb'], 'http://localhost:2/cb'))
})

test('isLoopbackRedirect accepts three hosts in their exact spelling', () => {
  for (const uri of ['http://localhost', 'http://127.0.0.1:1/cb', 'http://[::1]?x']) {
    assert.ok(isLoopbackRedirect(uri), uri)
  }
  for (
    const uri of [
      'https://localhost/',
      'http://localhost.evil/',
      'http://LOCALHOST/',
      'http://127.0.0.2/',
      'cursor://localhost/',
      'http://localhost:1.evil/'
    ]
  ) assert.ok(!isLoopbackRedirect(uri), uri)
})

test('redirectUriMatches agrees with a second matcher on mutated URIs [A-04 A-05 D8]', () => {
  const registered = [
    'https://app.example/cb',
    'https://app.example/cb?x=1',
    'http://127.0.0.1/cb',
    'http://localhost:8080/oauth/callback',
    'http://[::1]:9/',
    'cursor://a.b/c'
  ]
  const oracle = (uri: string): boolean =>
    registered.includes(uri) || registered.some((known) => {
      const [, host, rest] =
        /^(http:..(?:localhost|127.0.0.1|.::1.))(?::\d+)?(\/.*)$/.exec(known) ??
          []
      if (
        host === undefined || rest === undefined || !uri.startsWith(host) || !uri.endsWith(rest)
      ) { return false }
      const port = uri.slice(host.length, uri.length - rest.length)
      return port === '' ||
        (port === `:${Number(port.slice(1))}` && Number(port.slice(1)) >= 0 &&
          Number(port.slice(1)) < 65536)
    })
  const piece = fc.constantFrom(
    '',
    ':',
    ':1',
    ':65535',
    ':65536',
    ':80',
    '/',
    '.',
    '@',
    '%2f',
    '?',
    '#',
    'x',
    ' ',
    '\\',
    '127.0.0.1',
    'localhost',
    'https',
    'http',
    '0',
    'A'
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...registered),
      fc.nat(40),
      fc.nat(3),
      piece,
      (uri, at, cut, added) => {
        const mutant = uri.slice(0, at) + added + uri.slice(at + cut)
        assert.equal(redirectUriMatches(registered, mutant), oracle(mutant), mutant)
      }
    ),
    { numRuns: sweep(2000) }
  )
})

test('redirectUriProblem accepts only URIs that all parsers read alike [L16]', () => {
  const part = fc.constantFrom(
    'https:',
    'http:',
    '//',
    '/',
    '\\',
    'a.example',
    'localhost',
    '127.0.0.1',
    ':',
    ':1',
    '@',
    '..',
    '%2e',
    '?',
    '#',
    '*',
    'code=1',
    ' ',
    '\t',
    'é',
    'x'
  )
  fc.assert(
    fc.property(fc.array(part, { minLength: 2, maxLength: 8 }), (parts) => {
      const uri = parts.join('')
      if (redirectUriProblem(uri, open) !== null) return
      const url = new URL(uri)
      assert.ok(url.href === uri || url.href === `${uri}/`)
      assert.ok(
        url.protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
      )
      assert.equal(url.username + url.password + url.hash, '')
    }),
    { numRuns: sweep(2000) }
  )
})
