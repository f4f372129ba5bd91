import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseUriTemplate } from '../../lib/mcp/tools/uri-template.ts'
import { sweep } from '../support/sweep.ts'
import { anyCharacter } from '../support/text.ts'

test('parseUriTemplate matches the URIs of its template, and decodes their values', () => {
  const { match, names } = parseUriTemplate('notes://{user}/list.{format}')
  assert.deepEqual(names, ['user', 'format'])
  assert.deepEqual(match('notes://a%20b/list.json'), { user: 'a b', format: 'json' })
  assert.deepEqual(match('notes://%2Fetc/list.x'), { user: '/etc', format: 'x' })
  for (
    const uri of [
      'notes:///list.json',
      'notes://a/b/list.json',
      'notes://a/listXjson',
      'notes://a/list.json?x',
      'notes://a/list.',
      'notes://%/list.json',
      'xnotes://a/list.json',
      'notes://a/list.json\n'
    ]
  ) assert.equal(match(uri), null, uri)
})

test('parseUriTemplate refuses a long URI without trying all its divisions', () => {
  const { match } = parseUriTemplate('x://{a}.{b}.{c}-{d}/{e}.{f}')
  for (const length of [2_000, 4_000_000]) assert.equal(match(`x://${'.'.repeat(length)}/`), null)
  assert.equal(match(`x://${'a.'.repeat(1_000)}/`), null)
  assert.deepEqual(match('x://1.2.3-4/5.6.7'), { a: '1', b: '2', c: '3', d: '4', e: '5', f: '6.7' })
})

test('parseUriTemplate matches slashes in {+name} only', () => {
  assert.deepEqual(parseUriTemplate('file:///{+path}').match('file:///a/b%20c'), { path: 'a/b c' })
  assert.equal(parseUriTemplate('file:///{path}').match('file:///a/b'), null)
})

test('parseUriTemplate matches a URI without variables exactly', () => {
  const { match, names } = parseUriTemplate('config://app?a=[1]')
  assert.deepEqual([names, match('config://app?a=[1]')], [[], {}])
  assert.equal(match('config://app'), null)
})

test('parseUriTemplate rejects templates that are no URI, or whose variables are unclear', () => {
  for (
    const [template, problem] of [
      ['notes/{id}', /no URI/],
      ['', /no URI/],
      ['a:b c', /no URI/],
      ['a:{id', /is unclear/],
      ['a:id}', /is unclear/],
      ['a:{}', /is unclear/],
      ['a:{?q}', /is unclear/],
      ['a:{id}/{id}', /is unclear/],
      ['a:{id}{name}', /is unclear/],
      ['a:{+path}/{+rest}', /is unclear/]
    ] as const
  ) assert.throws(() => parseUriTemplate(template), problem, template)
})

test('parseUriTemplate returns every value that a URI was made of', () => {
  const { match } = parseUriTemplate('x://{one}/{two}')
  const value = fc.string({ unit: anyCharacter, minLength: 1 })
  fc.assert(
    fc.property(value, value, (one, two) => {
      const uri = `x://${encodeURIComponent(one)}/${encodeURIComponent(two)}`
      assert.deepEqual(match(uri), { one, two })
    }),
    { numRuns: sweep(2_000) }
  )
})
