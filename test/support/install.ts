import { execFile } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

// How do tests install packages that are too large for the project's own dependencies?

const root = join(import.meta.dirname, '../..')
const installations = new Map<string, Promise<void>>()

/** Where the packages of `test/<name>` are installed. */
export function packagesOf (name: string): string {
  return join(root, 'node_modules/.cache', name)
}

/**
 * Installs the packages of the lock in `test/<name>`, unless they are there. If that fails, the
 * test is skipped; in continuous integration it fails.
 */
export async function install (t: TestContext, name: string): Promise<boolean> {
  const installation = installations.get(name) ?? installOnce(name)
  installations.set(name, installation)
  try {
    await installation
    return true
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    const [, reason = String(error)] = /^npm error (?!code)(.+)$/m.exec(String(error)) ?? []
    t.skip(`the packages of test/${name} cannot be installed: ${reason}`)
    return false
  }
}

async function installOnce (name: string): Promise<void> {
  const source = join(root, 'test', name)
  const packages = packagesOf(name)
  const lock = readFileSync(join(source, 'package-lock.json'), 'utf8')
  // Written last: an installation that was interrupted has none.
  const installed = join(packages, 'installed.json')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  await rm(packages, { recursive: true, force: true })
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
    cpSync(join(source, file), join(packages, file))
  }
  await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund'], { cwd: packages })
  writeFileSync(installed, lock)
}
