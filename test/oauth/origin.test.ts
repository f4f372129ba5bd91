import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHostCheck, hostProblem, originProblem } from '../../lib/oauth/origin.ts'

const check = createHostCheck(
  ['localhost', '127.0.0.1', '[::1]', 'mcp.example.com:8443', 'Any.Example'],
  [
    'https://app.example.com',
    'http://localhost',
    'http://127.0.0.1:6274',
    'vscode-webview://abc'
  ]
)

test('createHostCheck accepts only listed hosts, in any case and with their port [HT-03 Q-21]', () => {
  for (
    const host of [
      'localhost',
      'LOCALHOST:3000',
      '127.0.0.1:80',
      '[::1]',
      '[::1]:3000',
      'any.example',
      'any.example:1',
      'mcp.example.com:8443'
    ]
  ) {
    assert.equal(check(host, undefined), null, host)
  }
  for (
    const host of [
      'evil.com',
      'localhost.evil.com',
      'mcp.example.com',
      'mcp.example.com:1',
      '::1',
      '[::1',
      '127.0.0.1.',
      '127.1',
      ''
    ]
  ) {
    assert.equal(check(host, undefined), 'hostNotAllowed', host)
  }
  assert.equal(check(undefined, undefined), 'hostNotAllowed')
})

test('createHostCheck rejects a Host header with more than a host [Q-21]', () => {
  for (
    const host of [
      'localhost/x',
      'evil/x@localhost',
      'a@localhost',
      'localhost:',
      'localhost:x',
      'localhost:1:2',
      'localhost, evil',
      ' localhost',
      'localhost\n'
    ]
  ) {
    assert.equal(check(host, undefined), 'hostNotAllowed', JSON.stringify(host))
  }
})

test('createHostCheck accepts requests without an Origin [HT-01]', () => {
  assert.equal(check('localhost', undefined), null)
})

test('createHostCheck compares origins by scheme, host and port [HT-02 Q-20]', () => {
  for (
    const origin of [
      'https://app.example.com',
      'https://APP.example.com',
      'https://app.example.com:443',
      'http://127.0.0.1:6274',
      'vscode-webview://abc'
    ]
  ) {
    assert.equal(check('localhost', origin), null, origin)
  }
  for (
    const origin of [
      'https://evil.example',
      'http://app.example.com',
      'https://app.example.com:8443',
      'https://app.example.com.evil.example',
      'http://127.0.0.1:6275',
      'http://127.0.0.1',
      'https://app.example.com/x',
      'https://x@app.example.com',
      'https://app.example.com, https://evil.example',
      'null',
      '',
      'vscode-webview://abd'
    ]
  ) {
    assert.equal(check('localhost', origin), 'originNotAllowed', origin)
  }
})

test('createHostCheck accepts any port for a loopback origin without one, of that name only [Q-20]', () => {
  assert.equal(check('localhost', 'http://localhost:6274'), null)
  assert.equal(check('localhost', 'https://localhost:6274'), 'originNotAllowed')
  assert.equal(
    createHostCheck(['localhost'], ['http://localhost:80'])(
      'localhost',
      'http://localhost:81'
    ),
    'originNotAllowed'
  )
})

test('createHostCheck accepts the null origin only if it is listed [Q-20]', () => {
  assert.equal(
    createHostCheck(['localhost'], ['null'])('localhost', 'null'),
    null
  )
})

test('hostProblem and originProblem reject invalid entries', () => {
  assert.equal(hostProblem('example.com:8443'), null)
  assert.match(hostProblem('https://example.com') ?? '', /host name/)
  assert.equal(originProblem('https://example.com'), null)
  assert.equal(originProblem('null'), null)
  assert.match(originProblem('https://example.com/') ?? '', /origin/)
  assert.match(originProblem('example.com') ?? '', /origin/)
})
