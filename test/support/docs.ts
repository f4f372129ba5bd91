// Which parts of the documentation are copied from code and tests? `npm run docs:sync` copies them,
// and docs.test.ts compares.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pageWith, resultsIn } from '../matrix/page.ts'

export const root = new URL('../../', import.meta.url).pathname

export function read (name: string): string {
  return readFileSync(join(root, name), 'utf8')
}

function filesIn (folder: string, recursive = false): string[] {
  return readdirSync(join(root, folder), { recursive, encoding: 'utf8' }).map(name =>
    join(folder, name)
  )
}

/** The pages that users read. */
export const pages: readonly string[] = [
  'README.md',
  ...['docs', 'docs/providers'].flatMap(folder => filesIn(folder))
].filter(name => name.endsWith('.md'))

/** The table of requirements, in the folder of the tests that prove them. */
export const evidence = 'test/conformance.md'

/** The table of clients: facts, which are copied, and the results of a run, which are kept. */
export const clientsPage = 'docs/clients.md'

export const threats = 'docs/threats.md'

export const testFiles: readonly string[] = filesIn('test', true).filter(name =>
  name.endsWith('.test.ts')
)

/** Code blocks that name a file: ```ts docs/examples/minimal.ts */
const namedBlock = /^(```\w+ (\S+)\n)([\s\S]*?)^```$/gm

export function namedBlocks (text: string): Array<{ file: string, code: string }> {
  return [...text.matchAll(namedBlock)].map(([, , file = '', code = '']) => ({ file, code }))
}

const id = /[A-Z]{1,3}-?\d+|field:[A-Z]\d+/
const range = `(?:${id.source})(?:(?:\\.\\.| to )(?:${id.source}))?`
const citation = new RegExp(`[[(]((?:(?:${range}|RFC \\d+),? ?)+)[\\])]['"\`]`, 'g')

/** The ids that the titles of a test file cite: in brackets, at the end of the title. */
export function citedIn (source: string): Set<string> {
  return new Set(
    [...source.matchAll(citation)].flatMap(([, ids = '']) =>
      ids.replaceAll(/RFC \d+/g, '').match(new RegExp(range, 'g'))?.flatMap(expand) ?? []
    )
  )
}

/** `T-01..T-03`, or `T-01 to T-03`, is T-01, T-02 and T-03. */
function expand (cited: string): string[] {
  const [, name, from, to] = /^([A-Z]+-?)(\d+)(?:\.\.| to )[A-Z]+-?(\d+)$/.exec(cited) ?? []
  if (from === undefined) return [cited]
  return Array.from(
    { length: Number(to) - Number(from) + 1 },
    (_, index) => name + String(Number(from) + index).padStart(from.length, '0')
  )
}

/** Every cited id, with the files whose titles cite it. */
export function citations (): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const file of [...testFiles].sort()) {
    for (const cited of citedIn(read(file))) {
      found.set(cited, [...found.get(cited) ?? [], file])
    }
  }
  return found
}

/** Rows of tables whose first column is `id`. */
export function idRows (text: string): Array<{ id: string, cells: string[], line: string }> {
  const tables = text.split('\n\n').filter(block => /^\| id \|/m.test(block))
  return tables.flatMap(block =>
    block.split('\n').filter(line => line.startsWith('|')).slice(2).map(line => {
      const cells = line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim())
      return { id: cells[0] ?? '', cells, line }
    })
  )
}

/**
 * A page with its copied parts up to date: blocks equal their files, and the last cell of an id's
 * row lists its tests.
 */
export function synchronized (name: string, cited = citations()): string {
  if (name === clientsPage) return pageWith(resultsIn(read(name)))
  const text = read(name).replaceAll(
    namedBlock,
    (_, head: string, file: string) => head + read(file) + '```'
  )
  if (name !== evidence && name !== threats) return text
  return idRows(text).reduce((page, { id, cells, line }) => {
    const tests = cited.get(id)
    if (tests === undefined) return page
    const links = tests.map(file => {
      const title = file.replace(/^test\//, '').replace('.test.ts', '')
      // The package has docs, and no tests to link to.
      return name === threats ? `\`${title}\`` : `[${title}](${relative(dirname(name), file)})`
    })
    return page.replace(line, `| ${[...cells.slice(0, -1), links.join(', ')].join(' | ')} |`)
  }, text)
}
