import { type ChildProcess, fork } from 'node:child_process'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/**
 * Starts a program of the benchmarks as JavaScript, bundled with lib as the package is built. A
 * loader of TypeScript gives each function a name when it is created, which would cost more than
 * the rest of a guard.
 */
export function start (
  file: URL,
  args: readonly string[] = [],
  execArgv: string[] = []
): ChildProcess {
  const source = fileURLToPath(file)
  const outfile = join(root, '.cache/benchmarks', relative(root, source).replace(/\.ts$/, '.js'))
  buildSync({
    entryPoints: [source],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'error'
  })
  return fork(outfile, args, { execArgv: ['--enable-source-maps', ...execArgv] })
}

/**
 * Keeps this process awake until the returned function is called. A server pays for each message
 * that wakes another process up, so that a faster one, whose load never sleeps, would look faster
 * than it is.
 */
export function stayAwake (): () => void {
  let isOver = false
  const turn = () => {
    if (!isOver) setImmediate(turn)
  }
  turn()
  return () => {
    isOver = true
  }
}
