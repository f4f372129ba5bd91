import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'

// The lowest Fastify of the peer range, the newest 5.x, and the next major version, which needs a
// newer Node.js. They have a lock of their own and are installed in a cache when the tests run.

const execute = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const script = join(import.meta.dirname, 'smoke.ts')
const cache = join(root, 'node_modules/.cache/fastify')
const newerNode = join(cache, 'node_modules/node/bin/node')

before(async () => {
  if (existsSync(join(cache, 'node_modules/.package-lock.json'))) return
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
    cpSync(join(import.meta.dirname, name), join(cache, name))
  }
  await execute('npm', ['ci', '--no-audit', '--no-fund'], { cwd: cache })
})

for (
  const { name, version, node, loader } of [
    { name: 'fastify-5.8.5', version: /^5\.8\.5$/, node: process.execPath, loader: ['tsx'] },
    { name: 'fastify-5', version: /^5\.(?!8\.)\d+\.\d+$/, node: process.execPath, loader: ['tsx'] },
    { name: 'fastify-6', version: /^6\./, node: newerNode, loader: [] }
  ]
) {
  test(`the plugin works on ${name}: challenge, discovery, login, a tool call`, async () => {
    const { NODE_TEST_CONTEXT: _outer, ...env } = process.env
    const imports = loader.flatMap(module => ['--import', module])
    const { stdout } = await execute(node, [...imports, '--test-reporter=tap', script], {
      cwd: root,
      env: { ...env, FASTIFY: join(cache, 'node_modules', name, 'fastify.js') }
    })
    assert.match(stdout, /^# pass 1$/m)
    const [, found = ''] = /Fastify (\S+)/.exec(stdout) ?? []
    assert.match(found, version)
  })
}
