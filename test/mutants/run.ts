// Applies each mutant of mutants.json to a copy of the project and runs the tests that must fail:
// `npm run test:mutants [-- part of a file name]`. Ends with 1 if a mutant survives.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { mutants, mutate, type Mutant } from './mutants.ts'

const root = join(import.meta.dirname, '../..')
const [part = ''] = process.argv.slice(2)
/** A mutant that hangs counts as found. */
const timeoutMs = 120_000

/** A copy of the project that shares its dependencies. */
function createCopy (): string {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-mcp-oauth-mutants-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (
    const name of ['lib', 'test', 'docs', 'dist', 'benchmarks', 'package.json', 'tsconfig.json']
  ) {
    cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  symlinkSync(realpathSync(join(root, 'node_modules')), join(folder, 'node_modules'))
  return folder
}

/** @returns whether all tests pass. */
async function pass (folder: string, tests: readonly string[]): Promise<boolean> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--test', '--test-reporter=dot', ...tests.map(name => `test/${name}`)],
    {
      cwd: folder,
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, SWEEP: 'mutants' }
    }
  )
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, timeoutMs)
  const [code] = await once(child, 'exit')
  clearTimeout(timer)
  return code === 0
}

/** @returns whether one of the tests fails. */
async function isFound (folder: string, { file, find, replace, tests }: Mutant): Promise<boolean> {
  const path = join(folder, 'lib', file)
  const source = readFileSync(path, 'utf8')
  writeFileSync(path, mutate(source, { find, replace }))
  const passed = await pass(folder, tests)
  writeFileSync(path, source)
  return !passed
}

const queue = mutants.filter(({ file }) => file.includes(part))
const total = queue.length
const survivors: Mutant[] = []

/** Tests that passed before any change: only then does a failure mean that a mutant was found. */
const sound = new Map<string, Promise<boolean>>()

async function work (): Promise<void> {
  const folder = createCopy()
  for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
    const { file, find, replace, tests } = mutant
    const name = tests.join(' ')
    if (!sound.has(name)) sound.set(name, pass(folder, tests))
    if (!await sound.get(name)) throw new Error(`These tests fail without a change: ${name}`)
    const found = await isFound(folder, mutant)
    if (!found) survivors.push(mutant)
    console.log(`${found ? 'found   ' : 'SURVIVED'} ${file}: ${find} → ${replace}`)
  }
}

await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work))
console.log(`${total - survivors.length} of ${total} mutants found`)
process.exitCode = survivors.length > 0 || total === 0 ? 1 : 0
