import { logto as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://acme.logto.app/oidc'
const docs = 'https://docs.logto.io'
const code = 'https://github.com/logto-io/logto/blob/master/packages/core/src/oidc'
/** The library that it is built on. */
const library = 'https://github.com/panva/node-oidc-provider/blob/main/lib'

const claimsOf = ({ user, scope }: Grant) => ({
  sub: String(user.number).padStart(12, 'a'),
  ...scope.includes('profile') && { name: user.name, username: user.id, picture: null },
  ...scope.includes('email') && { email: user.email, email_verified: user.emailVerified }
})

/** A traditional web application with the default settings. */
export const logto: ProviderFacts = {
  id: 'logto',
  name: 'Logto, traditional web application',
  sources: [
    {
      url: `${docs}/integrate-logto/application-data-structure`,
      heading: 'Always issue refresh token; Rotate refresh token; Refresh token time-to-live',
      date: '2026-11-28',
      facts: 'refresh.issued, refresh.rotation, refresh.idleSeconds'
    },
    {
      url: `${code}/init.ts`,
      heading: 'initOidc',
      date: '2026-11-28',
      facts: 'pkce, challengeMethods, accessToken, claims in ID tokens, resource, Grant of 180 days'
    },
    {
      url: `${code}/grants/refresh-token.ts`,
      heading: 'buildHandler',
      date: '2026-11-28',
      facts: 'token.faults, refresh.scope, idToken.onRefresh, that the answer repeats the token'
    },
    {
      url:
        'https://github.com/logto-io/logto/blob/master/packages/cli/src/commands/database/utils.ts',
      heading: 'generateOidcPrivateKey',
      date: '2026-11-29',
      facts: 'idToken.algorithm: keys are on the curve P-384 by default'
    },
    {
      url:
        'https://github.com/logto-io/logto/blob/master/packages/core/src/libraries/session/consent.ts',
      heading: 'Grant.find',
      date: '2026-11-29',
      facts: 'revocation.refreshToken: logins of one browser share a grant'
    },
    {
      url: `${library}/actions/revocation.js`,
      heading: 'revocationAction',
      date: '2026-11-29',
      facts: 'revocation: 200 for unknown tokens, the end of the grant'
    },
    {
      url: `${library}/actions/authorization/check_scope.js`,
      heading: 'checkScope',
      date: '2026-11-29',
      facts: 'authorization.scopes: unknown ones are ignored; refresh.issued needs prompt=consent'
    },
    {
      url: `${library}/helpers/defaults.js`,
      heading: 'AuthorizationCodeTTL, revokeGrantPolicy',
      date: '2026-11-29',
      facts: 'codeSeconds, revocation.accessToken: it ends alone'
    }
  ],
  issuer,
  preset: client => preset({ domain: 'acme.logto.app', ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('logto')
  },
  authorization: {
    rules: [
      {
        parameter: 'resource',
        answer: { error: 'invalid_target', description: 'resource indicator is unknown' }
      }
    ],
    scopes: {
      known: ['openid', 'profile', 'email', 'phone', 'offline_access'],
      others: 'ignored',
      absent: []
    },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {
      refreshToken: { error: 'invalid_grant', description: 'refresh token not found' },
      expiredRefreshToken: { error: 'invalid_grant', description: 'refresh token is expired' }
    },
    codeSeconds: 60,
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: { format: 'opaque', seconds: 3600 },
  idToken: { algorithm: 'ES384', seconds: 3600, claims: claimsOf, onRefresh: true },
  userinfo: { claims: claimsOf },
  refresh: {
    issued: { scope: 'offline_access', parameters: { prompt: 'consent' } },
    // A new one comes when 70 % of its time are over.
    rotation: 'repeated',
    seconds: 15_552_000,
    idleSeconds: 1_209_600,
    scope: 'granted'
  },
  revocation: {
    refreshToken: 'session',
    accessToken: 'token',
    unknown: 'ok',
    authentication: 'client'
  }
}
