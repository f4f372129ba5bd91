// Runs a part of the matrix inside the network namespace, and prints each cell as a line of JSON.

import { startInternet } from '../support/internet.ts'
import { publishDocuments, runCells } from './cells.ts'
import { startProxy } from './places.ts'
import { createCleanup } from './cleanup.ts'
import { selectCells, type Picks } from './selection.ts'

/** What the parent process passes. */
export interface Part {
  picks: Picks
  /** Of the providers, each `parts`-th one, beginning with this one. */
  part: number
  parts: number
}

const { picks, part, parts }: Part = JSON.parse(process.argv[2] ?? '')
const { context, cleanUp } = createCleanup()
try {
  const { clients, providers, places, isWanted } = await selectCells(picks)
  const internet = await startInternet()
  await publishDocuments(internet, clients)
  const proxy = places.includes('nginx') ? await startProxy(context) : null
  const own = providers.filter((_, index) => index % parts === part)
  for await (const cell of runCells(internet, { clients, providers: own, isWanted }, proxy)) {
    process.stdout.write(`${JSON.stringify(cell)}\n`)
  }
} finally {
  await cleanUp()
}
