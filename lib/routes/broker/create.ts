import { createAssertions } from '../../broker/assertions.ts'
import { createClientDocuments } from '../../broker/cimd.ts'
import { authenticationMethods, createClients } from '../../broker/clients.ts'
import { createCookies } from '../../broker/cookies.ts'
import { createGrants } from '../../broker/grants.ts'
import { createLedger } from '../../broker/ledger.ts'
import { createRevocation } from '../../broker/revocation.ts'
import { createSealer } from '../../broker/seal.ts'
import { createSigningKeys } from '../../broker/signing.ts'
import { createStates } from '../../broker/state.ts'
import { memoryStore } from '../../broker/store/memory.ts'
import { createUpstream } from '../../broker/upstream.ts'
import type { Config, ProviderConfig } from '../../config.ts'
import type { Log } from '../../contracts.ts'
import { createPublicFetch } from '../../http/public-fetch.ts'
import { authorizationServerDocument } from '../../oauth/metadata.ts'
import { proofCheckOf } from '../../proofs.ts'
import type { Provider } from '../../provider.ts'
import type { SiteSource } from '../../site.ts'
import type { Broker } from './broker.ts'

/** Scopes a client may always ask for: they say nothing about this server, and no access token of ours has them. */
const identityScopes = ['openid', 'profile', 'email', 'offline_access']

/**
 * Puts the broker together. Nothing in it is kept but what the store remembers.
 *
 * @param catalog the scopes of this server and its tools, complete once the app is ready
 */
export async function createBroker (config: Config & { readonly provider: ProviderConfig }, provider: Provider, site: SiteSource, log: Log, catalog: () => readonly string[]): Promise<Broker> {
  const { provider: { issuer: providerIssuer, clientId, clientSecret, audience, defaultScopes, authorizeUrl, traits }, secrets } = config
  // What is sealed at one registration opens at no other, although they may share a secret and a store.
  const context = `${providerIssuer} ${clientId} ${config.prefix}`
  const sealer = createSealer(secrets, context)
  const signing = await createSigningKeys(secrets, context)
  // 20,000 entries take about 5 MB: full of what strangers sent, all of these leave room in a heap of 128 MB.
  const ledger = config.store ? createLedger(config.store, context) : createLedger(memoryStore({ max: 100_000 }), context, () => memoryStore({ max: 20_000 }))
  const issuer = () => site().base
  const redirectUri = () => `${site().base}/oauth/callback`
  const upstream = createUpstream({ metadata: provider.metadata, clientId: clientId as string, clientSecret, scopes: defaultScopes, audience, traits, redirectUri })
  const revocation = createRevocation({ ledger, sealer, upstream, log })
  const redirectPolicy = () => {
    const { base, resource } = site()
    const own = ['authorize', 'token', 'register', 'callback', 'consent', 'revoke', 'jwks'].flatMap(name => [`${base}/oauth/${name}`, ...(config.legacyEndpoints ? [`${base}/${name}`] : [])])
    return { allowed: config.allowedRedirectUris, forbidden: [resource, ...own, ...(authorizeUrl ? [authorizeUrl] : [])] }
  }
  const documents = config.clientIdMetadata && createClientDocuments({ fetch: createPublicFetch(), redirectPolicy, log, allowedHosts: config.clientIdMetadata.allowedHosts })

  const machines = config.clients.some(({ grantTypes }) => grantTypes?.includes('client_credentials'))

  return {
    config,
    site,
    log,
    sealer,
    signing,
    ledger,
    upstream,
    issuer,
    revocation,
    catalog,
    redirectPolicy,
    clients: createClients(sealer, config.clients, documents),
    assertions: createAssertions(config.clients, ledger, () => [issuer(), `${issuer()}/oauth/token`]),
    machines,
    states: createStates(secrets, context),
    grants: createGrants({ sealer, signing, revocation, upstream, issuer, authorizeUser: config.authorizeUser, upstreamToken: config.upstreamToken }),
    checkProof: proofCheckOf(config, site, 'token'),
    cookies: () => createCookies(site().base.startsWith('https:')),
    rules: () => ({ resource: site().resource, knownScopes: [...catalog(), ...identityScopes], defaultScopes: config.requiredScopes }),
    listed: config.allowedRedirectUris !== null,
    async document () {
      const { base } = site()
      return JSON.stringify(authorizationServerDocument({
        issuer: base,
        authorizationEndpoint: `${base}/oauth/authorize`,
        tokenEndpoint: `${base}/oauth/token`,
        ...(config.registration && { registrationEndpoint: `${base}/oauth/register` }),
        scopes: [...catalog(), 'offline_access'],
        broker: { jwksUri: `${base}/oauth/jwks`, revocationEndpoint: `${base}/oauth/revoke`, clientIdMetadata: documents !== null, dpop: config.dpop !== 'off' },
        authenticationMethods: authenticationMethods(config.clients),
        machines
      }))
    }
  }
}
