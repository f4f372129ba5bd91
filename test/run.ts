// Runs the tests: `node --import tsx test/run.ts <fast|rest|long> [part of a path]`.
//
// fast  all that needs no daemon, no browser and no network; the matrix in memory at the root
// rest  the other files, and the matrix on Redis under a prefix: what `npm run test:all` adds
// long  every file, the full matrix, long sweeps and floods
//
// Loading the dependencies costs a second of CPU per process, so several files share one, bundled.

import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { run } from 'node:test'
import { spec as Spec } from 'node:test/reporters'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const [tier = 'fast', part = ''] = process.argv.slice(2)
const root = join(import.meta.dirname, '..')

/** Test files that need a daemon, a browser or the network. */
const external =
  /^test\/(integration|package|fastify|month)\/|^test\/(conformance|broker\/outages|types\/hover)\.test/

/** Costs of the files that take longest: about seconds, while six processes share two cores. */
const slowest: Record<string, number> = {
  'integration/conformance': 220,
  'broker/outages': 170,
  'integration/small-heap': 143,
  conformance: 130,
  'package/package': 125,
  'fastify/versions': 124,
  'integration/browser': 110,
  'integration/scale': 84,
  'integration/client-documents': 65,
  'integration/matrix': 110,
  'broker/provider-faults': 76,
  'broker/refresh': 60,
  'broker/refusals': 60,
  'month/month': 60,
  'integration/real-clients': 90,
  'integration/benchmarks': 250,
  'integration/killed': 40,
  'broker/callback': 47,
  'broker/token': 44,
  'host/hosts': 41,
  'thin-proxy/token': 38,
  'requirements/resource-server': 32,
  'requirements/transport': 31,
  'mcp/tool-scopes-servers': 28,
  'broker/machines': 27,
  docs: 26,
  'verifiers/introspection': 25,
  'discovery/documents': 24,
  'mcp/streams': 23,
  'broker/revoke': 22,
  'model/model': 12
}

const tiers: Record<string, { matrix: string, env?: Record<string, string> }> = {
  fast: { matrix: 'memory' },
  rest: { matrix: 'redis' },
  long: { matrix: 'full', env: { FLOOD_ROUNDS: '2000', SWEEP: 'full' } }
}

/** The processes that run at once: more than two cores, as many tests wait. */
const concurrency = 6

const unmatched = 'test name does not match pattern'

function read (file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .map(name => `test/${name.replaceAll('\\', '/')}`)
  .filter(name => name.endsWith('.test.ts') && name.includes(part))

/** The cost of a test file, if it is not among the slowest: logins cost more than rules. */
function costOf (name: string): number {
  return slowest[name.replace(/^test\/|\.test\.ts$/g, '')] ??
    statSync(join(root, name)).size /
      (/(matrix|flow|broker|thin|guarded|tool-app)\.ts/.test(read(name)) ? 1200 : 3000)
}

/** Deals files to processes of the same cost; those that need more than Node run alone. */
function groupsOf (names: readonly string[], count: number): string[][] {
  const groups = Array.from({ length: count }, () => ({ cost: 0, names: [] as string[] }))
  const single: string[][] = []
  const costs = names.map(name => ({ name, cost: costOf(name) })).sort((a, b) => b.cost - a.cost)
  for (const { name, cost } of costs) {
    // The model replaces the clock of its process, and traces are on for a whole process.
    if (external.test(name) || /\/(?:model|telemetry)\/|\/(?:docs|examples)\.test/.test(name)) {
      single.push([name])
      continue
    }
    const [cheapest] = groups.sort((a, b) => a.cost - b.cost)
    cheapest?.names.push(name)
    if (cheapest) cheapest.cost += cost
  }
  return [...single, ...groups.map(({ names }) => names).filter(names => names.length > 0)]
}

interface Pass {
  files: string[]
  groups: number
  pattern?: RegExp
}

/** The runs of a tier, one after the other. */
function passes (): Pass[] {
  if (tier === 'fast') return [{ files: files.filter(name => !external.test(name)), groups: 6 }]
  if (tier === 'long') return [{ files, groups: 6 }]
  const matrix = files.filter(name =>
    !external.test(name) && /support\/matrix\.ts/.test(read(name))
  )
  return [
    { files: matrix, groups: 6, pattern: /\((?:on Redis|in memory), under \/v1\)/ },
    { files: files.filter(name => external.test(name)), groups: 1 }
  ]
}

/** Inside the project, as the bundles import its dependencies. */
const folder = join(root, '.cache', String(process.pid))
// The bundles are JavaScript, and start faster without the loader of this process.
process.execArgv.length = 0
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Sources keep the places they read files from. */
const ownPaths: Plugin = {
  name: 'own-paths',
  setup ({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8')
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)))
        .replaceAll('import.meta.filename', JSON.stringify(path))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
    }))
  }
}

/** @returns the bundles, one for each group */
async function bundle (groups: readonly string[][]): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: groups.map((_, index) => ({
      in: `group:${index}`,
      out: `tests-${String(index).padStart(2, '0')}`
    })),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    // For the lines in errors.
    sourcemap: 'inline',
    banner: { js: 'process.setSourceMapsEnabled(true)' },
    // Tests are side effects, which package.json excludes.
    ignoreAnnotations: true,
    metafile: true,
    logLevel: 'warning',
    plugins: [groupsPlugin(groups), ownPaths]
  })
  return Object.entries(metafile.outputs)
    .filter(([, { entryPoint }]) => entryPoint?.startsWith('group:'))
    .map(([path]) => path)
    .sort()
}

/** Entry points that import the files of a group. */
function groupsPlugin (groups: readonly string[][]): Plugin {
  return {
    name: 'groups',
    setup ({ onResolve, onLoad }) {
      onResolve({ filter: /^group:/ }, ({ path }) => ({ path, namespace: 'group' }))
      onLoad({ filter: /^group:/, namespace: 'group' }, ({ path }) => ({
        contents: (groups[Number(path.slice('group:'.length))] ?? [])
          .map(name => `import ${JSON.stringify(join(root, name))}\n`).join(''),
        resolveDir: root
      }))
    }
  }
}

interface TestEvent {
  type: string
  data: {
    name?: string
    skip?: string | boolean
    message?: string
    nesting?: number
    file?: string
  }
}

const skipped: string[] = []

/** Leaves out tests that another tier runs; they are not skipped. */
async function* withoutUnmatched (events: AsyncIterable<TestEvent>): AsyncIterable<TestEvent> {
  for await (const event of events) {
    const { name = '', skip } = event.data
    if (event.type === 'test:pass' && skip === unmatched) continue
    if (event.type === 'test:pass' && skip !== undefined) skipped.push(`${name}: ${String(skip)}`)
    if (event.type === 'test:diagnostic' && /^skipped /.test(event.data.message ?? '')) continue
    if (event.type === 'test:fail') process.exitCode = 1
    yield event
  }
}

async function runPass ({ files: names, groups, pattern }: Pass): Promise<void> {
  const events = run({
    files: await bundle(groupsOf(names, groups)),
    concurrency,
    timeout: 900_000,
    ...pattern && { testNamePatterns: [pattern] }
  })
  const output = Readable.from(withoutUnmatched(events as AsyncIterable<TestEvent>)).pipe(
    new Spec()
  )
  for await (const text of output) process.stdout.write(text as string)
}

const chosen = tiers[tier]
if (!chosen) throw new Error(`${tier} is not one of ${Object.keys(tiers).join(', ')}`)
Object.assign(process.env, { MATRIX: chosen.matrix, ...chosen.env })
const start = Date.now()
for (const pass of passes()) await runPass(pass)
for (const name of skipped) console.log(`skipped: ${name}`)
if (process.env['CI'] === 'true' && skipped.length > 0) {
  console.error('Tests were skipped. Install what they need: CI=true runs everything.')
  process.exitCode = 1
}
console.log(`${tier}: ${Math.round((Date.now() - start) / 1000)} s`)
