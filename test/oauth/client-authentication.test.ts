import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertionType,
  basicCredentials,
  parseClientAuthentication
} from '../../lib/oauth/client-authentication.ts'
import { parameters } from '../../lib/oauth/parameters.ts'

function authenticate (authorization: string | undefined, form = ''): unknown {
  try {
    return parseClientAuthentication(authorization, parameters(form))
  } catch (error) {
    return (error as { kind?: unknown }).kind
  }
}

const basic = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`

const encoded = (text: string): string => Buffer.from(text).toString('base64url')
const jwt = `${encoded('{}')}.${encoded('{"sub":"c"}')}.${encoded('s')}`
const assertionForm = (assertion: string): string =>
  `client_assertion_type=${assertionType}&client_assertion=${assertion}`

test('parseClientAuthentication recognizes four methods [T-08 T-10]', () => {
  assert.deepEqual(authenticate(undefined, 'client_id=c'), { clientId: 'c', method: 'none' })
  assert.deepEqual(authenticate(undefined, 'client_id=c&client_secret='), {
    clientId: 'c',
    method: 'none'
  })
  assert.deepEqual(authenticate(undefined, 'client_id=c&client_secret=s'), {
    clientId: 'c',
    method: 'client_secret_post',
    secret: 's'
  })
  assert.deepEqual(authenticate(basic('c:s')), {
    clientId: 'c',
    method: 'client_secret_basic',
    secret: 's'
  })
  assert.deepEqual(authenticate(basic('c:s').replace('Basic', 'bAsIc '), 'client_id=c'), {
    clientId: 'c',
    method: 'client_secret_basic',
    secret: 's'
  })
  assert.deepEqual(authenticate(basic('c:')), { clientId: 'c', method: 'none' })
  assert.deepEqual(authenticate(undefined, assertionForm(jwt)), {
    clientId: 'c',
    method: 'private_key_jwt',
    assertion: jwt
  })
  assert.deepEqual(authenticate(undefined, `${assertionForm('x')}&client_id=d`), {
    clientId: 'd',
    method: 'private_key_jwt',
    assertion: 'x'
  })
})

test('parseClientAuthentication form-decodes both halves of Basic (RFC 6749 §2.3.1)', () => {
  assert.deepEqual(authenticate(basic('a%3Ab+c:s%25:%C3%A9+')), {
    clientId: 'a:b c',
    method: 'client_secret_basic',
    secret: 's%:é '
  })
})

test('parseClientAuthentication rejects no client as invalid_request and two as invalid_client [T-08]', () => {
  assert.equal(authenticate(undefined), 'invalidRequest')
  assert.equal(authenticate(undefined, 'client_id='), 'invalidRequest')
  assert.equal(authenticate(undefined, 'client_id=a&client_id=a'), 'invalidRequest')
  assert.equal(
    authenticate(undefined, 'client_id=a&client_secret=b&client_secret=b'),
    'invalidRequest'
  )
  assert.equal(authenticate(basic('c:s'), 'client_id=d'), 'invalidClient')
})

test('parseClientAuthentication rejects malformed Basic headers [T-11 L22]', () => {
  const malformed = [
    basic('c'),
    basic(':s'),
    basic(''),
    'Basic',
    'Basic ',
    'Basic !!',
    `${basic('c:s')}!`,
    `${basic('c:sx')}=`,
    'Basic Yzpz Yzpz',
    `${basic('c:s')}, Bearer x`,
    basic('c:%zz'),
    basic('%zz:s'),
    basic('c:%ff'),
    basic(Buffer.from([0x63, 0x3a, 0xff])),
    basic('c%00:s'),
    basic('\0c:s'),
    'Bearer x',
    '',
    'Basic Yzpz=',
    'Basic Yzp6e',
    'Basic YzpzeR=='
  ]
  for (const header of malformed) assert.equal(authenticate(header), 'invalidClient', header)
})

test('parseClientAuthentication requires the type and the client of an assertion (RFC 7523 §2.2)', () => {
  for (
    const form of [
      `client_assertion=${jwt}`,
      `client_assertion=${jwt}&client_assertion_type=`,
      `client_id=c&client_assertion_type=${assertionType}`
    ]
  ) assert.equal(authenticate(undefined, form), 'invalidRequest', form)
  assert.equal(
    authenticate(undefined, `${assertionForm(jwt)}&client_assertion=${jwt}`),
    'invalidRequest',
    'G-11'
  )
  assert.equal(
    authenticate(undefined, `client_id=c&client_assertion=${jwt}&client_assertion_type=t`),
    'invalidClient'
  )
  for (
    const malformed of [
      'x',
      'a.b.c',
      `.${encoded('"c"')}.`,
      `.${encoded('null')}.`,
      `.${encoded('{"sub":["c"]}')}.`,
      `.${encoded('{"iss":"c"}')}.`
    ]
  ) assert.equal(authenticate(undefined, assertionForm(malformed)), 'invalidClient', malformed)
})

test('parseClientAuthentication rejects two methods at once [T-12]', () => {
  assert.equal(authenticate(basic('c:s'), 'client_secret=s'), 'invalidRequest')
  assert.equal(authenticate(basic('c:s'), 'client_assertion=a'), 'invalidRequest')
  assert.equal(
    authenticate(undefined, 'client_id=c&client_secret=s&client_assertion=a'),
    'invalidRequest'
  )
  assert.equal(
    authenticate(basic('c:s'), `client_assertion_type=${assertionType}`),
    'invalidRequest'
  )
})

test('basicCredentials work for servers that decode them, and mostly for others', () => {
  for (
    const [clientId, secret] of [['c', 's'], ['a:b c', 's%:é +'], [
      'my-client_1',
      '.x~Y-z_*!()'
    ]] as const
  ) {
    assert.deepEqual(authenticate(basicCredentials(clientId, secret)), {
      clientId,
      method: 'client_secret_basic',
      secret
    })
  }
  assert.equal(basicCredentials('my-client', '.x~Y-z_'), basic('my-client:.x~Y-z_'))
})
