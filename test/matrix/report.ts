import type { Clients, Cell, CellState } from './cells.ts'
import { placeNames } from './places.ts'
import type { ProviderFacts } from '../providers/emulators/provider.ts'

// Which results does a run of the matrix leave for programs?

export interface Report {
  /** Day of the run, and the version of the plugin. */
  date: string
  version: string
  seconds: number
  /** Whether every client ran at every provider in every place. */
  isWhole: boolean
  cells: Record<'all' | CellState, number>
  clients: Record<string, { name: string, version: string }>
  providers: Record<string, string>
  /** Cells that are not green have the steps that failed, with causes. */
  results: Cell[]
}

export function reportOf (
  results: readonly Cell[],
  { clients, providers }: { clients: Clients, providers: readonly ProviderFacts[] },
  about: Pick<Report, 'date' | 'version' | 'seconds' | 'isWhole'>
): Report {
  const count = (state: CellState) => results.filter(cell => cell.state === state).length
  return {
    ...about,
    cells: {
      all: results.length,
      green: count('green'),
      explained: count('explained'),
      red: count('red')
    },
    clients: Object.fromEntries(
      Object.entries(clients).map(([id, { name, version }]) => [id, { name, version }])
    ),
    providers: Object.fromEntries(providers.map(({ id, name }) => [id, name])),
    results: sorted(results, { clients, providers })
  }
}

/** Cells in the order of the lists. Processes finish theirs in any order. */
function sorted (
  results: readonly Cell[],
  { clients, providers }: { clients: Clients, providers: readonly ProviderFacts[] }
): Cell[] {
  const orders = {
    client: Object.keys(clients),
    provider: providers.map(({ id }) => id),
    place: placeNames as string[]
  }
  const rank = (cell: Cell, name: keyof typeof orders) => orders[name].indexOf(cell[name])
  return [...results].sort((a, b) =>
    rank(a, 'client') - rank(b, 'client') || rank(a, 'provider') - rank(b, 'provider') ||
    rank(a, 'place') - rank(b, 'place')
  )
}

/** The report as JSON, with one cell a line. */
export function jsonOf ({ results, ...head }: Report): string {
  const lines = results.map(cell => `    ${JSON.stringify(cell)}`).join(',\n')
  return `${JSON.stringify(head, null, 2).replace(/\n}$/, '')},\n  "results": [\n${lines}\n  ]\n}\n`
}
