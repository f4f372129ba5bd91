import assert from 'node:assert/strict'
import { exec, execSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
// Loads the examples.
import 'tsx'
import Fastify, { type FastifyInstance } from 'fastify'
import { errorTable, McpOAuthError, type ErrorKind } from '../lib/errors.ts'
import { mcpOAuth, type McpOAuthOptions } from '../lib/index.ts'
import { LifetimesSchema, RefreshSchema } from '../lib/options/broker.ts'
import type { TSchema } from '../lib/options/fields.ts'
import { optionNames } from '../lib/options/names.ts'
import { OptionsSchema } from '../lib/options/schema.ts'
import * as presets from '../lib/providers/index.ts'
import { temporaryFolder } from './support/daemon.ts'
import {
  citations,
  evidence,
  idRows,
  namedBlocks,
  pages,
  read,
  root,
  synchronized,
  threats
} from './support/docs.ts'
import { freePort } from './support/port.ts'

const examples = readdirSync(join(root, 'docs/examples')).filter(name => name.endsWith('.ts')).map(
  name => `docs/examples/${name}`
)

/**
 * The rows of all tables of a page whose first heading is `heading`, as cells without backticks.
 */
function rows (name: string, heading: string): string[][] {
  const tables = read(name).split('\n\n').map(block =>
    block.split('\n').filter(line => line.startsWith('|'))
  )
  return tables.filter(([head]) => head?.startsWith(`| ${heading} |`)).flatMap(([, , ...body]) =>
    body.map(cells)
  )
}

function cells (row: string): string[] {
  return row.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim().replaceAll('`', ''))
}

test('README.md has at most 120 lines, a picture and the first example', () => {
  const readme = read('README.md')
  assert.ok(readme.split('\n').length - 1 <= 120)
  assert.match(readme, /<picture>|<img |!\[/)
  assert.deepEqual(namedBlocks(readme).map(({ file }) => file), ['docs/examples/minimal.ts'])
})

for (const name of [...pages, evidence]) {
  test(`${name} equals the files and test titles it copies (npm run docs:sync)`, () => {
    assert.equal(read(name), synchronized(name))
  })
}

test('options.md has every option, once, and none that does not exist', () => {
  assert.deepEqual(
    rows('docs/options.md', 'option').map(([name]) => name).sort(),
    [...optionNames].sort()
  )
})

test('options.md has the limits of every option in seconds', () => {
  const written = new Map(rows('docs/options.md', 'option').map(([name, type]) => [name, type]))
  const groups = { '': OptionsSchema, 'lifetimes.': LifetimesSchema, 'refresh.': RefreshSchema }
  for (const [owner, { properties }] of Object.entries(groups)) {
    for (const [name, { description = '' }] of Object.entries<TSchema>(properties)) {
      const limits = /^(\d+ to \d+) seconds$/.exec(description)?.[1]
      if (limits) assert.equal(written.get(owner + name), limits, owner + name)
    }
  }
})

test('docs/providers has one page for each preset, and an index', () => {
  assert.deepEqual(
    readdirSync(join(root, 'docs/providers')).sort(),
    ['index', ...Object.keys(presets)].map(name => `${name}.md`).sort()
  )
})

test('errors.md has every error once, with its values, and no other', () => {
  const written = rows('docs/errors.md', 'code').map(([code, status, error]) =>
    `${code} ${status} ${error}`
  )
  assert.deepEqual(
    written.sort(),
    Object.keys(errorTable).map(kind => {
      const { code, statusCode, error } = new McpOAuthError(kind as ErrorKind)
      return `${code} ${statusCode} ${error}`
    }).sort()
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
    mcp: { path: '/the-path', tools: true, card: true }
  } as const
  const legacy = { publicUrl: 'https://mcp.example.com' }
  const [broker, thin, plain, all] = await Promise.all(
    [
      { ...full, backchannelLogout: true },
      { ...full, version: '2025-03-26' },
      legacy,
      { ...legacy, legacyEndpoints: true }
    ].map(options => urlsOf(t, options as McpOAuthOptions))
  )
  const added = [...all ?? []].filter(url => !plain?.has(url))
  const urls = [...broker ?? [], ...thin ?? []].map(url =>
    Object.entries(names).reduce((text, [from, to]) => text.replace(from, to), url)
  )
  const written = rows('docs/routes.md', 'URL').flatMap(([url = '']) => url.split(', '))
  assert.deepEqual(new Set(written), new Set([...urls, ...added]))
})

/** Every URL that a registration in front of a provider serves. */
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

test('every link of a page leads to a file and a heading that exist', () => {
  const broken: string[] = []
  let count = 0
  for (const name of [...pages, evidence, '.github/CONTRIBUTING.md']) {
    for (const [, target = ''] of withoutCode(read(name)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      count++
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? name : join(dirname(name), path)
      const found = existsSync(join(root, file)) &&
        (anchor === undefined || anchors(read(file)).has(anchor))
      if (!found) broken.push(`${name} → ${target}`)
    }
  }
  assert.ok(count > 50)
  assert.deepEqual(broken, [])
})

test('every lib path that a page names exists', () => {
  const named = [...pages, '.github/CONTRIBUTING.md'].flatMap(name =>
    [...read(name).matchAll(/`(lib\/[\w/.-]+)`/g)].map(([, path = '']) => ({ name, path }))
  )
  assert.ok(named.length > 20)
  assert.deepEqual(named.filter(({ path }) => !existsSync(join(root, path))), [])
})

function withoutCode (text: string): string {
  return text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
}

/** Areas of the requirements of MCP and its RFCs; all other ids are threats or reports. */
const requirement = /^(?:RS|PRM|ASM|AZ|TK|REG|CD|TP|SS|SE|HT|EX|EM|WL|DG)-\d\d$/

test('the table of requirements has every requirement once, and the scores of the official suite', () => {
  const ids = idRows(read(evidence)).map(({ id }) => id)
  assert.ok(ids.length > 150 && ids.every(id => requirement.test(id)))
  assert.deepEqual(ids, [...new Set(ids)])
  for (const [score] of read('test/conformance.test.ts').matchAll(/\d+ of \d+/g)) {
    assert.ok(read('docs/conformance.md').includes(score), score)
  }
})

test('every id in the title of a test is a row of the requirements or of threats.md', () => {
  const [requirements, attacks] = [evidence, threats].map(name =>
    new Set(idRows(read(name)).map(({ id }) => id))
  )
  const unknown = [...citations()].filter(([id]) =>
    !(requirement.test(id) ? requirements : attacks)?.has(id)
  )
  assert.deepEqual(unknown, [])
})

test('every row of the requirements and of threats.md names its tests, or why there is none', () => {
  const cited = citations()
  const rows = [evidence, threats].flatMap(name => idRows(read(name)))
  const ids = rows.map(({ id }) => id)
  assert.deepEqual(ids, [...new Set(ids)], 'each requirement has one row')
  const without = rows.filter(({ id, cells }) => {
    const last = cells.at(-1) ?? ''
    return !cited.has(id) && (last.length < 20 || last.includes('.test.ts'))
  })
  assert.deepEqual(without.map(({ line }) => line), [])
})

/** Sentences without a named subject. Questions and code are exempt. */
const subjects = 'What|Who|Whoever|Whatever|Nobody|One that|Those that|Those who'
const unnamedInProse = new RegExp(
  String
    .raw`(?:^|[.!:] |\n\n|\* |- |\d\. )(?:${subjects}|Nothing|That which)\b(?![^.!?\n]{0,200}\?)`,
  'g'
)
const unnamedInComment = new RegExp(String.raw`(?:^|[.:] )(?:${subjects})\b(?![^.!?]*\?)`)

for (const name of [...pages, evidence, '.github/CONTRIBUTING.md', 'CHANGELOG.md']) {
  test(`every sentence of ${name} names its subject, and no line of prose exceeds 100 columns`, () => {
    const prose = withoutCode(read(name))
    const sentences = prose.replaceAll(/`[^`]*`/g, 'x').replaceAll(
      /\|[^\n]*\|/g,
      row => row.replaceAll('|', '. ')
    )
    assert.deepEqual(
      [...sentences.matchAll(unnamedInProse)].map(({ index }) =>
        sentences.slice(index, index + 60)
      ),
      []
    )
    const lines = prose.split('\n')
    assert.deepEqual(lines.filter(line => !/^\s*[|<]/.test(line) && line.length > 100), [])
  })
}

test('every sentence of a comment in lib names its subject', () => {
  const files = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
  const comments = files.flatMap(name =>
    read(`lib/${name}`).split('\n').map(line => line.trim())
      .filter(line => /^(?:\/\/|\/?\*)/.test(line))
      .map(line => ({ name, line: line.replace(/^(?:\/\/|\/?\*+)\s*/, '') }))
  )
  assert.ok(comments.length > 500)
  assert.deepEqual(comments.filter(({ line }) => unnamedInComment.test(line)), [])
})

test('README.md and the guides have at most 30,900 words', () => {
  const counted = pages.filter(name => !/threats|conformance|clients\.md|providers\//.test(name))
  const words = counted.flatMap(name => read(name).split(/\s+/).filter(Boolean))
  assert.ok(words.length <= 30_900, String(words.length))
})

/** Anchors, as GitHub derives them from headings. */
function anchors (text: string): Set<string> {
  return new Set([...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => (
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
  )))
}

test('every example is listed in docs/index.md', () => {
  const missing = examples.filter(file =>
    !read('docs/index.md').includes(`](${file.replace('docs/', '')})`)
  )
  assert.deepEqual(missing, [])
})

for (const file of examples) {
  test(`${file} is short, and starts`, async (t) => {
    const source = read(file)
    assert.ok(source.split('\n').length - 1 < 70)
    // The deployment provides these.
    for (const [, name = ''] of source.matchAll(/process\.env\.(\w+)/g)) {
      if (name.endsWith('_LOG')) process.env[name] ??= '/dev/null'
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

const outputs = {
  'machine-clients': '["a note of Alice","a note of Bob"]',
  workloads: '["a note for all"]',
  delegation: "[ 'notes of planner, read by summarizer' ]",
  enterprise: '["a note of alice"]'
}

test('the commands of a page run its example to the end [DG-01 EM-21 EX-01 EX-07]', async (t) => {
  for (const [page, output] of Object.entries(outputs)) {
    await t.test(`docs/${page}.md`, async (t) => {
      const [, commands = ''] =
        /^```sh\n(export [^`]*npx tsx docs\/examples\/[^`]*)^```$/m.exec(read(`docs/${page}.md`)) ??
          []
      const folder = await exampleFolder(t)
      const { PATH, HOME } = process.env
      const { stdout } = await promisify(exec)(commands, { cwd: folder, env: { PATH, HOME } })
      assert.ok(stdout.includes(output), stdout)
    })
  }
})

test('the provider of getting-started.md knows the redirect URI of the app', async (t) => {
  const folder = await exampleFolder(t)
  const file = join(folder, 'docs/examples/demo/local-provider.ts')
  const port = String(await freePort())
  writeFileSync(file, readFileSync(file, 'utf8').replace('3001', port))
  const provider = spawn(process.execPath, ['--import', 'tsx', file], { cwd: folder })
  t.after(() => provider.kill())
  let printed = ''
  for await (const text of provider.stdout) {
    printed += text
    if (printed.includes('users:')) break
  }
  const valueOf = (name: string) => new RegExp(`^${name}: +(.+)$`, 'm').exec(printed)?.[1] ?? ''
  const url = new URL('/auth', valueOf('issuer'))
  const ask = async (redirect: string) => {
    url.search = String(
      new URLSearchParams({
        client_id: valueOf('clientId'),
        redirect_uri: redirect,
        response_type: 'code',
        scope: 'openid',
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256'
      })
    )
    return (await fetch(url, { redirect: 'manual' })).status
  }
  assert.deepEqual([await ask(valueOf('redirect URI')), await ask('http://localhost:9/')], [
    303,
    400
  ])
})

/** A folder with a copy of the examples, which listen on a free port. */
async function exampleFolder (t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t)
  const port = String(await freePort())
  for (const name of ['node_modules', 'dist']) symlinkSync(join(root, name), join(folder, name))
  for (const name of ['package.json', 'docs/examples']) {
    cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  for (const file of examples) {
    writeFileSync(join(folder, file), read(file).replaceAll('3000', port))
  }
  return folder
}

test('the commands of machine-clients.md create secrets and keys that authenticate a machine [EX-01]', async (t) => {
  const [, command = ''] = /^(node -e "const c=.*)$/m.exec(read('docs/machine-clients.md')) ?? []
  const [, keyCommand = ''] =
    /^(node -e "const\{privateKey.*)$/m.exec(read('docs/machine-clients.md')) ?? []
  assert.equal(read('docs/machine-clients.md').split(command).length, 3, 'one command, shown twice')
  const made = Object.fromEntries(
    execSync(command, { encoding: 'utf8' }).trim().split('\n').map(line => line.split('='))
  )
  assert.deepEqual(Object.keys(made), ['MACHINE_SECRET', 'MACHINE_SECRET_HASH'])
  Object.assign(process.env, { CLIENT_SECRET: 'anything', ...made })
  // A new copy of the module: other tests started theirs.
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
