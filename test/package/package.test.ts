import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { after, before, test, suite } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const npm = async (cwd: string, ...args: string[]) =>
  (await run('npm', args, { cwd, shell: process.platform === 'win32' })).stdout
const versionOf = async (name: string) =>
  JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')).version

const app = `
  const app = Fastify()
  await register(app, { issuer: 'https://issuer.example' })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = 'http://localhost:' + app.server.address().port
  const response = await fetch(origin + '/.well-known/oauth-protected-resource/mcp')
  const { resource, authorization_servers } = await response.json()
  console.log(JSON.stringify({ status: response.status, path: resource.replace(origin, ''), authorization_servers }))
  await app.close()
`
const served = { status: 200, path: '/mcp', authorization_servers: ['https://issuer.example'] }

const consumer = `
import Fastify from 'fastify'
import mcpOAuth, { mcpOAuth as named, McpOAuthError, type McpAuth, type McpOAuthOptions } from 'fastify-mcp-oauth'

declare module 'fastify-mcp-oauth' { interface McpAuth { tenant?: number } }

const options: McpOAuthOptions = { issuer: 'https://issuer.example', mcp: { tools: { includeTags: ['notes'] } } }
const app = Fastify()
await app.register(mcpOAuth, options)
await app.register(named, { ...options, prefix: '/two' })
// @ts-expect-error there is no such option
await app.register(mcpOAuth, { isuer: 'https://issuer.example' })
const schema = { operationId: 'getCaller', summary: 'Returns the caller', tags: ['notes'] }
app.get('/', { schema, onRequest: app.requireMcpAuth({ scopes: ['read'] }) }, async (request) => {
  const caller: McpAuth | null = request.mcpAuth
  const tenant: number | undefined = caller?.tenant
  // @ts-expect-error scopes are strings
  const scopes: number[] | undefined = caller?.scopes
  return { tenant, scopes, subject: caller?.subject?.toUpperCase(), known: new Error() instanceof McpOAuthError }
})
`

suite('the package, as npm installs it', () => {
  let project = ''
  let tarball = ''
  let files: string[] = []

  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'fastify-mcp-oauth-'))
    await npm(root, 'run', 'build')
    const [packed] = JSON.parse(
      await npm(root, 'pack', '--ignore-scripts', '--json', '--pack-destination', project)
    )
    tarball = join(project, packed.filename)
    files = packed.files.map(({ path }: { path: string }) => path)
    await writeFile(
      join(project, 'package.json'),
      JSON.stringify({ private: true, type: 'module' })
    )
    const peers = await Promise.all(
      ['fastify', '@modelcontextprotocol/sdk'].map(async (name) =>
        `${name}@${await versionOf(name)}`
      )
    )
    await npm(
      project,
      'install',
      '--prefer-offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      tarball,
      ...peers
    )
  })

  after(async () => await rm(project, { recursive: true, force: true }))

  const node = async (name: string, script: string) => {
    await writeFile(join(project, name), script)
    return JSON.parse((await run(process.execPath, [name], { cwd: project })).stdout)
  }

  test('holds the built modules with their maps and types, the documentation, and nothing else', () => {
    const pages =
      /^(?:docs\/(?:providers\/)?[\w-]+\.md|docs\/[\w-]+\.(?:svg|png)|docs\/examples\/.+)$/
    assert.ok(files.includes('docs/options.md'), 'the documentation is packed')
    const others = files.filter(path => !path.startsWith('dist/') && !pages.test(path))
    assert.deepEqual(others.sort(), [
      '.github/CONTRIBUTING.md',
      '.github/SECURITY.md',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'package.json'
    ])
    const built = files.filter(path => path.startsWith('dist/'))
    for (const path of built) assert.match(path, /\.(js|js\.map|d\.ts)$/)
    const modules = built.filter(path => path.endsWith('.js'))
    // A start loads few of them: each language and most features are a file of their own.
    assert.ok(modules.length < 70, `the code is in ${modules.length} files`)
    for (const path of modules) assert.ok(built.includes(`${path}.map`), `${path} has no map`)
    for (const entry of ['index', 'providers/index', 'store/redis']) {
      assert.ok(modules.includes(`dist/${entry}.js`), `${entry} is packed`)
      assert.ok(built.includes(`dist/${entry}.d.ts`), `${entry} has types`)
    }
  })

  test('holds every file that its pages link to', async () => {
    const missing: string[] = []
    let count = 0
    for (const page of files.filter(path => path.endsWith('.md'))) {
      const text = (await readFile(join(root, page), 'utf8')).replaceAll(/^ *```[^]*?^ *```$/gm, '')
      const links = text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)
      for (const [, link, attribute] of links) {
        const [target = ''] = (link ?? attribute ?? '').split('#')
        if (target === '' || /^[a-z]+:/.test(target)) continue
        count++
        const path = posix.join(posix.dirname(page), target)
        const isPacked = files.some(file => file === path || file.startsWith(`${path}/`))
        if (!isPacked) missing.push(`${page} → ${target}`)
      }
    }
    assert.ok(count > 100, `${count} links were checked`)
    assert.deepEqual(missing, [])
  })

  const checkers = { publint: ['--strict'], attw: ['--profile', 'esm-only'] }
  for (const [checker, options] of Object.entries(checkers)) {
    test(`passes ${checker} ${options.join(' ')}`, async () => {
      const bin = join(root, 'node_modules/.bin', checker)
      await run(bin, [tarball, ...options], { shell: process.platform === 'win32' })
        .catch(({ stdout, stderr }) => assert.fail(stdout + stderr))
    })
  }

  test('can be imported', async () => {
    assert.deepEqual(
      await node(
        'import.js',
        `
      import Fastify from 'fastify'
      import standard, { mcpOAuth, McpOAuthError, jwtVerifier } from 'fastify-mcp-oauth'
      const functions = [McpOAuthError, jwtVerifier].every(value => typeof value === 'function')
      if (standard !== mcpOAuth || !functions) throw new Error('exports')
      const register = (app, options) => app.register(mcpOAuth, options)
      ${app}`
      ),
      served
    )
  })

  test('can be required', async () => {
    assert.deepEqual(
      await node(
        'require.cjs',
        `
      const Fastify = require('fastify')
      const { mcpOAuth } = require('fastify-mcp-oauth')
      const register = (app, options) => app.register(mcpOAuth, options)
      ;(async () => { ${app} })()`
      ),
      served
    )
  })

  test('can be registered as the module itself, required or still being imported', async () => {
    assert.deepEqual(
      await node(
        'module.js',
        `
      import Fastify from 'fastify'
      const register = (app, options) => app.register(import('fastify-mcp-oauth'), options)
      ${app}`
      ),
      served
    )
    assert.deepEqual(
      await node(
        'module.cjs',
        `
      const Fastify = require('fastify')
      const register = (app, options) => app.register(require('fastify-mcp-oauth'), options)
      ;(async () => { ${app} })()`
      ),
      served
    )
  })

  test('exports nothing but its entry points', async () => {
    const resolve = createRequire(join(project, 'package.json')).resolve
    assert.throws(() => resolve('fastify-mcp-oauth/dist/errors.js'), {
      code: 'ERR_PACKAGE_PATH_NOT_EXPORTED'
    })
    assert.ok(resolve('fastify-mcp-oauth/package.json'), 'package.json is exported')
  })

  test('has types that a strict TypeScript project can use', async () => {
    await writeFile(join(project, 'consumer.ts'), consumer)
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          strict: true,
          skipLibCheck: true,
          noEmit: true,
          types: ['node'],
          typeRoots: [join(root, 'node_modules/@types')]
        },
        files: ['consumer.ts']
      })
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    await run(process.execPath, [tsc, '-p', project]).catch(({ stdout }) => assert.fail(stdout))
  })
})
