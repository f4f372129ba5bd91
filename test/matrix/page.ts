import { steps, unknown, type ClientFacts, type Source, type Step } from '../clients/client.ts'
import { clients } from '../clients/index.ts'
import { providers } from '../providers/emulators/index.ts'
import { realVersions } from '../real-clients/index.ts'
import type { Cell } from './cells.ts'
import { places } from './places.ts'
import type { Report } from './report.ts'

// What does docs/clients.md say? Facts of clients, and between two marks the results of a run.

const begin = '<!-- results of npm run matrix -->'
const end = '<!-- end of results -->'

/** The results in a page. */
export function resultsIn (page: string): string {
  return page.slice(page.indexOf(begin) + begin.length, page.indexOf(end)).trim()
}

/** The page with these results. */
export function pageWith (results: string): string {
  const all = Object.values(clients)
  const real = realVersions()
  return `# Clients

${
    wrap(`${all.length} MCP clients at ${providers.length} settings of identity providers, with at
least one for each [preset](providers/index.md): [the steps that pass](#results), [version,
redirect URI and date of each client](#facts), [its habits](#habits), and [the
sources](#sources).`)
  }

## Results

${begin}

${results}

${end}

## How this was made

${
    wrap(`\`npm run matrix\` replays each client at an app with this plugin, in front of each
provider, in each of these places: ${Object.values(places).join('; ')}. The steps:
${steps.slice(0, -1).join(', ')}, and log in again after the app was restarted.`)
  }

${
    wrap(`A client is the data in \`test/clients\`: facts from its source code, its published
documents, or public threads. A provider is the data in \`test/providers/emulators\`, from its
documentation and published metadata. Add yours by
\`npm run matrix -- --client ./mine.ts --provider ./mine.ts\`.`)
  }

The limits of these results:

${
    list([
      'The vendors’ own programs and services did not run here. Their requests were sent as the ' +
      'facts describe them. Those with a version in the column *run for real* also run their own ' +
      'code in the tests, which compare their requests with the facts.',
      'Where no source states a fact, the client takes the commonest way. The column *unknown* ' +
      'counts such facts.',
      'A newer version may do something else. Dates are those of the sources.',
      'Providers are as strict as documented, which need not be all that they check.'
    ])
  }

## Facts

The first way to identify itself that client and server share is used.

${
    table(
      [
        'client',
        'version',
        'identifies itself by',
        'redirect URI',
        'seen in',
        'date',
        'unknown',
        'run for real'
      ],
      Object.entries(clients).map(([id, facts]) => [
        facts.name,
        facts.version,
        facts.identification === unknown ? unknown : facts.identification.map(wayOf).join(', '),
        facts.redirectUris === unknown
          ? unknown
          : facts.redirectUris.map(uri => `\`${uri}\``).join(' '),
        [...new Set(facts.sources.map(kindOf))].join(', '),
        facts.sources.map(({ date }) => date).sort().at(-1) ?? '',
        unknownFacts(facts),
        real[id] ?? ''
      ])
    )
  }

## Habits

${
    table(
      ['client', 'quirk'],
      all.flatMap(({ name, quirks }) => quirks.map(quirk => [name, quirk]))
    )
  }

## Sources

${
    table(
      ['client', 'source', 'shows', 'date'],
      all.flatMap(({ name, sources }) =>
        sources.map(({ at, shows, date }) => [name, at, shows, date])
      )
    )
  }
`
}

const wayOf = (way: string) => way === 'configured' ? 'a configured id' : `its ${way}`

/** The kind of a source. */
function kindOf ({ at }: Source): string {
  if (/^(?:npm|PyPI|crates\.io) /.test(at)) return 'package'
  if (at.startsWith('request of')) return 'its requests'
  if (/\/(?:issues|pull|discussions)\//.test(at)) return 'thread'
  if (/^https:\/\/github\.com\//.test(at)) return 'source code'
  return /\.json\b/.test(at) ? 'its document' : 'documentation'
}

function unknownFacts ({ sources: _, ...facts }: ClientFacts): string {
  const members = Object.values(facts)
  return `${members.filter(value => value === unknown).length} of ${members.length}`
}

/** The results of a run, as the page has them. */
export function resultsOf ({ date, version, cells, clients, providers, results }: Report): string {
  const grouped = (name: 'client' | 'provider') =>
    [...new Set(results.map(cell => cell[name]))].map(id =>
      [id, results.filter(cell => cell[name] === id)] as const
    )
  const [all, green, explained, red] = [cells.all, cells.green, cells.explained, cells.red].map(
    count => count.toLocaleString('en')
  )
  return `${
    wrap(
      `Run on ${date} with fastify-mcp-oauth ${version}: ${all} cells, each a client at a provider
in a place. In ${green}, all steps of the client pass. In ${explained}, all pass but those that the
last table explains by a standard. In ${red}, a step fails and should not.`
    )
  }

${
    table(
      ['client', 'providers', 'places', 'steps that pass', 'steps it does not have'],
      grouped('client').map(([id, cells]) => [
        clients[id]?.name ?? id,
        passed(cells, 'provider'),
        passed(cells, 'place'),
        stepsWith(cells, 'failed').length === 0
          ? 'all'
          : `all but ${stepsWith(cells, 'failed').join(', ')}`,
        stepsWith(cells, 'not done').join(', ')
      ])
    )
  }

${
    table(
      ['provider', 'clients', 'places'],
      grouped('provider').map(([id, cells]) => [
        providers[id] ?? id,
        passed(cells, 'client'),
        passed(cells, 'place')
      ])
    )
  }

${table(['client', 'provider', 'place', 'step that fails', 'because of', 'reason'], faults())}`

  /** One row for each client and step that fails everywhere, and one for each other failure. */
  function faults (): string[][] {
    return grouped('client').flatMap(([id, cells]) =>
      steps.flatMap(step => {
        const failed = cells.flatMap(({ provider, place, steps }) =>
          steps.filter(entry => entry.step === step && entry.outcome === 'failed')
            .map(({ explained, by, problem = '' }) => ({ provider, place, explained, by, problem }))
        )
        const name = clients[id]?.name ?? id
        const [first] = failed
        if (first?.by === 'client' && failed.length === cells.length) {
          return [[name, 'each', 'each', step, 'the client', first.explained ?? '']]
        }
        return failed.map(({ provider, place, explained, by, problem }) => [
          name,
          providers[provider] ?? provider,
          place,
          step,
          by === undefined ? 'not known yet' : `the ${by}`,
          explained ?? problem
        ])
      })
    )
  }
}

/** The number of providers, clients or places without a red cell. */
function passed (cells: readonly Cell[], name: 'client' | 'provider' | 'place'): string {
  const all = new Set(cells.map(cell => cell[name]))
  const red = new Set(cells.filter(({ state }) => state === 'red').map(cell => cell[name]))
  return `${all.size - red.size} of ${all.size}`
}

/** Steps with an outcome in some cell that is not red. */
function stepsWith (cells: readonly Cell[], outcome: 'failed' | 'not done'): Step[] {
  return steps.filter(step =>
    cells.some(cell =>
      cell.state !== 'red' &&
      cell.steps.some(entry => entry.step === step && entry.outcome === outcome)
    )
  )
}

function table (head: readonly string[], rows: readonly string[][]): string {
  const row = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`
  return [row(head), `|${'---|'.repeat(head.length)}`, ...rows.map(row)].join('\n')
}

function list (items: readonly string[]): string {
  return items.map(item => wrap(`* ${item}`).replaceAll('\n', '\n  ')).join('\n')
}

/** Breaks a paragraph into lines of at most 98 columns. */
function wrap (text: string): string {
  return text.replaceAll('\n', ' ').replaceAll(/(.{1,98})(?: |$)/g, '$1\n').trimEnd()
}
