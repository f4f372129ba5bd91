import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mutants, mutate } from './mutants.ts'

const lib = new URL('../../lib/', import.meta.url)

test('every mutant changes one place of a file, and names tests that exist', () => {
  const stale: string[] = []
  for (const { file, find, replace, tests } of mutants) {
    try {
      const source = readFileSync(new URL(file, lib), 'utf8')
      assert.notEqual(mutate(source, { find, replace }), source)
      assert.ok(tests.length > 0)
      for (const name of tests) assert.ok(existsSync(new URL(`../${name}`, import.meta.url)), name)
    } catch (error) {
      stale.push(`${file}: ${(error as Error).message}`)
    }
  }
  assert.deepEqual(stale, [])
})

test('the list of mutants has at least 150 entries', () => {
  assert.ok(mutants.length >= 150, String(mutants.length))
})
