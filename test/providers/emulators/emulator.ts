import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Internet } from '../../support/internet.ts'
import { createKey, type IssuerKey } from '../../support/issuer.ts'
import { authorize } from './authorize.ts'
import { describeUser, publishedKeys, revoke } from './endpoints.ts'
import type { ProviderFacts, Refusal } from './provider.ts'
import { membersOf, refuse, Refused, sendJson, statusOf } from './requests.ts'
import type { Parameters } from './requests.ts'
import { createState, userOf, type EmulatedClient } from './state.ts'
import { serveTokens } from './token.ts'

// Serves any provider that is described as `ProviderFacts`, at its real host names in the simulated
// internet, and as strict as the facts are.

export type { EmulatedClient } from './state.ts'

export type EndpointName =
  | 'metadata'
  | 'authorization'
  | 'token'
  | 'jwks'
  | 'userinfo'
  | 'revocation'

export interface EmulatedRequest {
  endpoint: EndpointName
  method: string
  url: string
  headers: IncomingHttpHeaders
  /** The query of an authorization request, otherwise the form. */
  parameters: Parameters
  /** The error it was answered with, if it was refused. */
  error: string | null
}

export interface Emulator {
  facts: ProviderFacts
  /** Short name of the user who logs in next. Everyone has an account. Initially `alice`. */
  user: string
  /** Whether that user declines. */
  declines: boolean
  requests: EmulatedRequest[]
  /** All secrets that it has issued. */
  canaries: ReadonlySet<string>
  /** Refusals that replace the answer of an endpoint, until they are deleted. */
  faults: Partial<Record<EndpointName, Refusal>>
  /** Registers a client, or changes one. */
  register(client: EmulatedClient): void
  /** Sets the clock of the provider forward. */
  advance(seconds: number): void
  /** Signs with new keys; the old ones are no longer published. */
  rotateKeys(): Promise<void>
  /** Ends the logins of a user, or all: an administrator or the user withdrew them. */
  endLogins(user?: string): void
  /** Serves nothing from now on. */
  close(): void
}

const algorithms = ['RS256', 'ES256', 'ES384'] as const
let keyNumber = 0
let firstKeys: Promise<IssuerKey[]> | undefined

/** Keys cost time: emulators begin with the same. */
async function createKeys (): Promise<IssuerKey[]> {
  const number = ++keyNumber
  return await Promise.all(algorithms.map(alg => createKey(`emulated-${number}-${alg}`, alg)))
}

/** Serves a provider. Its endpoints are at the URLs of the metadata and of `endpoints`. */
export async function startEmulator (
  internet: Pick<Internet, 'addSite'>,
  facts: ProviderFacts,
  clients: readonly EmulatedClient[] = []
): Promise<Emulator> {
  const state = createState(facts, await (firstKeys ??= createKeys()))
  const endpoints = endpointsOf(facts)
  const close = await internet.addSite([
    ...new Set([...endpoints.keys()].map(url => new URL(url).host))
  ], serve)

  const emulator: Emulator = {
    facts,
    user: 'alice',
    declines: false,
    requests: [],
    canaries: state.canaries,
    faults: {},
    register: client => {
      state.clients.set(client.clientId, client)
    },
    advance: state.advance,
    close,
    rotateKeys: async () => {
      state.keys = await createKeys()
    },
    endLogins: user => {
      for (const login of state.logins) {
        if (user === undefined || login.grant.user.id === user) login.hasEnded = true
      }
    }
  }
  clients.forEach(emulator.register)
  return emulator

  function serve (request: IncomingMessage, response: ServerResponse): boolean {
    const { host = '' } = request.headers
    const url = new URL(request.url ?? '', `https://${host}`)
    const endpoint = endpoints.get(url.origin + url.pathname)
    if (!endpoint) return false
    const record: EmulatedRequest = {
      endpoint,
      method: request.method ?? '',
      url: url.href,
      headers: request.headers,
      parameters: Object.fromEntries(url.searchParams),
      error: null
    }
    emulator.requests.push(record)
    respond(record, request, response).catch(() => {
      response.destroy()
    })
    return true
  }

  async function respond (
    record: EmulatedRequest,
    request: IncomingMessage,
    response: ServerResponse
  ): Promise<void> {
    const { endpoint } = record
    const fault = emulator.faults[endpoint]
    const received = (parameters: Parameters) => {
      record.parameters = parameters
    }
    if (endpoint === 'token') {
      const refusal = await serveTokens(state, request, response, received, fault)
      record.error = refusal?.error ?? null
      return
    }
    if (endpoint === 'authorization') {
      const visitor = { user: userOf(emulator.user), declines: emulator.declines }
      record.error = authorize(state, request, response, visitor, fault)?.error ?? null
      return
    }
    try {
      if (fault) refuse(fault)
      const answer = {
        metadata: () => facts.metadata?.document ?? {},
        jwks: () => publishedKeys(state),
        userinfo: () => describeUser(state, request),
        revocation: async () => await revoke(state, request, received)
      }[endpoint]
      const body = await answer()
      const status = endpoint === 'revocation' ? facts.revocation?.status ?? 200 : 200
      sendJson(response, status, body)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      record.error = error.refusal.error
      sendJson(response, statusOf(error.refusal), membersOf(error.refusal))
    }
  }
}

/** The endpoints by URL, without query. */
function endpointsOf ({ metadata, endpoints = {} }: ProviderFacts): Map<string, EndpointName> {
  const all: Readonly<Record<string, unknown>> = { ...metadata?.document, ...endpoints }
  const found = new Map<string, EndpointName>()
  const add = (url: unknown, name: EndpointName) => {
    if (typeof url !== 'string') return
    const { origin, pathname } = new URL(url)
    found.set(origin + pathname, name)
  }
  for (const url of metadata?.urls ?? []) add(url, 'metadata')
  add(all['authorization_endpoint'], 'authorization')
  add(all['token_endpoint'], 'token')
  add(all['jwks_uri'], 'jwks')
  add(all['userinfo_endpoint'], 'userinfo')
  add(all['revocation_endpoint'], 'revocation')
  return found
}
