import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLoginCookies, createLoginStates } from '../../lib/broker/logins.ts'
import { hash } from '../../lib/util/hash.ts'

const state = (time: number) => `${String(time).padStart(8, '0')}${'a'.repeat(56)}`
const lifetimes = { consent: 600, code: 60 }
const cookies = await createLoginCookies(true, lifetimes)

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

test('cookies are set for this host and https only, and hidden from scripts [CD-05]', async () => {
  for (
    const line of [
      cookies.setCsrf('x'),
      ...cookies.setLogin('', state(1), 'v'),
      cookies.clearLogin(state(1)),
      cookies.completeLogin(state(1), 'v')
    ]
  ) {
    assert.match(
      line,
      /^__Host-mcp-(csrf\.[\w-]{22}|login\.\w{64})=\w*~?; Max-Age=(600|60|0); Path=\/; HttpOnly; Secure; SameSite=Lax$/
    )
  }
  assert.equal(
    (await createLoginCookies(false, lifetimes)).setCsrf('x'),
    `mcp-csrf.${hash('x').slice(0, 22)}=x; Max-Age=600; Path=/; HttpOnly; SameSite=Lax`,
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
  const own = `__Host-mcp-csrf.${hash('a').slice(0, 22)}`
  const csrf = (header: string) => cookies.csrf(header, hash('a'))
  assert.equal(csrf(`${own}=a; ${own}=a`), null)
  assert.equal(csrf(`${own.slice(7)}=a`), null)
  assert.equal(csrf(`${own.slice(0, -1)}=a`), null)
  assert.equal(csrf(`b=1; ${own}=a`), 'a')
  assert.equal(csrf('__Host-mcp-csrf=a'), 'a', 'version 0.1.0')
  assert.equal(csrf('__Host-mcp-csrf=a; __Host-mcp-csrf=a'), null)
})

test('csrf finds the value of each of several pages, and anyCsrf one of them [N-10 field:A9]', () => {
  const header = cookiesAfter('', ['a', 'b', 'c'].map(cookies.setCsrf))
  for (const value of ['a', 'b', 'c']) assert.equal(cookies.csrf(header, hash(value)), value)
  assert.equal(cookies.csrf(header, hash('d')), null)
  assert.equal(cookies.anyCsrf(`theirs=1; ${header}`), 'a')
  const name = header.split('=')[0]
  for (
    const foreign of [
      undefined,
      '',
      `${name}=b`,
      `${name}x=a`,
      `${name}=a; ${name}=a`,
      '__Host-mcp-csrf=a',
      'mcp-csrf.=a'
    ]
  ) assert.equal(cookies.anyCsrf(foreign), null, foreign)
})

for (
  const [code, accepted] of [[0x20, true], [0x09, true], [0xa0, false], [0x85, false], [
    0xad,
    false
  ]] as const
) {
  const character = String.fromCharCode(code)
  test(`cookies after the character ${code} are ${accepted ? 'ours' : 'of others'} [N-06 field:A8]`, () => {
    const [csrf, login] = [cookies.setCsrf('a'), cookies.setLogin('', state(1), 'v')[0]]
      .map(line => line?.split('; ')[0]) as [string, string]
    const read = (header: string) => [
      cookies.csrf(header, hash('a')),
      cookies.anyCsrf(header),
      cookies.login(header, state(1))
    ]
    const both = `${character}${csrf};${character}${login}`
    assert.deepEqual(read(both), accepted ? ['a', 'a', 'v'] : [null, null, null])
    assert.deepEqual(
      read(`${csrf}; ${login}; ${both}`),
      accepted ? [null, null, null] : ['a', 'a', 'v']
    )
    assert.equal(
      cookies.setLogin(
        Array.from({ length: 9 }, (_, time) => `${character}__Host-mcp-login.${state(time)}=v`)
          .join(';'),
        state(10),
        'v'
      ).length,
      accepted ? 6 : 1
    )
  })
}

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

test('setLogin drops the oldest of six logins of one second [N-18 field:S18]', () => {
  const login = (ms: number) =>
    createLoginStates(['x'.repeat(32)], 'a', 600).create(`${Math.random()}`, ms).upstreamState
  for (const gap of [0, 1, 7]) {
    const states = Array.from({ length: 30 }, (_, index) => login(1_800_000_000_000 + index * gap))
    let header = ''
    for (const state of states) header = cookiesAfter(header, cookies.setLogin(header, state, 'v'))
    assert.deepEqual(
      header.split('; ').map(pair => pair.slice('__Host-mcp-login.'.length, -'=v'.length)),
      states.slice(-5),
      `${gap} ms`
    )
  }
})

test('setLogin drops complete logins first, and none when a login is sent again [N-18 field:S9]', () => {
  let header = ''
  for (let time = 1; time <= 5; time++) {
    header = cookiesAfter(header, cookies.setLogin(header, state(time), 'v'))
  }
  assert.equal(cookies.setLogin(header, state(5), 'w').length, 1)
  header = cookiesAfter(header, [cookies.completeLogin(state(4), 'v')])
  assert.equal(cookies.login(header, state(4)), 'v')
  header = cookiesAfter(header, cookies.setLogin(header, state(6), 'v'))
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(time => cookies.login(header, state(time))),
    ['v', 'v', 'v', null, 'v', 'v']
  )
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
