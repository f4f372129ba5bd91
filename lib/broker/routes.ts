/** Which endpoints does the broker have? */

import type { FastifyInstance } from 'fastify'
import { loadPublicFetch } from '../clients/documents.ts'
import { registerEndpoint } from '../clients/register.ts'
import type { JWTVerifyGetKey } from '../crypto/signing-keys.ts'
import type { ApplicationsOptions } from '../guard/grants.ts'
import { loadOnListen } from '../host/app.ts'
import { closingOf } from '../host/closing.ts'
import { pathOf, serveEndpoints, type Endpoint } from '../host/endpoint.ts'
import { extensionsOf } from '../oauth/extensions.ts'
import { authorizationServerDocument } from '../oauth/metadata.ts'
import { loadOidc } from '../provider/client.ts'
import type { UpstreamAccess } from '../types.ts'
import type { Claims } from '../verifiers/claims.ts'
import { lazy } from '../util/lazy.ts'
import { createBroker, type Broker, type BrokerOptions } from './broker.ts'
import { authorizeEndpoint } from './endpoints/authorize.ts'
import { backchannelLogoutEndpoint } from './endpoints/backchannel-logout.ts'
import { callbackEndpoint } from './endpoints/callback.ts'
import { consentEndpoint } from './endpoints/consent.ts'
import { jwksEndpoint } from './endpoints/jwks.ts'
import { revokeEndpoint } from './endpoints/revoke.ts'
import { offeredGrants, tokenEndpoint } from './endpoints/token.ts'
import { loadCookie } from './logins.ts'
import { isEnded } from './own-tokens.ts'
import { checkSharedSecrets } from './secret-check.ts'

const loadApplications = lazy('grantIndex', () => import('./applications.ts'))

/**
 * All endpoints of the broker. The metadata document, the routes, CORS, and the redirect URIs that
 * clients cannot have are read from here.
 */
export const endpoints: Array<Endpoint<Broker>> = [
  authorizeEndpoint,
  consentEndpoint,
  callbackEndpoint,
  tokenEndpoint,
  registerEndpoint,
  revokeEndpoint,
  backchannelLogoutEndpoint,
  jwksEndpoint
]

/**
 * Creates a broker and serves its endpoints in a scope that is isolated from the host.
 *
 * @returns the function that returns its metadata document (RFC 8414), how its tokens are verified,
 *   and the names of its clients
 */
export async function registerBroker (instance: FastifyInstance, context: BrokerOptions) {
  const { config, log, catalog } = context
  const { legacyEndpoints, clients, workloads } = config
  const paths = endpoints.flatMap(endpoint => [
    pathOf(endpoint),
    ...(legacyEndpoints ? [`/${endpoint.name}`] : [])
  ])
  const broker = await createBroker(context, paths, closingOf(instance).running)
  const endpointUrls = serveEndpoints(instance, broker, endpoints)
  checkSharedSecrets(instance, broker)
  loadOnListen(instance, log, loadOidc, loadCookie, loadPublicFetch)
  // By then the routes and tools are known.
  instance.addHook('onListen', async () => {
    const known = catalog()
    const lists = { clients, trustedIssuers: config.trustedIssuers, workloads }
    for (const [option, entries] of Object.entries(lists)) {
      const scopes = entries.flatMap(({ scopes = [] }) => scopes)
        .filter(name => !known.includes(name))
      if (scopes.length === 0) continue
      log.info(
        { option, scopes },
        'Only this option has these scopes: no other, and no route or tool names them. ' +
          'Check them for typing errors'
      )
    }
  })
  const authenticationMethods = [
    'none',
    ...(clients.some(({ secretHashes }) => secretHashes)
      ? ['client_secret_basic', 'client_secret_post']
      : []),
    ...(config.clientIdMetadata || clients.some(({ jwks }) => jwks) ||
        workloads.some(({ clients }) => clients)
      ? ['private_key_jwt']
      : [])
  ]
  let written: { base: string, scopes: readonly string[], text: string } | undefined
  const document = () => {
    const [base, scopes] = [issuer(), catalog()]
    if (written?.base === base && written.scopes === scopes) return written.text
    const text = JSON.stringify(authorizationServerDocument({
      issuer: base,
      endpoints: endpointUrls(base),
      grantTypes: Object.keys(offeredGrants(config)),
      scopes: [...scopes, 'offline_access'],
      broker: {
        clientIdMetadata: config.clientIdMetadata !== null,
        dpop: config.dpop !== 'off',
        profiles: extensionsOf(config).profiles
      },
      authenticationMethods
    }))
    written = { base, scopes, text }
    return text
  }
  const { issuer, sealer, signing, grants, revocation: { revokeGrant } } = broker
  const keys: JWTVerifyGetKey = async (...token) => await (await signing()).find(...token)
  const openSealed = async (sealed: string, now: number) =>
    await sealer.open('access', sealed, now) as UpstreamAccess | null
  const openUpstream = config.upstreamToken ? openSealed : null
  const isRevoked = (claims: Claims) => isEnded(broker, claims)
  const { nameOf } = broker.clients
  const ownTokens = { issuer, keys, isRevoked, openUpstream, openSealed, revokeGrant, nameOf }
  const grantPages = grants && {
    list: grants.list,
    /** Serves the page of the grants of a user. */
    serve: async (instance: FastifyInstance, subjectOf: ApplicationsOptions['subject']) =>
      (await loadApplications()).serveApplications(instance, broker, grants, subjectOf)
  }
  return { document, ownTokens: { ...ownTokens, grantPages } }
}
