import { createClientAssertions } from './client-assertions.ts'
import { createClientDocuments } from '../clients/documents.ts'
import { authenticationMethods, createClients } from '../clients/clients.ts'
import { createLoginCookies } from './login-cookies.ts'
import { createTokenIssuer } from './tokens.ts'
import { createOneTimeMarks } from '../store/one-time.ts'
import { createRevocation } from './revocation.ts'
import { createSealer } from '../crypto/sealer.ts'
import { createSigningKeys } from '../crypto/signing-keys.ts'
import { createLoginStates } from './login-state.ts'
import { memoryStore } from '../store/memory.ts'
import { createProviderLogin } from '../provider/login.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { Log } from '../types.ts'
import { createPublicFetch } from '../http/public-fetch.ts'
import { authorizationServerDocument } from '../oauth/metadata.ts'
import { createDpopVerifier } from '../dpop/verifier.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import type { UrlSource } from '../urls.ts'
import { endpointUrls, pathOf, servedBy } from '../host/endpoint.ts'
import type { Broker } from './broker.ts'
import { offeredGrants } from './grants/index.ts'
import { endpoints } from './routes.ts'

const unknownSecret =
  'A value that looks like one of ours opened with none of the secrets: it is forged, or another ' +
  'instance has a secret that is not given here, or a secret was removed too early'

/**
 * Scopes a client may always ask for: they say nothing about this server, and no access token of
 * ours has them.
 */
const identityScopes = ['openid', 'profile', 'email', 'offline_access']

/**
 * Puts the broker together. Nothing in it is kept but what the store remembers.
 *
 * @param catalog the scopes of this server and its tools, complete once the app is ready
 */
export async function createBroker (
  config: Config & { readonly provider: ProviderConfig },
  discovery: ProviderDiscovery,
  urls: UrlSource,
  log: Log,
  catalog: () => readonly string[]
): Promise<Broker> {
  const {
    provider: {
      issuer: providerIssuer,
      clientId,
      clientSecret,
      audience,
      defaultScopes,
      authorizeUrl,
      traits
    },
    secrets
  } = config
  // What is sealed at one registration opens at no other, although they may share a secret and a
  // store.
  const context = `${providerIssuer} ${clientId} ${config.prefix}`
  let reported = false
  const sealer = createSealer(secrets, context, () => {
    // Anyone can send such a value: one line must do.
    if (!reported) log.error({ option: 'secret' }, unknownSecret)
    reported = true
  })
  const signing = await createSigningKeys(secrets, context)
  // 20,000 entries take about 5 MB: full of what strangers sent, all of these leave room in a heap
  // of 128 MB.
  const marks = config.store
    ? createOneTimeMarks(config.store, context)
    : createOneTimeMarks(memoryStore({ max: 100_000 }), context, () => memoryStore({ max: 20_000 }))
  const issuer = () => urls().base
  const redirectUri = () => `${urls().base}/oauth/callback`
  const provider = createProviderLogin({
    metadata: discovery.metadata,
    clientId: clientId as string,
    clientSecret,
    scopes: defaultScopes,
    audience,
    traits,
    redirectUri
  })
  const revocation = createRevocation({ marks, sealer, provider, log })
  const redirectPolicy = () => {
    const { base, resource } = urls()
    const own = endpoints.flatMap(({ name }) => [
      base + pathOf({ name }),
      ...(config.legacyEndpoints ? [`${base}/${name}`] : [])
    ])
    return {
      allowed: config.allowedRedirectUris,
      forbidden: [resource, ...own, ...(authorizeUrl ? [authorizeUrl] : [])]
    }
  }
  const documents = config.clientIdMetadata &&
    createClientDocuments({
      fetch: createPublicFetch(),
      redirectPolicy,
      log,
      allowedHosts: config.clientIdMetadata.allowedHosts
    })

  const broker: Broker = {
    config,
    urls,
    log,
    sealer,
    signing,
    marks,
    provider,
    issuer,
    revocation,
    catalog,
    redirectPolicy,
    clients: createClients(sealer, config.clients, documents),
    clientAssertions: createClientAssertions(
      config.clients,
      marks,
      () => [issuer(), `${issuer()}/oauth/token`]
    ),
    states: createLoginStates(secrets, context),
    tokens: createTokenIssuer({
      sealer,
      signing,
      revocation,
      provider,
      issuer,
      authorizeUser: config.authorizeUser,
      upstreamToken: config.upstreamToken
    }),
    checkProof: createDpopVerifier(config, urls, 'token'),
    cookies: () => createLoginCookies(urls().base.startsWith('https:')),
    rules: () => ({
      resource: urls().resource,
      knownScopes: [...catalog(), ...identityScopes],
      defaultScopes: config.requiredScopes
    }),
    async document () {
      const { base } = urls()
      return JSON.stringify(authorizationServerDocument({
        issuer: base,
        endpoints: endpointUrls(base, servedBy(broker, endpoints)),
        grantTypes: Object.keys(offeredGrants(config)),
        scopes: [...catalog(), 'offline_access'],
        broker: {
          clientIdMetadata: documents !== null,
          dpop: config.dpop !== 'off'
        },
        authenticationMethods: authenticationMethods(config.clients)
      }))
    }
  }
  return broker
}
