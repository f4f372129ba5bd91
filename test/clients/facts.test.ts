import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { clients } from './index.ts'
import { sdk1 } from './sdk-1.ts'

const noFacts = ['client', 'driver', 'index', 'outcome', 'server', 'statuses', 'urls']

test('each file of facts is in the index', async () => {
  const files = (await readdir(import.meta.dirname))
    .flatMap(name => /^([^.]+)\.ts$/.exec(name)?.[1] ?? [])
    .filter(name => !noFacts.includes(name))
  assert.deepEqual(Object.keys(clients).sort(), files.sort())
  const names = Object.values(clients).map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

const members: readonly string[] = [...Object.keys(sdk1), 'oldTransport']

test('each fact of a client is a known member with a source and its date', () => {
  for (const [id, facts] of Object.entries(clients)) {
    assert.deepEqual(Object.keys(facts).filter(name => !members.includes(name)), [], id)
    assert.ok(facts.sources.length > 0, id)
    for (const { shows, at, date, members: listed = [] } of facts.sources) {
      assert.ok(shows !== '', id)
      assert.match(
        at,
        /^(?:https:\/\/|npm |PyPI |crates\.io |request of the installed version)/,
        id
      )
      assert.match(date, /^202[4-9]-\d\d-\d\d$/, id)
      assert.deepEqual(listed.filter(name => !members.includes(name)), [], id)
    }
    // A source for a member beside others covers the rest.
    assert.ok(
      facts.sources.some(source => source.members === undefined) ||
        members.every(name => isStated(name)),
      id
    )

    function isStated (name: string): boolean {
      return ['name', 'sources', 'cannot'].includes(name) ||
        facts[name as 'version'] === 'unknown' ||
        facts.sources.some(({ members: listed }) => listed?.some(member => member === name))
    }
  }
})
