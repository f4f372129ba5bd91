import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventLines } from '../../lib/events/table.ts'

const root = new URL('../../', import.meta.url).pathname
const page = readFileSync(join(root, 'docs/operating.md'), 'utf8')
const documented = [...page.matchAll(/^\| `([^`]+)` \| (?:error|warn|info)/gm)].map((
  [, line = '']
) => line)
const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => readFileSync(join(root, 'lib', name), 'utf8'))

/** The messages in calls of a logger: a literal after the members, or before the end. */
function messagesIn (source: string) {
  const text = /(?:'([^']+)|`([^`]+))/.source
  const logged = `(?:log\\??\\.(?:info|warn|error)\\(\\s*|^ {6})(?:\\{[^}]*\\}|\\w+),\\s*${text}`
  const calls = source.matchAll(new RegExp(`${logged}|\\bwarn\\(\\s*${text}`, 'gm'))
  return [...calls].map(([, ...texts]) => texts.find(text => text !== undefined) ?? '')
}

/** Literals may go on in the next line of the source. */
const joined = sources.map(source => source.replaceAll(/['`] \+\s*['`]/g, '')).join('\n')

test('docs/operating.md has every line of the log', () => {
  const events = Object.values(eventLines).flatMap(line => line ? [line[1]] : [])
  const messages = [...sources.flatMap(messagesIn), ...events]
    // Others are names, and the message that a local `warn` is given.
    .filter(message => / /.test(message) && !message.startsWith('$'))
  assert.ok(messages.length > 25, `${messages.length}`)
  const missing = messages.filter(message =>
    !documented.some(line => message.startsWith(line) || message.includes(line))
  )
  assert.deepEqual(missing, [])
})

test('docs/operating.md has no line that lib does not write', () => {
  assert.deepEqual(documented.filter(line => !joined.includes(line)), [])
})
