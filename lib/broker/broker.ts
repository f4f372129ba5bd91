/** Which parts do the endpoints of the broker share? */

import { createClients } from '../clients/clients.ts'
import { createClientDocuments } from '../clients/documents.ts'
import { createSealer } from '../crypto/sealer.ts'
import { createSigningKeys } from '../crypto/signing-keys.ts'
import { createDpopVerifier } from '../dpop/verifier.ts'
import type { Events } from '../host/events.ts'
import type { Conditions } from '../host/health.ts'
import type { Running } from '../host/closing.ts'
import { floodedStoreEntries, sharedStoreEntries, slowWarningMs } from '../limits.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { ListedTool } from '../options/page-details.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import { createProviderLogin } from '../provider/login.ts'
import { memoryStore } from '../store/memory.ts'
import { createOneTimeMarks } from '../store/one-time.ts'
import type { Revocations } from '../store/revocations.ts'
import type { Log } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import { lazy } from '../util/lazy.ts'
import { throttled } from '../util/throttled.ts'
import { createLoginCookies, createLoginStates } from './logins.ts'
import { createKept } from './kept.ts'
import { createReturns } from './returns.ts'
import { ownerOf, createRevocation } from './revocation.ts'
import { createSingleFlight } from './single-flight.ts'

const loadIssuers = lazy('trustedIssuers', () => import('./issuers.ts'))
const loadGrantIndex = lazy('grantIndex', () => import('./grant-index.ts'))

/** The registration of a broker. */
export interface BrokerOptions {
  config: Config & { provider: ProviderConfig }
  discovery: ProviderDiscovery
  urls: UrlSource
  log: Log
  events: Events
  conditions?: Pick<Conditions, 'provider'>
  revocations: Revocations
  /** The scopes of this server and its tools, complete once the app is ready. */
  catalog: () => readonly string[]
  /** The tools at start-up, as far as all callers are listed the same ones. */
  tools: () => readonly ListedTool[]
}

/** A broker: what its endpoints share. */
export type Broker = Awaited<ReturnType<typeof createBroker>>

/**
 * Scopes that every client may request: they concern the user, not this server, and no access
 * token of ours has them.
 */
const identityScopes = ['openid', 'profile', 'email', 'offline_access']

/**
 * Creates a broker. It stores nothing outside the store.
 *
 * @param paths of the endpoints below the prefix: clients cannot have redirect URIs there
 * @param running what the app waits for when it closes
 */
export async function createBroker (
  context: BrokerOptions,
  paths: readonly string[],
  running?: Set<Running>
) {
  const { config, discovery, urls, log, catalog, revocations } = context
  const { provider: { authorizeUrl, ...client }, secrets, clients, store } = config
  // Registrations with the same secret and store must not open each other's values.
  const name = `${client.issuer} ${client.clientId} ${config.prefix}`
  let reported = false
  const sealer = createSealer(secrets, name, () => {
    // Anyone can send such a value: it is logged once.
    if (reported) return
    reported = true
    log.warn(
      { option: 'secret' },
      'A value in the format of this server was sealed with none of its secrets: it is forged, ' +
        'another instance has a secret that is not listed here, or one was removed too early. ' +
        'Give all instances the same'
    )
  })
  const shared = store ?? memoryStore({ max: sharedStoreEntries })
  const marks = createOneTimeMarks(
    shared,
    name,
    store ? undefined : () => memoryStore({ max: floodedStoreEntries })
  )
  const issuer = () => urls().base
  const redirectUri = () => `${issuer()}/oauth/callback`
  const provider = createProviderLogin({
    ...client,
    clientId: client.clientId as string,
    scopes: client.defaultScopes,
    metadata: discovery.metadata,
    redirectUri,
    needsClaims: config.authorizeUser !== null,
    log,
    condition: context.conditions?.provider
  })
  const redirectPolicy = () => {
    const { base, resource } = urls()
    return {
      allowed: config.allowedRedirectUris,
      forbidden: [resource, authorizeUrl ?? [], paths.map(path => base + path)].flat()
    }
  }
  const documents = config.clientIdMetadata &&
    createClientDocuments(redirectPolicy, config.clientIdMetadata.allowedHosts, log)

  let keys: ReturnType<typeof createSigningKeys> | undefined
  const signing = () => (keys ??= createSigningKeys(secrets, name))
  const kept = createKept({ marks, sealer, log })
  const warnOfDelay = throttled(slowWarningMs, (waitsFor: string) => {
    log.error(
      {},
      `Token requests wait for ${waitsFor} for more than five seconds. Find out why it is slow`
    )
  })
  let isRefreshable = true
  function warnOfNoRefreshToken () {
    if (isRefreshable) {
      log.warn(
        { option: 'defaultScope' },
        'The provider issued no refresh token: users log in again when their access token expires. ' +
          `${
            client.defaultScopes.includes('offline_access')
              ? 'Allow this client offline_access at the provider'
              : 'Request offline_access'
          }, or what the page of the provider says`
      )
    }
    isRefreshable = false
  }
  const now = () => Date.now() / 1000
  const { index } = shared
  const grants = config.grantIndex && index
    ? (await loadGrantIndex()).createGrantIndex({
      config,
      index,
      marks,
      isRevoked: async ({ grant, subject, client: { id }, since, session }) =>
        await marks.isRevokedNow(grant) ||
        await revocations.isRevoked(
          ownerOf(config, id, { subject, since: since / 1000, session })
        ),
      sealer,
      name,
      now,
      log
    })
    : null

  const issuers = config.trustedIssuers.length + config.workloads.length > 0
    ? (await loadIssuers()).createIssuers({ config, issuer, marks, log })
    : null

  return {
    ...context,
    /** Null without the options `trustedIssuers` and `workloads`. */
    issuers,
    /** Seconds since 1970. */
    now,
    /** Null without the option `grantIndex`. */
    grants,
    sealer,
    signing,
    marks,
    kept,
    singleFlight: createSingleFlight(marks, running, warnOfDelay),
    warnOfNoRefreshToken,
    provider,
    returns: createReturns(store === null, redirectUri, log),
    issuer,
    revocation: createRevocation({
      marks,
      kept,
      provider: config.revokeAtProvider ? provider : { revoke: async () => {} },
      lifetimes: config.lifetimes,
      log
    }),
    redirectPolicy,
    clients: createClients(
      sealer,
      clients,
      documents,
      config.setupFakeDynamicRegistration ? config.lifetimes.registration ?? Infinity : 0
    ),
    states: createLoginStates(secrets, name, config.lifetimes.consent),
    /** Null if tokens are never bound to keys. */
    checkProof: createDpopVerifier(config, urls, 'token'),
    cookies: () => createLoginCookies(issuer().startsWith('https:'), config.lifetimes),
    rules: () => ({
      resource: urls().resource,
      knownScopes: [...catalog(), ...identityScopes],
      defaultScopes: config.requiredScopes,
      unknownScopes: config.unknownScopes
    })
  }
}
