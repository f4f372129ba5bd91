import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../reports')

/** Adds a result to `reports/<name>.json`, in the place of an earlier one with its title. */
export function writeReport (name: string, title: string, result: object): void {
  const file = join(folder, `${name}.json`)
  mkdirSync(folder, { recursive: true })
  const report = { ...read(file), [title]: { ...machine(), ...result } }
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}

function read (file: string): object {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}

const machine = () => ({
  node: process.version,
  cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}`,
  date: new Date().toISOString()
})
