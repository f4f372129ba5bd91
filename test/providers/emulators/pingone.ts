import { pingone as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const environmentId = 'abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6'
const issuer = `https://auth.pingone.eu/${environmentId}/as`
const api = 'https://developer.pingidentity.com/pingone-api'

const subjectOf = ({ user }: Grant) =>
  `7d21ad65-05ac-4d2a-8f10-${String(user.number).padStart(12, '0')}`

/** An OIDC web app of the European region, with the default settings for refresh tokens. */
export const pingone: ProviderFacts = {
  id: 'pingone',
  name: 'PingOne, OIDC web app',
  sources: [
    {
      url: `${api}/auth/openid-connect-oauth-2.html`,
      heading: 'OpenID Connect/OAuth 2; Discovery OpenID Configuration',
      date: '2026-11-28',
      facts: 'issuer, metadata'
    },
    {
      url: `${api}/auth/openid-connect-oauth-2/authorize-intro.html`,
      heading: 'Authorization',
      date: '2026-11-28',
      facts: 'refresh.issued: with the scope offline_access, if the app has the grant'
    },
    {
      url: `${api}/workflow-library/using-postman-workflow-collections/` +
        'using-the-pingone-postman-environment.html',
      heading: 'Region, code, top level domain',
      date: '2026-11-28',
      facts: 'the host names of regions'
    },
    {
      url: 'https://github.com/pingidentity/terraform-provider-pingone/blob/main/docs/resources/' +
        'application.md',
      heading: 'oidc_options',
      date: '2026-07-21',
      facts: 'token.authentication, pkce, refresh: 30 days, 180 days, replay protection, no grace'
    },
    {
      url: `${api}/foundations/authentication-concepts/access-tokens-and-id-tokens.html`,
      heading: 'Access tokens and ID tokens; Token validation',
      date: '2026-11-28',
      facts: 'accessToken.format, RS256, and that refresh tokens end with the session'
    },
    {
      url: `${api}/foundations/pingone-roles-scopes-and-permissions/` +
        'access-services-through-scopes-and-roles/openid-connect-oidc-scopes.html',
      heading: 'OpenID Connect (OIDC) scopes',
      date: '2026-11-29',
      facts: 'authorization.scopes.known, userinfo.claims'
    },
    {
      url: `${api}/auth/openid-connect-oauth-2/token-revocation.html`,
      heading: 'Token Revocation',
      date: '2026-11-29',
      facts: 'revocation: only of tokens for a custom resource, none of which a login has'
    }
  ],
  unsourced: [
    'which scopes are refused, and how',
    'which claims of the scopes ID tokens have: taken as none',
    'the answer to a revocation of tokens that are not revoked: taken as 200',
    'whether a refresh returns an ID token'
  ],
  issuer,
  preset: client => preset({ environmentId, domain: 'auth.pingone.eu', ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('pingone')
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'],
      others: 'unknown',
      absent: 'unknown'
    },
    pkce: 'optional',
    redirectUri: 'exact',
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {},
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: {
    format: 'jwt',
    seconds: 3600,
    claims: grant => ({ sub: subjectOf(grant), client_id: grant.clientId, env: environmentId })
  },
  idToken: {
    algorithm: 'RS256',
    seconds: 3600,
    claims: grant => ({ sub: subjectOf(grant) }),
    onRefresh: 'unknown'
  },
  userinfo: {
    claims: grant => ({
      sub: subjectOf(grant),
      ...grant.scope.includes('email') && {
        email: grant.user.email,
        email_verified: grant.user.emailVerified
      },
      ...grant.scope.includes('profile') && {
        name: grant.user.name,
        preferred_username: grant.user.id
      }
    })
  },
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 0,
    reuse: 'endsGrant',
    seconds: 15_552_000,
    idleSeconds: 2_592_000
  },
  revocation: {
    refreshToken: 'ignored',
    accessToken: 'ignored',
    unknown: 'ok',
    authentication: 'client'
  }
}
