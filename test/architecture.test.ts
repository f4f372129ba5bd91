import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const lib = new URL('../lib/', import.meta.url).pathname

/** The lowest floor first. A file may import from lower floors and from its own room. */
const floors = [
  ['limits.ts', 'pages/messages/', 'provider/traits/'],
  ['errors.ts', 'types.ts', 'events/', 'util/'],
  ['telemetry/'],
  ['oauth/', 'schemas/', 'http/', 'crypto/'],
  ['store/'],
  ['options/'],
  ['urls.ts', 'host/'],
  ['dpop/', 'provider/', 'providers/'],
  ['verifiers/'],
  ['guard/', 'pages/'],
  ['clients/', 'discovery/', 'mcp/rpc/'],
  ['mcp/access/'],
  ['mcp/servers/'],
  ['mcp/tools/'],
  ['broker/', 'thin-proxy/', 'mcp/'],
  ['plugin.ts'],
  ['index.ts']
]

/** The only files that may import a dependency. */
const importers: Record<string, RegExp> = {
  '@fastify/http-proxy': /^thin-proxy\/token\.ts$/,
  '@fastify/rate-limit': /^host\/rate-limits\.ts$/,
  '@modelcontextprotocol/sdk': /^mcp\//,
  '@modelcontextprotocol/server': /^mcp\/servers\/modern\.ts$/,
  '@opentelemetry/api': /^telemetry\//,
  '@sinclair/typebox': /^(schemas|options)\//,
  'fastify-plugin': /^index\.ts$/,
  cookie: /^broker\/logins\.ts$/,
  leven: /^options\/check\.ts$/,
  ghtml: /^pages\//,
  'ipaddr.js': /^http\/public-fetch\.ts$/,
  jose: /^(crypto|dpop|verifiers)\/|^(broker\/client-authentication|provider\/keys)\.ts$/,
  'lru-cache':
    /^((verifiers|dpop)\/[tv].*|clients\/documents|http\/public.*|(mcp|store)\/.*|broker\/kept|host\/rate.*)\.ts$/,
  'openid-client':
    /^(provider\/(client|login|tokens|user)|thin-proxy\/token|verifiers\/introspection)\.ts$/,
  undici: /^http\//
}

interface Import {
  from: string
  typeOnly: boolean
}

const files = new Map(
  readdirSync(lib, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => [name, readFileSync(join(lib, name), 'utf8')])
)

function importsOf (source: string): Import[] {
  const statements = source.matchAll(
    /(?:^|\n)(?:import|export)\s(type\s)?[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)/g
  )
  return [...statements].map(([, typeOnly, from, dynamic]) => ({
    from: from ?? dynamic ?? '',
    typeOnly: typeOnly !== undefined
  }))
}

function floorOf (file: string): number {
  const room = roomOf(file) ?? file
  return floors.findIndex(entries => entries.includes(room))
}

/** The entry of a floor whose folder contains the file. */
function roomOf (file: string): string | undefined {
  return floors.flat().filter(entry => entry.endsWith('/') && file.startsWith(entry)).sort((a, b) =>
    b.length - a.length
  )[0]
}

function packageOf (specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

test('every file has a floor', () => {
  assert.deepEqual([...files.keys()].filter(file => floorOf(file) === -1), [])
})

test('imports lead to lower floors only, types included', () => {
  const upward = [...files].flatMap(([file, source]) =>
    importsOf(source)
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from }) => normalize(join(dirname(file), from)))
      .filter(target =>
        floorOf(target) > floorOf(file) ||
        (floorOf(target) === floorOf(file) && roomOf(target) !== roomOf(file))
      )
      .map(target => `${file} → ${target}`)
  )
  assert.deepEqual(upward, [])
})

test('no cycles', () => {
  const graph = new Map(
    [...files].map(([file, source]) => [
      file,
      importsOf(source).filter(({ from }) => from.startsWith('.')).map(({ from }) =>
        normalize(join(dirname(file), from))
      )
    ])
  )
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), [...path, file].join(' → '))
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
  }
  for (const file of files.keys()) visit(file, [])
})

test('only the listed files import a dependency, and fastify is imported as a type', () => {
  const violations = [...files].flatMap(([file, source]) =>
    importsOf(source)
      .filter(({ from }) => !from.startsWith('.') && !from.startsWith('node:'))
      .filter(({ from, typeOnly }) => {
        const name = packageOf(from)
        if (typeOnly && (name === 'fastify' || name === '@modelcontextprotocol/sdk')) return false
        return !importers[name]?.test(file)
      })
      .map(({ from }) => `${file} → ${from}`)
  )
  assert.deepEqual(violations, [])
})

test('no file but the list of limits has more than 250 lines', () => {
  const long = [...files].map(([file, source]) => [file, source.split('\n').length - 1] as const)
    .filter(([file, lines]) => lines > 250 && file !== 'limits.ts')
  assert.deepEqual(long, [])
})

test('at most six files lie outside the rooms', () => {
  const outside = [...files.keys()].filter(file => !file.includes('/'))
  assert.ok(outside.length <= 6, outside.join(', '))
})

/** Lines of code: neither empty nor a comment, and not the texts of pages. */
const codeLines = [...files].flatMap(([name, source]) =>
  name.startsWith('pages/messages/')
    ? []
    : source.split('\n').filter(line => line.trim() !== '' && !/^\s*(\/\/|\/\*|\*)/.test(line))
)

test('19 of 20 lines of code have at most 95 columns', () => {
  const widths = codeLines.map(line => line.length).sort((a, b) => a - b)
  assert.ok(Number(widths[Math.floor(widths.length * 0.95)]) <= 95)
})

test('the code has at most 710 kB, without comments, indentation and the texts of pages', () => {
  const bytes = codeLines.reduce((sum, line) => sum + Buffer.byteLength(line.trim()) + 1, 0)
  assert.ok(bytes < 710_499, `${Math.floor(bytes / 1000)} kB`)
})
