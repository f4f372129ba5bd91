import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Context } from './child.ts'

// How is a command line client run? With a home folder of its own.

/** Starts a program of the packages, or one with a full path. Its home is a folder of this name. */
export function startProgram (
  { packages, folder }: Context,
  home: string,
  [script = '', ...args]: readonly string[]
): ChildProcessWithoutNullStreams {
  const path = resolve(packages, 'node_modules', script)
  const isScript = path.endsWith('.js')
  const HOME = join(folder, home)
  mkdirSync(HOME, { recursive: true })
  return spawn(isScript ? process.execPath : path, isScript ? [path, ...args] : args, {
    cwd: HOME,
    // Some take the folder they are in from PWD.
    env: { ...process.env, HOME, PWD: HOME },
    stdio: 'pipe'
  })
}

/** The command that runs a program of the packages in a terminal, with `script` of util-linux. */
export function terminalOf (
  { packages }: Context,
  [script = '', ...args]: readonly string[]
): string[] {
  const command = [join(packages, 'node_modules', script), ...args].map(text => `'${text}'`)
  return ['/usr/bin/script', '--quiet', '--return', '--command', command.join(' '), '/dev/null']
}

/**
 * Runs a program to its end. Returns its standard output.
 *
 * @throws {Error} if it fails, with its output
 */
export async function runProgram (
  context: Context,
  home: string,
  command: readonly string[]
): Promise<string> {
  const child = startProgram(context, home, command)
  child.stdin.end()
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close')
  ])
  if (code === 0) return output
  throw new Error(`${command.join(' ')} ended with ${code}: ${output} ${errors}`)
}

/** An MCP client over the standard input and output of a program. */
export function stdioClient (child: ChildProcessWithoutNullStreams) {
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const errors = text(child.stderr)
  let ids = 0
  const send = (message: object) => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }
  return {
    notify: (method: string) => send({ method }),
    async request (method: string, params: object = {}): Promise<unknown> {
      const id = ++ids
      send({ id, method, params })
      for (let line = await lines.next(); !line.done; line = await lines.next()) {
        const message = JSON.parse(line.value)
        if (message.id === id) return message.result
      }
      throw new Error(`The program ended before its response to ${method}: ${await errors}`)
    }
  }
}
