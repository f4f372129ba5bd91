import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLoginCookies } from '../../lib/broker/logins.ts'

const state = (time: number) => `${String(time).padStart(8, '0')}${'a'.repeat(56)}`
const cookies = createLoginCookies(true)

/** The Cookie header of a browser that received these Set-Cookie lines. */
function cookiesAfter (header: string, lines: string[]): string {
  const jar = new Map(
    header === ''
      ? []
      : header.split('; ').map(
        pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      )
  )
  for (const line of lines) {
    const [, name = '', value = '', rest = ''] = /^([^=]+)=([^;]*)(.*)/.exec(line) ?? []
    if (rest.includes('Max-Age=0')) jar.delete(name)
    else jar.set(name, value)
  }
  return [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
}

test('cookies are set for this host and https only, and hidden from scripts [CD-05]', () => {
  for (
    const line of [
      cookies.setCsrf('x'),
      ...cookies.setLogin('', state(1), 'v'),
      cookies.clearLogin(state(1))
    ]
  ) {
    assert.match(
      line,
      /^__Host-mcp-(csrf|login\.\w{64})=\w*; Max-Age=(600|0); Path=\/; HttpOnly; Secure; SameSite=Lax$/
    )
  }
  assert.equal(
    createLoginCookies(false).setCsrf('x'),
    'mcp-csrf=x; Max-Age=600; Path=/; HttpOnly; SameSite=Lax',
    'loopback http has no __Host-'
  )
})

test('csrf and login ignore duplicate cookies and cookies of other names [N-06 N-07]', () => {
  const name = `__Host-mcp-login.${state(1)}`
  assert.equal(cookies.login(`a=1; ${name}=v; b=2`, state(1)), 'v')
  for (
    const header of [
      undefined,
      '',
      `${name}=v; ${name}=w`,
      `${name}=v;${name}=v`,
      `mcp-login.${state(1)}=v`,
      `x${name}=v`,
      `${name}x=v`,
      `${name}`,
      `__Host-mcp-login.${state(2)}=v`
    ]
  ) {
    assert.equal(cookies.login(header, state(1)), null, header)
  }
  assert.equal(cookies.csrf('__Host-mcp-csrf=a; __Host-mcp-csrf=a'), null)
  assert.equal(cookies.csrf('mcp-csrf=a'), null)
  assert.equal(cookies.csrf('__Host-mcp-csrf=a'), 'a')
})

test('setLogin removes the oldest logins over five or 6 kB [N-18 N-19]', () => {
  for (const [size, most] of [[100, 5], [1_200, 4], [3_900, 1], [2_500, 2]] as const) {
    let header = 'theirs=1'
    for (let time = 1; time <= 20; time++) {
      header = cookiesAfter(header, cookies.setLogin(header, state(time), 'x'.repeat(size)))
    }
    const names = header.split('; ').map(pair => pair.split('=')[0])
    assert.deepEqual(names, [
      'theirs',
      ...Array.from(
        { length: most },
        (_, index) => `__Host-mcp-login.${state(20 - most + 1 + index)}`
      )
    ], `${size}`)
    assert.ok(header.length - 'theirs=1'.length <= 6 * 1024 + 2 * most)
  }
})

test('setLogin does not touch other cookies that begin like ours [N-06]', () => {
  const foreignCookies = Array.from(
    { length: 30 },
    (_, index) => `__Host-mcp-login.x (${index}) é"=v`
  )
    .concat([
      '__Host-mcp-login.=v',
      '__Host-mcp-login',
      '=v',
      '__proto__=x',
      `__Host-mcp-login.${'a'.repeat(63)}=%zz`
    ]).join('; ')
  assert.equal(cookies.setLogin(foreignCookies, state(1), 'v').length, 1)
})
