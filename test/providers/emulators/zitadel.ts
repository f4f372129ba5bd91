import { zitadel as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const domain = 'acme-a1b2c3.us1.zitadel.cloud'
const issuer = `https://${domain}`
const docs = 'https://zitadel.com/docs/apis/openidoauth'
const code = 'https://github.com/zitadel/oidc/blob/main/pkg/op'

const namesOf = ({ user }: Grant) => ({
  sub: `2${String(user.number).padStart(17, '0')}`,
  preferred_username: `${user.id}@acme.${domain}`
})

/** A web application with the method Code, and with the grant of refresh tokens. */
export const zitadel: ProviderFacts = {
  id: 'zitadel',
  name: 'ZITADEL, web application',
  sources: [
    {
      url: `${docs}/endpoints`,
      heading: 'OpenID Connect 1.0 Discovery; authorization_endpoint; token_endpoint',
      date: '2026-11-28',
      facts: 'endpoints, redirectUri, token, refresh.rotation, idToken.onRefresh'
    },
    {
      url: `${docs}/claims`,
      heading: 'Claims',
      date: '2026-11-28',
      facts: 'idToken.claims, userinfo.claims: e-mail and name in the userinfo only'
    },
    {
      url: `${docs}/scopes`,
      heading: 'Standard Scopes',
      date: '2026-11-28',
      facts: 'authorization.scopes.known, refresh.issued'
    },
    {
      url: `${code}/auth_request.go`,
      heading: 'ValidateAuthReqScopes',
      date: '2026-08-17',
      facts: 'authorization.scopes.others, authorization.scopes.absent'
    },
    {
      url: `${code}/token_refresh.go`,
      heading: 'ValidateRefreshTokenRequest, AuthorizeRefreshClient',
      date: '2026-08-17',
      facts: 'token.faults.refreshToken, refresh.scope'
    },
    {
      url: 'https://help.zitadel.com/how-to-enable-and-receive-refresh-tokens',
      heading: 'How to get a Refresh Token?',
      date: '2026-11-28',
      facts: 'refresh.issued, refresh.rotation'
    }
  ],
  unsourced: [
    'lifetimes, which are settings of the instance',
    'what a used refresh token does: taken as the end of the grant',
    'what a revocation ends, and the answer to unknown tokens'
  ],
  issuer,
  preset: client => preset({ domain, ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('zitadel')
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'],
      others: 'ignored',
      absent: { error: 'invalid_request', description: 'The scope of your request is missing.' }
    },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    denied: { error: 'access_denied' },
    check: ({ prompt = '' }) =>
      /\bnone\b/.test(prompt) && prompt !== 'none'
        ? { error: 'invalid_request', description: 'none must only be used as a single value' }
        : null
  },
  token: {
    authentication: ['client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {
      client: { error: 'invalid_client', description: 'invalid client_id / client_secret' }
    },
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: { format: 'opaque', seconds: 3600 },
  idToken: {
    algorithm: 'RS256',
    seconds: 3600,
    claims: grant => ({ ...namesOf(grant), azp: grant.clientId, amr: ['pwd'] }),
    onRefresh: true
  },
  userinfo: {
    claims: grant => ({
      ...namesOf(grant),
      ...grant.scope.includes('profile') && { name: grant.user.name },
      ...grant.scope.includes('email') && {
        email: grant.user.email,
        email_verified: grant.user.emailVerified
      }
    })
  },
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 'unknown',
    reuse: 'unknown',
    seconds: 'unknown',
    scope: 'granted'
  },
  revocation: {
    refreshToken: 'login',
    accessToken: 'token',
    unknown: 'unknown',
    authentication: 'client'
  }
}
