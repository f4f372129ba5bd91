// Simulates 30 days of users in each setting: `npm run month [seed] [users] [part of a setting]`.
// Writes the figures of each as JSON, and the progress to stderr.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { settings } from './settings.ts'

const [seed = '1', users = '2', part = '', days = '30'] = process.argv.slice(2)
const names = Object.keys(settings).filter(name => name.includes(part))
/** Processes at once. Each is busy all the time. */
const concurrency = Number(process.env['MONTH_PROCESSES'] ?? 2)

// A bundle inside the project, as it imports dependencies. It runs faster than with a loader.
const folder = join(import.meta.dirname, '../../.cache', `month-${process.pid}`)
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const bundle = join(folder, 'setting.mjs')
await build({
  entryPoints: [join(import.meta.dirname, 'setting.ts')],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning'
})

async function simulate () {
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    process.stderr.write(`${name} …\n`)
    const child = spawn(process.execPath, [bundle, name, seed, users, days], {
      stdio: ['ignore', 'inherit', 'inherit']
    })
    const [code] = await once(child, 'exit')
    if (code !== 0) process.exitCode = 1
  }
}
await Promise.all(Array.from({ length: concurrency }, simulate))
