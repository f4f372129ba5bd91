import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

// The benchmarks run, and each contender answers as it must. Their times are not compared.

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)

const files = { index: 'bench', 'hostile/index': 'hostile' }

for (const [file, name] of Object.entries(files)) {
  test(`benchmarks/${file}.ts measures all its contenders`, async () => {
    const started = Date.now()
    await run(
      process.execPath,
      ['--import', 'tsx', join(root, `benchmarks/${file}.ts`), '--quick'],
      { cwd: root }
    )
    const report = JSON.parse(readFileSync(join(root, `reports/${name}.json`), 'utf8'))
    const results = Object.values<any>(report).filter(({ date, rows }) =>
      rows && Date.parse(date) >= started
    )
    assert.ok(results.length > 1)
    for (const { rows } of results) {
      assert.ok(rows.length > 1)
      for (const { cpu } of rows) assert.ok(cpu.median > 0)
    }
  })
}
