import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  appendQuery,
  isLoopbackHost,
  problemOfServerUrl,
  sameResource
} from '../../lib/oauth/url.ts'
import { sweep } from '../support/sweep.ts'
import { anyCharacter } from '../support/text.ts'

const numRuns = sweep(2000)

test('problemOfServerUrl rejects URLs that a client could interpret as code [M-07]', () => {
  const invalid = [
    'javascript:alert(1)',
    'file:///etc/passwd',
    'data:text/html,x',
    'http://idp.example',
    'http://localhost.evil.example',
    'http://128.0.0.1',
    'https://u:p@h.example',
    'https://@h.example',
    'https://a$(calc).example',
    'https://h.example/$(calc)',
    'https://h.example/a b',
    'https://h.example/"',
    "https://h.example/'",
    'https://h.example/`id`',
    'https://h.example/\n',
    'https://h.example/\\',
    'https://h.example/<',
    'https://h.example/|',
    `https://h.example/${'a'.repeat(5000)}`,
    '/relative',
    'https:h.example',
    'https:///h.example',
    'https://',
    'https://h.example#',
    'https://h.example#x',
    'https://goоd.example',
    '',
    null,
    undefined,
    1,
    [],
    ['https://h.example'],
    {}
  ]
  for (const value of invalid) {
    assert.equal(typeof problemOfServerUrl(value), 'string', String(value).slice(0, 60))
  }
})

test('problemOfServerUrl accepts plain https, and http on loopback [M-07]', () => {
  const valid = [
    'https://idp.example',
    'https://idp.example/',
    'https://idp.example:8443/t1/authorize?x=1&y=%20',
    'https://10.0.0.1/',
    'http://localhost:3000',
    'http://127.0.0.1:3000/mcp',
    'http://127.9.8.7',
    'http://[::1]:3000/',
    'HTTPS://IDP.example',
    `https://h.example/${'a'.repeat(2030)}`
  ]
  for (const value of valid) assert.equal(problemOfServerUrl(value), null, value)
  assert.equal(problemOfServerUrl('https://h.example/?x'), null)
  assert.match(problemOfServerUrl('https://h.example/?x', { query: false }) ?? '', /query/)
})

test('isLoopbackHost accepts localhost, 127.0.0.0/8 and [::1]', () => {
  for (const host of ['localhost', '127.0.0.1', '127.255.255.254', '[::1]', '::1']) {
    assert.ok(isLoopbackHost(host), host)
  }
  for (
    const host of [
      '',
      'localhost.',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.1',
      '1127.0.0.1',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      '128.0.0.1'
    ]
  ) {
    assert.ok(!isLoopbackHost(host), host)
  }
})

test('sameResource accepts all spellings of one resource [AZ-09 A-13]', () => {
  const equivalent = [
    ['https://mcp.example.com/mcp', 'https://MCP.example.com/mcp'],
    ['https://mcp.example.com/mcp', 'HTTPS://mcp.example.com:443/mcp'],
    ['https://mcp.example.com/mcp', 'https://mcp.example.com/mcp/'],
    ['https://mcp.example.com', 'https://mcp.example.com/'],
    ['http://localhost:3000/mcp?a=1', 'http://LOCALHOST:3000/mcp/?a=1']
  ] as const
  for (const [a, b] of equivalent) assert.ok(sameResource(a, b) && sameResource(b, a), b)
})

test('sameResource rejects other resources [A-13 T-16]', () => {
  const resource = 'https://mcp.example.com/mcp'
  const different = [
    'https://evil.example/mcp',
    `${resource}/x`,
    `${resource}#f`,
    `${resource}#`,
    '/mcp',
    'mcp',
    `${resource}?x=1`,
    `${resource}?`,
    'http://mcp.example.com/mcp',
    'https://mcp.example.com/MCP',
    'https://mcp.example.com:8443/mcp',
    'https://u@mcp.example.com/mcp',
    'https://mcp.example.com/x/../mcp',
    'https://mcp.example.com/%6dcp',
    `${resource}//`,
    `${resource} `,
    'https://mcp.example.com',
    'https://mcp.example.com.evil.example/mcp',
    'https:\\\\mcp.example.com\\mcp',
    ''
  ]
  for (const other of different) assert.ok(!sameResource(resource, other), other)
  assert.ok(!sameResource('/mcp', '/mcp'))
})

test('appendQuery keeps every byte of the existing query [AZ-07]', () => {
  assert.equal(
    appendQuery('https://c.example/cb', {
      code: 'a b&c',
      state: undefined,
      iss: 'https://i.example'
    }),
    'https://c.example/cb?code=a%20b%26c&iss=https%3A%2F%2Fi.example'
  )
  assert.equal(
    appendQuery('https://c.example/cb?x=1', { code: 'y' }),
    'https://c.example/cb?x=1&code=y'
  )
  assert.equal(
    appendQuery('https://c.example/cb?%E9=+%2B&&', { code: 'y' }),
    'https://c.example/cb?%E9=+%2B&&code=y'
  )
  assert.equal(appendQuery('https://c.example/cb?', { code: 'y' }), 'https://c.example/cb?code=y')
  assert.equal(appendQuery('cursor://cb', { code: 'y' }), 'cursor://cb?code=y')
  assert.equal(appendQuery('https://c.example/cb', { state: '' }), 'https://c.example/cb?state=')
  assert.equal(appendQuery('https://c.example/cb', {}), 'https://c.example/cb')
})

test('appendQuery writes values that parse back, in a valid header [A-15 G-20]', () => {
  const text = fc.string({ unit: anyCharacter })
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9=&%+]{0,20}$/), text, text, (query, state, code) => {
      const url = appendQuery(`https://c.example/cb?${query}`, { state_: state, code_: code })
      assert.ok(url.startsWith(`https://c.example/cb?${query}`))
      assert.match(url, /^[\x21-\x7e]+$/)
      const params = new URL(url).searchParams
      assert.deepEqual([params.getAll('state_'), params.getAll('code_')], [[state], [code]])
    }),
    { numRuns }
  )
})
