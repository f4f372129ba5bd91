import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

const account = "issuer: 'https://issuer.example', clientId: 'server', clientSecret: 'canary'"
/** Options, and the packages that are loaded before the app listens. */
const modes = {
  resource: ["{ issuer: 'https://issuer.example', audience: 'https://mcp.example' }"],
  tools: [
    "{ issuer: 'https://issuer.example', mcp: { tools: true } }",
    '@modelcontextprotocol/sdk'
  ],
  thin: [
    `{ ${account}, setupProxies: true, version: '2025-03-26' }`,
    '@fastify/http-proxy',
    'ghtml',
    'undici'
  ],
  broker: [`{ ${account}, setupProxies: true }`, 'ghtml']
}
const packages = [
  '@fastify/http-proxy',
  '@modelcontextprotocol/sdk',
  '@sinclair/typebox',
  'cookie',
  'ghtml',
  'jose',
  'openid-client',
  'undici'
]

/** Registers the built plugin in a fresh process. Its packages are those of this repository. */
suite('the built plugin at start-up', () => {
  let project = ''

  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'fastify-mcp-oauth-'))
    await cp(join(root, 'dist'), join(project, 'dist'), { recursive: true })
    await writeFile(join(project, 'package.json'), '{ "type": "module" }')
    await link()
  })

  after(() => rm(project, { recursive: true, force: true }))

  /** Links all packages but those of the list. */
  async function link (...missing: string[]) {
    const modules = join(project, 'node_modules')
    await rm(modules, { recursive: true, force: true })
    await mkdir(modules)
    for (const name of await readdir(join(root, 'node_modules'))) {
      if (missing.includes(name) || name.startsWith('.')) continue
      await symlink(join(root, 'node_modules', name), join(modules, name))
    }
  }

  /** Runs a script in a process of its own, which returns what it writes and loads. */
  async function inProcess (script: string) {
    const hook = 'data:text/javascript,' + encodeURIComponent(`
      import { appendFileSync } from 'node:fs'
      export function load (url, context, next) {
        appendFileSync('loaded.txt', url + '\\n')
        return next(url, context)
      }`)
    await writeFile(
      join(project, 'app.js'),
      `
      import { createRequire, register } from 'node:module'
      register(${JSON.stringify(hook)})
      const { default: Fastify } = await import('fastify')
      const { mcpOAuth, jwtVerifier } = await import('./dist/index.js')
      ${script}
      console.log(Object.keys(createRequire(import.meta.url).cache).join('\\n'))
      process.exit()
    `
    )
    await writeFile(join(project, 'loaded.txt'), '')
    const { stdout } = await run(process.execPath, ['app.js'], { cwd: project, timeout: 60_000 })
    const loaded = stdout + await readFile(join(project, 'loaded.txt'), 'utf8')
    return { stdout, packages: packages.filter(name => loaded.includes(`/node_modules/${name}/`)) }
  }

  for (const [mode, [options, ...expected]] of Object.entries(modes)) {
    test(`loads ${expected.join(', ') || 'no package that can wait'} in ${mode} mode`, async () => {
      await link()
      const { packages } = await inProcess(`
        const app = Fastify()
        await app.register(mcpOAuth, ${options})
        app.get('/notes', { onRequest: app.requireMcpAuth() }, async () => ({}))
        await app.ready()
      `)
      assert.deepEqual(packages, expected)
    })
  }

  /** Sends a valid token to an app that does not listen, so that nothing is loaded beforehand. */
  const firstToken = () =>
    inProcess(`
      const { generateKeyPairSync, sign } = await import('node:crypto')
      const { createServer } = await import('node:http')
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256' }] }
      const server = createServer((request, response) => response.end(JSON.stringify(jwks)))
      await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
      const issuer = 'http://127.0.0.1:' + server.address().port
      const part = value => Buffer.from(JSON.stringify(value)).toString('base64url')
      const claims = { iss: issuer, aud: 'https://api.example', exp: Math.floor(Date.now() / 1000) + 60 }
      const signed = part({ alg: 'ES256', typ: 'at+jwt' }) + '.' + part({ ...claims, scope: 'read' })
      const signature = sign('sha256', signed, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      const authorization = 'Bearer ' + signed + '.' + signature.toString('base64url')
      const app = Fastify({ logger: true })
      const tokens = jwtVerifier({ issuer, jwksUri: issuer, audience: claims.aud })
      await app.register(mcpOAuth, { issuer, tokens })
      app.get('/notes', { onRequest: app.requireMcpAuth() }, async () => ({}))
      const { statusCode } = await app.inject({ url: '/notes', headers: { authorization } })
      console.log('status', statusCode)
    `)

  test('a guard loads its packages for the first token of an app that does not listen', async () => {
    await link()
    const { stdout, packages } = await firstToken()
    assert.match(stdout, /^status 200$/m)
    // Fastify loads cookie for inject().
    assert.deepEqual(packages, ['cookie', 'jose', 'undici'])
  })

  for (const name of ['jose', 'undici']) {
    test(`a guard responds with 503 and logs the remedy where ${name} is missing`, async () => {
      await link(name)
      const { stdout } = await firstToken()
      assert.match(stdout, /^status 503$/m)
      const remedy = `${name}: a module cannot be loaded. Install the dependencies again`
      assert.ok(stdout.includes(remedy), stdout)
    })
  }
})
