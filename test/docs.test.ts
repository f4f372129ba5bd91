import assert from 'node:assert/strict'
import { execSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { errorTable } from '../lib/errors.ts'
import { mcpOAuth, type McpOAuthOptions } from '../lib/index.ts'
import { optionNames } from '../lib/options/schema.ts'
import { temporaryFolder } from './support/daemon.ts'

const root = new URL('../', import.meta.url).pathname
const examples = readdirSync(join(root, 'docs/examples')).filter(name => name.endsWith('.ts')).map(
  name => `docs/examples/${name}`
)
const pages = new Map(
  [
    'README.md',
    ...['docs', 'docs/providers'].flatMap(folder =>
      readdirSync(join(root, folder)).map(name => `${folder}/${name}`)
    )
  ]
    .filter(name => name.endsWith('.md'))
    .map(name => [name, read(name)])
)

function read (name: string): string {
  return readFileSync(join(root, name), 'utf8')
}

function page (name: string): string {
  const text = pages.get(name)
  assert.ok(text, `${name} is there`)
  return text
}

/**
 * The rows of all tables of a page whose first heading is `heading`, as cells without backticks.
 */
function rows (name: string, heading: string): string[][] {
  const tables = page(name).split('\n\n').map(block =>
    block.split('\n').filter(line => line.startsWith('|'))
  )
  return tables.filter(([head]) => head?.startsWith(`| ${heading} |`)).flatMap(([, , ...body]) =>
    body.map(cells)
  )
}

function cells (row: string): string[] {
  return row.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim().replaceAll('`', ''))
}

/** Code blocks that name a file: ```ts docs/examples/minimal.ts */
function namedBlocks (text: string): Array<{ file: string, code: string }> {
  return [...text.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map(([, file = '', code = '']) => ({
    file,
    code
  }))
}

test('the README is short, and its code is an example', () => {
  const readme = page('README.md')
  assert.ok(readme.split('\n').length - 1 < 150)
  assert.deepEqual(namedBlocks(readme).map(({ file }) => file), ['docs/examples/minimal.ts'])
})

test('code blocks that name a file are that file, byte for byte', () => {
  const blocks = [...pages].flatMap(([name, text]) =>
    namedBlocks(text).map(block => ({ name, ...block }))
  )
  assert.ok(blocks.length > 5)
  for (const { name, file, code } of blocks) assert.equal(code, read(file), `${file} in ${name}`)
})

test('options.md has every option, once, and none that does not exist', () => {
  assert.deepEqual(
    rows('docs/options.md', 'option').map(([name]) => name).sort(),
    [...optionNames].sort()
  )
})

test('errors.md has every error, once, as it is, and none that does not exist', () => {
  const written = rows('docs/errors.md', 'code').map(([code, status, error]) =>
    `${code} ${status} ${error}`
  )
  assert.deepEqual(
    written.sort(),
    errorTable().map(([, code, status, error]) => `${code} ${status} ${error}`).sort()
  )
})

test('routes.md has every URL of a full registration, and none that is not served', async (t) => {
  const names = {
    '/the-base': '{base}',
    '/the-prefix': '{prefix}',
    '/the-path': '{mcp.path}',
    '/the-document': '{metadataPath}'
  }
  const full = {
    publicUrl: 'https://mcp.example.com/the-base',
    prefix: '/the-prefix',
    metadataPath: '/the-document',
    mcp: { path: '/the-path', tools: true }
  } as const
  const legacy = { publicUrl: 'https://mcp.example.com' }
  const [broker, thin, plain, all] = await Promise.all(
    [full, { ...full, version: '2025-03-26' }, legacy, { ...legacy, legacyEndpoints: true }].map(
      options => urlsOf(t, options as McpOAuthOptions)
    )
  )
  const added = [...all ?? []].filter(url => !plain?.has(url))
  const urls = [...broker ?? [], ...thin ?? []].map(url =>
    Object.entries(names).reduce((text, [from, to]) => text.replace(from, to), url)
  )
  const written = rows('docs/routes.md', 'URL').flatMap(([url = '']) => url.split(', '))
  assert.deepEqual(new Set(written), new Set([...urls, ...added]))
})

/** Every URL that a registration in front of a provider answers at. */
async function urlsOf (t: TestContext, options: McpOAuthOptions): Promise<Set<string>> {
  const app = Fastify()
  t.after(() => app.close())
  const served = new Set<string>()
  app.addHook('onRoute', ({ url }) => {
    served.add(url)
  })
  await app.register(mcpOAuth, {
    issuer: 'https://auth.example.com',
    clientId: 'client',
    clientSecret: 'secret',
    setupProxies: true,
    ...options
  })
  await app.ready()
  // Fastify announces the route of a scope's prefix once, and serves it with a slash too.
  for (const url of [...served]) {
    if (!url.endsWith('*') && app.hasRoute({ method: 'POST', url: `${url}/` })) {
      served.add(`${url}/`)
    }
  }
  return served
}

test('links lead somewhere', () => {
  const dead: string[] = []
  let count = 0
  for (const [name, text] of pages) {
    for (const [, target = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      count++
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? name : join(dirname(name), path)
      const found = existsSync(join(root, file)) &&
        (anchor === undefined || anchors(read(file)).has(anchor))
      if (!found) dead.push(`${name} → ${target}`)
    }
  }
  assert.ok(count > 50)
  assert.deepEqual(dead, [])
})

function withoutCode (text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '')
}

/** Ids of the conformance page. Ids of threats have one letter. */
const requirement = /\b(?:RS|PRM|ASM|AZ|TK|REG|CD|TP|SS|SE|HT|EX)-\d\d\b/g

/** The ids in the names of the tests of a file. */
function requirementsTestedIn (source: string): Set<string> {
  const names = [...source.matchAll(/\b(?:test|everywhere)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)]
    .map(([, , name = '']) => name)
  return new Set(names.flatMap(name => name.match(requirement) ?? []))
}

test('conformance.md links each requirement to tests that name it, and has every requirement that a test names', () => {
  const tests = new Map(
    readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.test.ts'))
      .map(name => [`../test/${name}`, requirementsTestedIn(read(`test/${name}`))])
  )
  const listed = rows('docs/conformance.md', 'id').map(([id = '', ...cells]) => ({
    id,
    where: cells.at(-1) ?? ''
  }))
  const ids = listed.map(({ id }) => id)
  assert.ok(ids.length > 150 && ids.every(id => id.match(requirement)?.[0] === id))
  assert.deepEqual(ids, [...new Set(ids)], 'each has one row')
  for (const [score] of read('test/conformance.test.ts').matchAll(/\d+ of \d+/g)) {
    assert.ok(page('docs/conformance.md').includes(score), score)
  }

  const linked = listed.flatMap(({ id, where }) =>
    [...where.matchAll(/\]\((\.\.\/test\/[^)]+)\)/g)].map(([, file = '']) => ({ id, file }))
  )
  assert.deepEqual(
    linked.filter(({ id, file }) => !tests.get(file)?.has(id)),
    [],
    'what is linked proves it'
  )
  const reasons = listed.filter(({ id }) => !linked.some(link => link.id === id))
  assert.deepEqual(
    reasons.filter(({ id, where }) =>
      where.length < 20 || [...tests.values()].some(named => named.has(id))
    ),
    [],
    'what is not linked has a reason, and no test'
  )
  assert.deepEqual(
    [...tests].flatMap(([file, named]) =>
      [...named].filter(id => !ids.includes(id)).map(id => `${id} in ${file}`)
    ),
    [],
    'what a test names is listed'
  )
})

/** As GitHub makes them of headings. */
function anchors (text: string): Set<string> {
  return new Set([...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => (
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
  )))
}

test('every example is listed in docs/index.md', () => {
  const missing = examples.filter(file =>
    !page('docs/index.md').includes(`](${file.replace('docs/', '')})`)
  )
  assert.deepEqual(missing, [])
})

for (const file of examples) {
  test(`${file} is short, and starts`, async (t) => {
    const source = read(file)
    assert.ok(source.split('\n').length - 1 < 60)
    // What a deployment would bring along.
    for (const [, name = ''] of source.matchAll(/process\.env\.(\w+)/g)) {
      process.env[name] ??= name.endsWith('_HASH')
        ? `sha256:${randomBytes(32).toString('base64url')}`
        : randomBytes(32).toString('hex')
    }
    const { app } = await import(join(root, file)) as { app: FastifyInstance }
    t.after(() => app.close())
    await app.ready()
    assert.equal(app.server.listening, false)
    assert.equal(app.mcpOAuthRegistry.size > 0, true)
  })
}

test('the commands of machine-clients.md make secrets and keys that let a machine in [EX-01]', async (t) => {
  const [, command = ''] = /^(node -e "const c=.*)$/m.exec(page('docs/machine-clients.md')) ?? []
  const [, keyCommand = ''] =
    /^(node -e "const\{privateKey.*)$/m.exec(page('docs/machine-clients.md')) ?? []
  assert.equal(page('docs/machine-clients.md').split(command).length, 3, 'one command, shown twice')
  const made = Object.fromEntries(
    execSync(command, { encoding: 'utf8' }).trim().split('\n').map(line => line.split('='))
  )
  assert.deepEqual(Object.keys(made), ['MACHINE_SECRET', 'MACHINE_SECRET_HASH'])
  Object.assign(process.env, { CLIENT_SECRET: 'anything', ...made })
  // Not the copy that other tests have started.
  const { app, report } = await import(
    `${join(root, 'docs/examples/machine-client.ts')}?again`
  ) as { app: FastifyInstance, report: (server: string) => Promise<unknown> }
  t.after(() => app.close())
  await app.listen({ port: 0 })
  assert.deepEqual(await report(`http://localhost:${(app.server.address() as AddressInfo).port}`), [
    { type: 'text', text: '["a note of Alice","a note of Bob"]' }
  ])

  const folder = await temporaryFolder(t)
  const jwks = JSON.parse(execSync(keyCommand, { cwd: folder, encoding: 'utf8' })) as {
    keys: object[]
  }
  assert.ok(
    readFileSync(join(folder, 'machine.pem'), 'utf8').startsWith('-----BEGIN PRIVATE KEY-----')
  )
  const plain = Fastify()
  t.after(() => plain.close())
  const clients = [{ clientId: 'machine', jwks, grantTypes: ['client_credentials' as const] }]
  await plain.register(mcpOAuth, {
    issuer: 'https://auth.example.com',
    clientId: 'client',
    clientSecret: 'secret',
    setupProxies: true,
    clients
  })
})
