import { clerk as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://clerk.example.com'
const guides = 'https://clerk.com/docs/guides/configure/auth-strategies/oauth'

const claimsOf = ({ user, scope }: Grant) => ({
  sub: `user_${String(user.number).padStart(27, '0')}`,
  ...scope.includes('email') && { email: user.email, email_verified: user.emailVerified },
  ...scope.includes('profile') && {
    name: user.name,
    given_name: user.name.split(' ')[0],
    preferred_username: user.id
  }
})

/** A confidential OAuth application with the default JWTs. */
export const clerk: ProviderFacts = {
  id: 'clerk',
  name: 'Clerk, OAuth application',
  sources: [
    {
      url: `${guides}/how-clerk-implements-oauth`,
      heading:
        'Scopes; Custom scopes; Token expiration and management; Authorization server metadata',
      date: '2026-08-21',
      facts: 'metadata, scopes, codeSeconds, accessToken, idToken.seconds, refresh.seconds'
    },
    {
      url: `${guides}/single-sign-on`,
      heading: 'Get additional user information; using the OpenID Connect (OIDC) protocol',
      date: '2026-08-21',
      facts: 'idToken.claims, userinfo.claims'
    }
  ],
  unsourced: [
    'the scopes of a login that requests none: those that the instance is set to',
    'whether PKCE is verified for confidential clients: taken as verified',
    'whether refresh tokens are replaced: taken as replaced, and a used one as the end of the grant',
    'whether a refresh returns an ID token',
    'whether tokens can be revoked by clients: the metadata have no endpoint for it'
  ],
  issuer,
  preset: client => preset({ domain: 'clerk.example.com', ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('clerk')
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'profile', 'email', 'offline_access'],
      others: { error: 'invalid_scope' },
      absent: 'unknown'
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
    faults: {},
    codeSeconds: 600,
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: {
    format: 'jwt',
    seconds: 86_400,
    claims: grant => ({ sub: claimsOf(grant).sub, client_id: grant.clientId })
  },
  idToken: { algorithm: 'RS256', seconds: 86_400, claims: claimsOf, onRefresh: 'unknown' },
  userinfo: {
    claims: grant => ({
      object: 'oauth_user_info',
      user_id: claimsOf(grant).sub,
      ...claimsOf(grant)
    })
  },
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 'unknown',
    reuse: 'unknown',
    seconds: null
  },
  revocation: null
}
