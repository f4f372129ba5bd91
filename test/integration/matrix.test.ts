import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { clients } from '../clients/index.ts'
import { problemsOf, publishDocuments, runCells, type Cell } from '../matrix/cells.ts'
import { startProxy } from '../matrix/places.ts'
import { pairwise } from '../matrix/selection.ts'
import { providers } from '../providers/emulators/index.ts'
import { inside, runInside, skip, startInternet } from '../support/internet.ts'

// Two processes share the work: each takes every second provider.
const halves = [0, 1]

if (inside) await tests(Number(process.argv[2]))
else {
  test(
    'each client does all steps at each provider: pairs, and each client and provider in each place',
    {
      skip,
      concurrency: true
    },
    async (t) => {
      await Promise.all(
        halves.map(half =>
          t.test(`half ${half + 1}`, t => runInside(t, import.meta.filename, [String(half)]))
        )
      )
    }
  )
}

async function tests (half: number): Promise<void> {
  const internet = await startInternet()
  await publishDocuments(internet, clients)
  // nginx is missing on some machines of developers: its place is skipped there.
  const context = { after, skip () {} } as unknown as TestContext
  const proxy = await startProxy(context)
  const isPair = pairwise(clients, providers)
  for (const [index, facts] of providers.entries()) {
    if (index % halves.length !== half) continue
    test(`at ${facts.id} its share of clients does all steps`, async () => {
      const isWanted: typeof isPair = (client, provider, place) =>
        isPair(client, provider, place) && (place !== 'nginx' || proxy !== null)
      const cells: Cell[] = []
      const selection = { clients, providers: [facts], isWanted }
      for await (const cell of runCells(internet, selection, proxy)) cells.push(cell)
      const problems = cells.flatMap(cell => problemsOf(cell, clients[cell.client] ?? {}))
      assert.deepEqual(problems, [])
      assert.ok(cells.length > 0)
    })
  }
}
