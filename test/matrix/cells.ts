import { headlessLogin } from '../../docs/examples/demo/browser.ts'
import { documentOf } from '../clients/driver/commonest.ts'
import { steps, type ClientFacts, type Step } from '../clients/client.ts'
import { openClient, type DrivenClient, type StepResult } from '../clients/driver.ts'
import { startEmulator, type Emulator } from '../providers/emulators/emulator.ts'
import type { ProviderFacts } from '../providers/emulators/provider.ts'
import type { Internet } from '../support/internet.ts'
import { byHand } from './by-hand.ts'
import { reasonOf, type Reason } from './reasons.ts'
import { deploy, placeNames, type Deployment, type Place, type Proxy } from './places.ts'

// Which steps does each client do, at which provider, in which place?

export type Clients = Readonly<Record<string, ClientFacts>>

export interface StepOutcome {
  step: Step
  outcome: StepResult['outcome']
  /** Why it failed or was not done. */
  problem?: string
  /** Why it had to fail, with the section of a standard, and whose fault that is. */
  explained?: string
  by?: Reason['by']
  /** Warnings and errors that the app logged meanwhile. */
  log?: string[]
}

/**
 * `green`: every step that the client has. `explained`: all but those that had to fail by a
 * standard. `red`: anything else.
 */
export type CellState = 'green' | 'explained' | 'red'

/** One client at one provider in one place. */
export interface Cell {
  client: string
  provider: string
  place: Place
  state: CellState
  steps: StepOutcome[]
}

export interface Selection {
  clients: Clients
  providers: readonly ProviderFacts[]
  isWanted(client: string, provider: string, place: Place): boolean
}

/** Serves the metadata documents of clients. Resolves to a function that ends that. */
export async function publishDocuments (
  internet: Pick<Internet, 'addSite'>,
  clients: Clients
): Promise<() => void> {
  const documents = Object.values(clients).flatMap(facts => documentOf(facts) ?? [])
  const texts = new Map(documents.map(({ url, text }) => [url.host + url.pathname, text]))
  return await internet.addSite(
    [...new Set(documents.map(({ url }) => url.host))],
    ({ headers: { host = '' }, url = '' }, response) => {
      const text = texts.get(host + url)
      if (text === undefined) return false
      response.setHeader('content-type', 'application/json').end(text)
      return true
    }
  )
}

/**
 * Runs the cells of a selection, provider by provider. The clients of a place share an app, which
 * restarts once: before the last step.
 */
export async function* runCells (
  internet: Pick<Internet, 'addSite'>,
  { clients, providers, isWanted }: Selection,
  proxy: Proxy | null
): AsyncGenerator<Cell> {
  for (const facts of providers) {
    const emulator = await startEmulator(internet, facts)
    try {
      for (const place of placeNames) {
        const wanted = Object.entries(clients).filter(([id]) => isWanted(id, facts.id, place))
        if (wanted.length === 0) continue
        try {
          yield* await cellsOfApp(Object.fromEntries(wanted), emulator, place, proxy)
        } catch (error) {
          const problem = `the app: ${error instanceof Error ? error.message : String(error)}`
          for (const [client] of wanted) {
            const steps: StepOutcome[] = [{ step: 'register', outcome: 'failed', problem }]
            yield { client, provider: facts.id, place, state: 'red', steps }
          }
        }
      }
    } finally {
      emulator.close()
    }
  }
}

async function cellsOfApp (
  clients: Clients,
  emulator: Emulator,
  place: Place,
  proxy: Proxy | null
): Promise<Cell[]> {
  const listed = Object.entries(clients).flatMap(([id, facts]) => byHand(id, facts)?.listed ?? [])
  const app = await deploy(place, emulator, { proxy, clients: listed })
  try {
    const visits = Object.entries(clients).map(([id, facts]) => visit(id, facts, app, emulator))
    for (const { run } of visits) await run(steps.slice(0, -1))
    await app.restart()
    for (const { run } of visits) await run(steps.slice(-1))
    return visits.map(({ id, facts, outcomes }) => ({
      client: id,
      provider: emulator.facts.id,
      place,
      state: stateOf(outcomes, facts),
      steps: outcomes
    }))
  } finally {
    await app.close()
  }
}

/** A client at an app. Each has a user of its own at the provider. */
function visit (id: string, facts: ClientFacts, app: Deployment, emulator: Emulator) {
  const { fetch, logs } = app
  const outcomes: StepOutcome[] = []
  const client: DrivenClient = openClient(facts, app.mcp, {
    fetch,
    browser: async url => {
      const stopAt = url.searchParams.get('redirect_uri') ?? ''
      return (await headlessLogin(url, { stopAt, fetch })).url
    },
    configuration: byHand(id, facts)?.configuration ?? {},
    tool: { name: 'whoami' },
    protectedTool: { name: 'clearNotes' }
  })
  return {
    id,
    facts,
    outcomes,
    async run (chosen: readonly Step[]) {
      emulator.user = id
      for (const step of chosen) {
        const isOver = outcomes.some(({ step, outcome }) =>
          outcome === 'failed' && (step === 'register' || step === 'log in')
        )
        if (isOver) {
          outcomes.push({ step, outcome: 'not done', problem: 'An earlier step failed' })
          continue
        }
        const before = logs.length
        const result = await client.run(step)
        const { outcome, problem } = result
        const reason = outcome === 'failed'
          ? reasonOf(result, facts, client.credentials, emulator.facts)
          : undefined
        outcomes.push({
          step,
          outcome,
          ...problem !== undefined && { problem },
          ...reason && { explained: reason.reason, by: reason.by },
          ...outcome === 'failed' && { log: logs.slice(before) }
        })
      }
    }
  }
}

/** The state of a cell with these steps. */
export function stateOf (
  outcomes: readonly StepOutcome[],
  { cannot }: Pick<ClientFacts, 'cannot'>
): CellState {
  const failed = outcomes.filter(({ outcome }) => outcome === 'failed')
  if (
    outdatedSteps(outcomes, cannot).length > 0 ||
    failed.some(({ explained }) => explained === undefined)
  ) return 'red'
  return failed.length > 0 ? 'explained' : 'green'
}

/**
 * Steps that succeeded against the facts. Without a refresh token a client goes on as others do, so
 * what it cannot do is seen only if its refresh succeeded.
 */
function outdatedSteps (
  outcomes: readonly StepOutcome[],
  cannot: ClientFacts['cannot'] = {}
): Step[] {
  if (outcomes.some(({ step, outcome }) => step === 'refresh' && outcome === 'failed')) return []
  return outcomes.flatMap(({ step, outcome }) =>
    outcome === 'ok' && cannot[step] !== undefined ? [step] : []
  )
}

/** The causes of a red cell, each with client, provider, place and step. */
export function problemsOf (
  { client, provider, place, state, steps }: Cell,
  { cannot }: Pick<ClientFacts, 'cannot'>
): string[] {
  if (state !== 'red') return []
  const outdated = outdatedSteps(steps, cannot)
  return steps.flatMap(({ step, outcome, problem, explained, log = [] }) => {
    const where = `${client} at ${provider}, ${place}: ${step}`
    if (outdated.includes(step)) {
      return [`${where} succeeded, and its facts say that it cannot`]
    }
    return outcome === 'failed' && explained === undefined
      ? [[`${where} failed: ${problem}`, ...log].join('\n  ')]
      : []
  })
}
