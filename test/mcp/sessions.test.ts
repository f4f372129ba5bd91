import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { McpAuth } from '../../lib/types.ts'
import { createSessions } from '../../lib/mcp/access/sessions.ts'

const alice: McpAuth = {
  token: 'one',
  clientId: 'client',
  scopes: [],
  subject: 'alice',
  claims: { iss: 'https://id.example' },
  expiresAt: 1
}

test('a session id opens with any token of its caller, and for no other caller [Q-23 SE-03]', () => {
  const sessions = createSessions([])
  const bound = sessions.bind('abc.def', alice)
  assert.match(bound, /^[\x21-\x7e]+$/)
  for (const same of [alice, { ...alice, token: 'two', expiresAt: 2, scopes: ['more'] }]) {
    assert.equal(sessions.open(bound, same), 'abc.def')
  }
  const others: Array<McpAuth | undefined> = [
    { ...alice, subject: 'bob' },
    { ...alice, clientId: 'other' },
    { ...alice, claims: { iss: 'https://other.example' } },
    { token: 'one', clientId: 'client', scopes: [] },
    undefined
  ]
  for (const other of others) assert.equal(sessions.open(bound, other), null)
  for (
    const invalid of [
      '',
      '.',
      'abc.def',
      bound.slice(0, -1),
      `${bound}A`,
      `x${bound}`,
      bound.replace('def', 'deg'),
      `${bound.slice(0, -22)}${randomBytes(16).toString('base64url')}`
    ]
  ) assert.equal(sessions.open(invalid, alice), null, invalid)
})

test('a session id of a caller without a subject opens for the same identity only [SE-03]', () => {
  const sessions = createSessions([])
  const withoutSubject = (more: object): McpAuth => ({
    token: '',
    clientId: '',
    scopes: [],
    ...more
  })
  for (
    const [one, other] of [
      [{ userId: 1 }, { userId: 2 }],
      [{ user: { id: 1 } }, { user: { id: 2 } }],
      [{ clientId: 'a', userId: 1 }, { clientId: 'a', userId: 2 }],
      [{ token: 'a', clientId: 'a' }, { token: 'b', clientId: 'a' }]
    ] as const
  ) {
    const bound = sessions.bind('x', withoutSubject(one))
    assert.equal(sessions.open(bound, withoutSubject({ ...one, expiresAt: 5 })), 'x')
    assert.equal(sessions.open(bound, withoutSubject(other)), null, JSON.stringify(one))
  }
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  assert.equal(
    sessions.open(sessions.bind('x', withoutSubject(cycle)), withoutSubject(cycle)),
    null
  )
  assert.equal(
    sessions.open(
      sessions.bind('x', withoutSubject({ token: 'a' })),
      withoutSubject({ token: 'b' })
    ),
    null
  )
  assert.equal(sessions.open(sessions.bind('x', undefined), undefined), 'x')
})

test('a session id opens on instances with the same secret, also after its rotation [F-21]', () => {
  const [old, next] = ['o'.repeat(32), 'n'.repeat(32)]
  const bound = createSessions([old]).bind('x', alice)
  assert.equal(createSessions([old]).open(bound, alice), 'x')
  assert.equal(createSessions([next, old]).open(bound, alice), 'x')
  assert.equal(createSessions([next]).open(bound, alice), null)
  assert.equal(createSessions([]).open(bound, alice), null)
})
