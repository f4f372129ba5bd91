import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

/** A program of the operating system that a test needs, and the Debian packages it comes with. */
export interface Program {
  path: string
  packages: string
}

/**
 * Whether a program is installed. If not, the test is skipped; in continuous integration, on
 * systems that have a package of it, the test fails.
 */
export function isInstalled (t: TestContext, { path, packages }: Program): boolean {
  if (existsSync(path)) return true
  if (process.env['CI'] === 'true' && process.platform === 'linux') {
    throw new Error(`${path} is missing: apt-get install --no-install-recommends ${packages}`)
  }
  t.skip(`${path} is missing: apt-get install --no-install-recommends ${packages}`)
  return false
}

/** A folder that is removed after the test. */
export async function temporaryFolder (t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-mcp-oauth-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

export interface Daemon {
  command: string
  args: string[]
  env?: Record<string, string>
  /** A URL that responds as soon as the daemon is ready. */
  url: string
}

/**
 * Starts a daemon that ends with the test, and waits until it responds. If it does not, the error
 * contains its output.
 */
export async function startDaemon (
  t: TestContext,
  { command, args, env = {}, url }: Daemon
): Promise<void> {
  // The daemon leads a process group: its children would outlive it.
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000)
    })
  }
  const exited = once(child, 'exit').catch(() => {})
  t.after(async () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {}
    await exited
  })
  for (let attempt = 0; attempt < 400 && child.exitCode === null; attempt++) {
    if (await fetch(url).then(({ status }) => status < 500, () => false)) return
    await sleep(50)
  }
  throw new Error(`${command} does not respond at ${url}: ${output}`)
}
