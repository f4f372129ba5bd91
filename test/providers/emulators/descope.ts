import { descope as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://api.descope.com/v1/apps/P2abc'
const docs = 'https://docs.descope.com'

const subjectOf = ({ user }: Grant) => `U2${String(user.number).padStart(25, '0')}`

/** A confidential inbound app that defines the scopes `profile` and `email`. */
export const descope: ProviderFacts = {
  id: 'descope',
  name: 'Descope, inbound app',
  sources: [
    {
      url: `${docs}/identity-federation/inbound-apps/authorization-server`,
      heading: 'Base URL; Endpoint Reference; Discovery and JWKs',
      date: '2026-11-28',
      facts: 'endpoints, metadata'
    },
    {
      url: `${docs}/inbound-apps/using-inbound-apps`,
      heading: 'Authorization Code Flow; Scopes',
      date: '2026-11-28',
      facts: 'authorization.scopes: only those that the app defines'
    },
    {
      url: `${docs}/inbound-apps/creating-inbound-apps`,
      heading: 'Types of Inbound Apps',
      date: '2026-11-28',
      facts: 'authorization.pkce, and that a refresh needs the secret'
    },
    {
      url: 'https://github.com/descope/mcp-express/blob/main/src/handlers/metadata.ts',
      heading: 'metadataHandler; README: Self-provided issuer',
      date: '2026-06-23',
      facts: 'issuer, token.authentication, challengeMethods'
    },
    {
      url: `${docs}/api/third-party-apps/token-endpoint`,
      heading: 'Request Body; Response',
      date: '2026-11-28',
      facts: 'token.expiresIn, token.scope'
    }
  ],
  unsourced: [
    'when refresh tokens are issued: taken as always',
    'whether they are replaced: taken as replaced, and a used one as the end of the grant',
    'claims of ID tokens beside sub: taken as none',
    'lifetimes, which are settings of the app',
    'the form of its errors, and what a revocation ends'
  ],
  issuer,
  preset: client => preset({ projectId: 'P2abc', ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('descope')
  },
  authorization: {
    rules: [],
    scopes: { known: ['openid', 'profile', 'email'], others: 'unknown', absent: 'unknown' },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_post'],
    rules: [],
    format: 'json',
    faults: {},
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: { format: 'jwt', seconds: 600, claims: grant => ({ sub: subjectOf(grant) }) },
  idToken: {
    algorithm: 'RS256',
    seconds: 600,
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
      ...grant.scope.includes('profile') && { name: grant.user.name }
    })
  },
  refresh: {
    issued: 'always',
    rotation: 'replaced',
    graceSeconds: 'unknown',
    reuse: 'unknown',
    seconds: 'unknown'
  },
  revocation: {
    refreshToken: 'login',
    accessToken: 'token',
    unknown: 'unknown',
    authentication: 'client'
  }
}
