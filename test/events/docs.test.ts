import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const page = read('docs/events.md')
const table = read('lib/events/table.ts')

/** The members of an interface, without comments. */
const membersIn = (body: string) =>
  [...body.replaceAll(/\/\*\*[\s\S]*?\*\//g, '').matchAll(/readonly (\w+)\??:/g)].map(([, name]) =>
    name
  )

const section = (title: string) => page.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
const rows = (text: string) =>
  [...text.matchAll(/^\| `([\w.]+)` \|.*\| ?([^|]*)\|$/gm)].map(([, name = '', last = '']) =>
    [name, [...last.matchAll(/`(\w+)`/g)].map(([, member]) => member)] as const
  )

test('docs/events.md has each event of the types with its members, and no other', () => {
  const [, body = ''] = /export interface EventDetails \{([\s\S]*?)\n\}/.exec(table) ?? []
  const types = [...body.matchAll(/^ {2}'([\w.]+)': (?:object|\{([\s\S]*?)\n? ?\}$)/gm)]
    .map(([, name, members = '']) => [name, membersIn(members)])
  assert.ok(types.length >= 18, `${types.length}`)
  assert.deepEqual(rows(section('Types')), types)
})

test('docs/events.md has each member of the context', () => {
  const [, body = ''] = /export interface EventContext \{([\s\S]*?)\n\}/.exec(table) ?? []
  const names = section('Members of all events').matchAll(/^\| `(\w+)` \|/gm)
  assert.deepEqual([...names].map(([, name]) => name).sort(), ['type', ...membersIn(body)].sort())
})
