// Runs every client at every provider in every place: `npm run matrix -- --help`.

import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { clients } from '../clients/index.ts'
import { providers } from '../providers/emulators/index.ts'
import { read, root } from '../support/docs.ts'
import { skip, startInside } from '../support/internet.ts'
import { problemsOf, type Cell } from './cells.ts'
import { createCleanup } from './cleanup.ts'
import { pageWith, resultsOf } from './page.ts'
import { placeNames, places } from './places.ts'
import { jsonOf, reportOf } from './report.ts'
import { selectCells } from './selection.ts'
import type { Part } from './worker.ts'

const help = `npm run matrix [-- flags]

Replays each client at each provider in each place, and writes a report. A whole run also
writes docs/clients.md. Exits with 1 if a cell is red.

  --client <name or file>    may be repeated; a file exports facts as test/clients/*.ts do
  --provider <name or file>  may be repeated; as test/providers/emulators/*.ts
  --place <name>             may be repeated
  --report <file>            default: reports/matrix.json

Names select from the lists. Files are added to them, and then only cells with one of the
files run.

clients: ${Object.keys(clients).join(' ')}
providers: ${providers.map(({ id }) => id).join(' ')}
places: ${placeNames.map(name => `${name} (${places[name]})`).join(', ')}
`

const many = { type: 'string', multiple: true } as const
const { values } = parseArgs({
  options: {
    client: many,
    provider: many,
    place: many,
    report: { type: 'string', default: join(root, 'reports/matrix.json') },
    help: { type: 'boolean', default: false }
  }
})

const parts = Math.min(4, availableParallelism())
const { context, cleanUp } = createCleanup()

if (values.help) process.stdout.write(help)
else {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      cleanUp().finally(() => process.exit(1))
    })
  }
  try {
    await main()
  } finally {
    await cleanUp()
  }
}

async function main (): Promise<void> {
  if (skip) throw new Error(skip)
  const startedAt = Date.now()
  const chosen = await selectCells(values)
  const cells: Cell[] = []
  await Promise.all(Array.from({ length: parts }, async (_, part) => {
    for await (const cell of runPart({ picks: values, part, parts })) {
      cells.push(cell)
      const facts = chosen.clients[cell.client]
      const problems = facts ? problemsOf(cell, facts) : []
      const { client, provider, place, state } = cell
      process.stderr.write(
        [`${cells.length} ${provider} ${place} ${client} ${state}`, ...problems, ''].join('\n')
      )
    }
  }))
  const report = reportOf(cells, chosen, {
    date: new Date().toISOString().slice(0, 10),
    version: JSON.parse(read('package.json')).version,
    seconds: Math.round((Date.now() - startedAt) / 1000),
    isWhole: chosen.isWhole
  })
  await mkdir(dirname(values.report), { recursive: true })
  await writeFile(values.report, jsonOf(report))
  if (chosen.isWhole) await writeFile(join(root, 'docs/clients.md'), pageWith(resultsOf(report)))
  process.stderr.write(`${JSON.stringify(report.cells)} ${report.seconds} s\n`)
  process.exitCode = report.cells.red === 0 ? 0 : 1
}

/** Runs a part in a process of its own. */
async function* runPart (part: Part): AsyncGenerator<Cell> {
  const worker = join(import.meta.dirname, 'worker.ts')
  const child = await startInside(context, [worker, JSON.stringify(part)])
  const closed = once(child, 'close')
  child.stderr.pipe(process.stderr)
  for await (const line of createInterface(child.stdout)) yield JSON.parse(line)
  const [code] = await closed
  if (code !== 0) throw new Error(`The process of part ${part.part} ended with ${code}.`)
}
