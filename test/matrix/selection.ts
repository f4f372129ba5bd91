import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { clients as knownClients } from '../clients/index.ts'
import type { ClientFacts } from '../clients/client.ts'
import { providers as knownProviders } from '../providers/emulators/index.ts'
import type { ProviderFacts } from '../providers/emulators/provider.ts'
import type { Clients, Selection } from './cells.ts'
import { placeNames, type Place } from './places.ts'

// Which cells run? All, those that were picked by name, or those of somebody's own files.

/** As entered. Clients and providers are names of the lists, or paths of files. */
export interface Picks {
  client?: readonly string[]
  provider?: readonly string[]
  place?: readonly string[]
}

export interface Chosen extends Selection {
  places: readonly Place[]
  isWhole: boolean
}

const isPath = (text: string) => /[./\\]/.test(text)

/**
 * Facts in files are added to the lists. If there are any, only the cells with one of them run.
 *
 * @throws {Error} for a name that is in no list, or a file without facts
 */
export async function selectCells (picks: Picks): Promise<Chosen> {
  const { client = [], provider = [], place = [] } = picks
  const ownClients = Object.fromEntries(
    (await factsIn<ClientFacts>(client, 'protocolVersions')).map(facts => [idOf(facts), facts])
  )
  const ownProviders = await factsIn<ProviderFacts>(provider, 'authorization')
  const all = { ...knownClients, ...ownClients }
  const ownIds = ownProviders.map(({ id }) => id)
  const allProviders = [
    ...knownProviders.filter(({ id }) => !ownIds.includes(id)),
    ...ownProviders
  ]
  const clientNames = pick('client', client, Object.keys(all), Object.keys(ownClients))
  const providerNames = pick('provider', provider, allProviders.map(({ id }) => id), ownIds)
  const places = pick('place', place, placeNames, []) as Place[]
  const hasOwn = ownIds.length > 0 || Object.keys(ownClients).length > 0
  return {
    clients: Object.fromEntries(Object.entries(all).filter(([id]) => clientNames.includes(id))),
    providers: allProviders.filter(({ id }) => providerNames.includes(id)),
    places,
    isWhole: client.length === 0 && provider.length === 0 && place.length === 0,
    isWanted: (id, providerId, where) =>
      places.includes(where) && (!hasOwn || id in ownClients || ownIds.includes(providerId))
  }
}

/**
 * The cells of the suite: each client at each provider once. Each client is in each place, and so
 * is each provider, with one of its settings.
 */
export function pairwise (
  clients: Clients,
  providers: readonly ProviderFacts[]
): Selection['isWanted'] {
  const ids = providers.map(({ id }) => id)
  const vendors = [...new Set(ids.map(vendorOf))]
  const names = Object.keys(clients)
  return (client, provider, place) => {
    const vendor = vendorOf(provider)
    const settings = ids.filter(id => vendorOf(id) === vendor)
    const turn = (names.indexOf(client) + vendors.indexOf(vendor)) % placeNames.length
    return placeNames[turn] === place && settings[turn % settings.length] === provider
  }
}

/** The provider of a setting: `okta` for `okta-org`. */
export function vendorOf (id: string): string {
  return id.split('-')[0] ?? id
}

/** The picked names of a list, with the added ones; all without picks. */
function pick (
  flag: string,
  picks: readonly string[],
  known: readonly string[],
  added: readonly string[]
): readonly string[] {
  const names = picks.filter(name => !isPath(name))
  const missing = names.filter(name => !known.includes(name))
  if (missing.length > 0) {
    throw new Error(`--${flag}: ${missing} is not known. Use: ${known.join(', ')}`)
  }
  return names.length === 0 ? known : [...names, ...added]
}

/** The exported facts of files: objects that have a certain member. */
async function factsIn<T> (picks: readonly string[], member: keyof T & string): Promise<T[]> {
  const found = await Promise.all(
    picks.filter(isPath).map(async path => {
      const exported: object = await import(pathToFileURL(resolve(path)).href)
      const facts = Object.values(exported).flat().filter(value => member in Object(value))
      if (facts.length === 0) throw new Error(`${path} exports no facts with ${member}.`)
      return facts
    })
  )
  return found.flat()
}

function idOf ({ name }: ClientFacts): string {
  const id = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')
  return id in knownClients ? `own-${id}` : id
}
