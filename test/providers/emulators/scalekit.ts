import { scalekit as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://acme.scalekit.com'
const docs = 'https://docs.scalekit.com/authenticate/fsa'

const subjectOf = ({ user }: Grant) => `usr_${String(user.number).padStart(17, '1')}`

/** A web application. */
export const scalekit: ProviderFacts = {
  id: 'scalekit',
  name: 'Scalekit, web application',
  sources: [
    {
      url: `${docs}/multiapp/web-app`,
      heading: 'Step-by-step implementation; Handle errors',
      date: '2026-08-21',
      facts: 'endpoints, token, accessToken.seconds, codeSeconds, denied'
    },
    {
      url: `${docs}/manage-session`,
      heading: 'Request offline_access to receive a refresh token',
      date: '2026-08-21',
      facts: 'refresh.issued, refresh.rotation, refresh.reuse'
    },
    {
      url: `${docs}/complete-login`,
      heading: 'ID token claims reference; Validate ID tokens without an SDK',
      date: '2026-08-21',
      facts: 'issuer, metadata URL, idToken'
    },
    {
      url: `${docs}/implement-login`,
      heading: 'Authorization URL format',
      date: '2026-08-21',
      facts: 'authorization: scope is required'
    }
  ],
  unsourced: [
    'whether the secret is taken in a header, too: taken as no',
    'whether there are userinfo and revocation endpoints: taken as no',
    'which scopes are refused, and how',
    'the lifetime of refresh tokens: they end with the session',
    'whether a refresh returns an ID token'
  ],
  issuer,
  preset: client => preset({ domain: 'acme.scalekit.com', ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('scalekit')
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'profile', 'email', 'offline_access'],
      others: 'unknown',
      absent: { error: 'invalid_request', description: 'scope is required' }
    },
    pkce: 'optional',
    redirectUri: 'exact',
    denied: { error: 'access_denied', description: 'User denied access' }
  },
  token: {
    authentication: ['client_secret_post'],
    rules: [],
    format: 'json',
    faults: {},
    codeSeconds: 600,
    expiresIn: 'number',
    scope: 'absent'
  },
  accessToken: {
    format: 'jwt',
    seconds: 299,
    claims: grant => ({
      sub: subjectOf(grant),
      aud: [grant.clientId],
      oid: 'org_59615193906282635',
      sid: grant.session,
      client_id: grant.clientId
    })
  },
  idToken: {
    algorithm: 'RS256',
    seconds: 1800,
    claims: grant => ({
      sub: subjectOf(grant),
      aud: [grant.clientId],
      azp: grant.clientId,
      oid: 'org_59615193906282635',
      sid: grant.session,
      email: grant.user.email,
      email_verified: grant.user.emailVerified,
      name: grant.user.name
    }),
    onRefresh: 'unknown'
  },
  userinfo: null,
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 0,
    reuse: 'refused',
    seconds: 'unknown'
  },
  revocation: null
}
