import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { challenge } from '../../lib/oauth/challenge.ts'
import { sweep } from '../support/sweep.ts'
import { anyCharacter } from '../support/text.ts'

/** An independent parser of `scheme name="value", …`. */
function read (header: string): { scheme: string, parameters: Record<string, string> } {
  const at = header.indexOf(' ')
  if (at === -1) return { scheme: header, parameters: {} }
  const parameters: Record<string, string> = {}
  const parameter = /([a-z_]+)="((?:[^"\\]|\\.)*)"(?:, |$)/gy
  let rest = at + 1
  while (rest < header.length) {
    parameter.lastIndex = rest
    const found = parameter.exec(header)
    assert.ok(found, header)
    const [, name = '', value = ''] = found
    parameters[name] = value.replaceAll(/\\(.)/g, '$1')
    rest = parameter.lastIndex
  }
  return { scheme: header.slice(0, at), parameters }
}

test('challenge is bare for a request without credentials [Q-01]', () => {
  assert.equal(challenge('Bearer', {}), 'Bearer')
  assert.equal(challenge('Basic', { scope: [] }), 'Basic')
  assert.equal(
    challenge('Bearer', { resource_metadata: 'https://h.example/prm' }),
    'Bearer resource_metadata="https://h.example/prm"'
  )
})

test('challenge writes its parts in one order (RFC 9728 §5.1) [Q-08]', () => {
  assert.equal(
    challenge('Bearer', {
      error: 'insufficient_scope',
      error_description: 'Too little.',
      resource_metadata: 'https://h.example/prm',
      scope: ['a', 'b']
    }),
    'Bearer error="insufficient_scope", error_description="Too little.", ' +
      'resource_metadata="https://h.example/prm", scope="a b"'
  )
})

test('challenge never names offline_access [RS-17 M-06]', () => {
  assert.equal(challenge('Bearer', { scope: ['offline_access', 'a'] }), 'Bearer scope="a"')
  assert.equal(challenge('Bearer', { scope: ['offline_access'] }), 'Bearer')
})

test('challenge escapes text that would break out of the header [Q-28]', () => {
  const header = challenge('Bearer', {
    error: 'x", scope="admin',
    error_description: 'a\r\nSet-Cookie: b\0\\',
    scope: ['é"']
  })
  assert.equal(
    header,
    'Bearer error="x\\", scope=\\"admin", error_description="a??Set-Cookie: b?\\\\", scope="?\\""'
  )
})

test('challenge is a valid header that parses back, for any input [Q-28]', () => {
  const text = fc.string({ unit: anyCharacter, minLength: 1 })
  fc.assert(
    fc.property(text, text, text, (error, description, url) => {
      const header = challenge('Bearer', {
        error,
        error_description: description,
        resource_metadata: url
      })
      validateHeaderValue('www-authenticate', header)
      const printable = (value: string): string => value.replaceAll(/[^ -~]/g, '?')
      assert.deepEqual(read(header), {
        scheme: 'Bearer',
        parameters: {
          error: printable(error),
          error_description: printable(description),
          resource_metadata: printable(url)
        }
      })
    }),
    { numRuns: sweep(2000) }
  )
})
