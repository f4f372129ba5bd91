import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

/**
 * The first release that tests authorization servers. It requires a newer Node.js than the package,
 * which npm provides.
 */
export const packages = ['node@22', '@modelcontextprotocol/conformance@0.2.0-alpha.12']

/**
 * The conformance suite of the Model Context Protocol: runs one of its scenarios and passes on its
 * output line by line.
 */
export type Conformance = (
  args: string[],
  run?: { line?: (line: string) => void, env?: Record<string, string> }
) => Promise<{ passed: boolean, output: string }>

/**
 * Finds the suite in npm's cache. Continuous integration fetches it; elsewhere the test is skipped
 * without it.
 */
export async function conformance (
  t: Pick<TestContext, 'after' | 'skip'>
): Promise<Conformance | null> {
  const npx = [
    '--yes',
    ...process.env['CI'] === 'true' ? ['--prefer-offline'] : ['--offline'],
    ...packages.flatMap(name => ['-p', name]),
    '-c',
    'command -v node && command -v conformance'
  ]
  const found = await promisify(execFile)('npx', npx).catch((error: Error) => {
    if (process.env['CI'] === 'true') throw error
    return null
  })
  const [node, program] = found?.stdout.trim().split('\n') ?? []
  if (node === undefined || program === undefined) {
    t.skip('the conformance suite is not in the cache of npm: npm run conformance')
    return null
  }
  return async (args, { line = () => {}, env = {} } = {}) => {
    const child = spawn(node, [program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    t.after(() => child.kill())
    let output = ''
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      lines.forEach(line)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const [code] = await once(child, 'close')
    return { passed: code === 0, output }
  }
}
