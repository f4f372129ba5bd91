import { workos as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const reference = 'https://workos.com/docs/reference/workos-connect'

const subjectOf = ({ user }: Grant) => `user_${String(user.number).padStart(26, '0')}`

/** An OAuth application of WorkOS Connect. */
export const workos: ProviderFacts = {
  id: 'workos',
  name: 'WorkOS AuthKit, an application of WorkOS Connect',
  sources: [
    {
      url: `${reference}/authorize`,
      heading: 'Authorize',
      date: '2026-11-28',
      facts: 'authorization: scopes, nonce, exact redirect URI'
    },
    {
      url: `${reference}/token`,
      heading: 'Authorization code grant; Access token; ID token; Refresh token grant',
      date: '2026-11-28',
      facts: 'token.authentication, accessToken: 300 s, for the client id, with sid and org_id'
    },
    {
      url: `${reference}/revocation`,
      heading: 'Token revocation',
      date: '2026-11-29',
      facts: 'revocation: the rotated family, other logins stay, 200 for unknown tokens'
    },
    {
      url: `${reference}/metadata/openid-configuration`,
      heading: 'OpenID configuration',
      date: '2026-11-28',
      facts: 'metadata, the revocation endpoint among them'
    }
  ],
  unsourced: [
    'the path of the revocation endpoint: public configurations name /oauth2/revoke',
    'the grace in which a replaced refresh token works, reuse detection, and lifetimes',
    'what happens with unknown scopes, and without PKCE',
    'the wording of errors'
  ],
  issuer: 'https://acme.authkit.app',
  preset: client => preset({ domain: 'acme.authkit.app', ...client }),
  metadata: {
    urls: ['https://acme.authkit.app/.well-known/openid-configuration'],
    document: {
      ...publishedMetadata('workos'),
      revocation_endpoint: 'https://acme.authkit.app/oauth2/revoke'
    }
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'profile', 'email', 'offline_access'],
      others: 'unknown',
      absent: 'unknown'
    },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_post', 'client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {},
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'absent'
  },
  accessToken: {
    format: 'jwt',
    seconds: 300,
    claims: grant => ({
      sub: subjectOf(grant),
      aud: grant.clientId,
      org_id: 'org_00000000000000000000000000',
      sid: `app_consent_${grant.id}`
    })
  },
  idToken: {
    algorithm: 'RS256',
    seconds: 300,
    claims: grant => ({
      sub: subjectOf(grant),
      ...grant.scope.includes('profile') && { name: grant.user.name },
      ...grant.scope.includes('email') && {
        email: grant.user.email,
        email_verified: grant.user.emailVerified
      }
    }),
    onRefresh: 'unknown'
  },
  userinfo: {
    claims: grant => ({
      sub: subjectOf(grant),
      name: grant.user.name,
      email: grant.user.email,
      email_verified: grant.user.emailVerified
    })
  },
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 'unknown',
    reuse: 'unknown',
    seconds: 'unknown'
  },
  revocation: {
    refreshToken: 'login',
    accessToken: 'ignored',
    unknown: 'ok',
    authentication: 'client'
  }
}
