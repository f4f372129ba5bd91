import { google as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { ProviderFacts } from './provider.ts'

const identity = 'https://developers.google.com/identity'

export const google: ProviderFacts = {
  id: 'google',
  name: 'Google, web client of an external audience',
  sources: [
    {
      url: `${identity}/openid-connect/openid-connect`,
      heading: "Discovery document; Authentication URI parameters; An ID token's payload",
      date: '2026-11-28',
      facts: 'issuer, metadata, authorization.rules, idToken'
    },
    {
      url: `${identity}/protocols/oauth2/web-server`,
      heading: 'Set authorization parameters; Exchange authorization code; Revoking a token',
      date: '2026-11-28',
      facts: 'refresh.issued, token, revocation'
    },
    {
      url: `${identity}/protocols/oauth2`,
      heading: 'Refresh token expiration',
      date: '2026-11-28',
      facts: 'refresh.maxTokens, refresh.idleSeconds'
    },
    {
      url: 'https://github.com/googleapis/google-api-java-client/issues/1479',
      heading: 'Invalid code verifier',
      date: '2020-01-19',
      facts: 'token.faults.verifier; invalid_grant as in google-api-php-client/issues/2669'
    }
  ],
  unsourced: ['the lifetime of authorization codes'],
  issuer: 'https://accounts.google.com',
  preset,
  metadata: {
    urls: ['https://accounts.google.com/.well-known/openid-configuration'],
    document: publishedMetadata('google')
  },
  authorization: {
    rules: [],
    scopes: {
      known: [
        'openid',
        'email',
        'profile',
        'https://www.googleapis.com/auth/userinfo.email',
        'https://www.googleapis.com/auth/userinfo.profile',
        'https://www.googleapis.com/auth/drive.readonly'
      ],
      others: {
        error: 'invalid_scope',
        description: 'Some requested scopes were invalid.',
        at: 'page'
      },
      absent: {
        error: 'invalid_request',
        description: 'Missing required parameter: scope',
        at: 'page'
      }
    },
    pkce: 'optional',
    redirectUri: 'exact',
    redirectUriRefusal: { error: 'redirect_uri_mismatch', at: 'page' },
    clientRefusal: {
      error: 'invalid_client',
      description: 'The OAuth client was not found.',
      at: 'page'
    },
    denied: { error: 'access_denied' },
    adds: ({ scope }) => ({ scope: granted(scope).join(' '), authuser: '0', prompt: 'consent' })
  },
  token: {
    authentication: ['client_secret_post', 'client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {
      client: { error: 'invalid_client', description: 'Unauthorized' },
      code: { error: 'invalid_grant', description: 'Bad Request' },
      verifier: { error: 'invalid_grant', description: 'Invalid code verifier.' },
      redirectUri: { error: 'redirect_uri_mismatch', description: 'Bad Request' },
      refreshToken: {
        error: 'invalid_grant',
        description: 'Token has been expired or revoked.'
      },
      expiredRefreshToken: {
        error: 'invalid_grant',
        description: 'Token has been expired or revoked.'
      }
    },
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces',
    adds: ({ scope }) => ({ scope: granted(scope).join(' ') })
  },
  accessToken: { format: 'opaque', seconds: 3599, prefix: 'ya29.' },
  idToken: {
    algorithm: 'RS256',
    seconds: 3600,
    claims: ({ user, clientId, scope }) => ({
      azp: clientId,
      sub: String(user.number).padStart(21, '1'),
      ...scope.includes('email') && { email: user.email, email_verified: user.emailVerified },
      ...scope.includes('profile') && { name: user.name, given_name: user.name.split(' ')[0] }
    }),
    onRefresh: true
  },
  userinfo: {
    claims: ({ user }) => ({
      sub: String(user.number).padStart(21, '1'),
      name: user.name,
      email: user.email,
      email_verified: user.emailVerified
    }),
    scope: 'openid',
    refusal: { error: 'invalid_request', description: 'Invalid Credentials', status: 401 }
  },
  refresh: {
    issued: { parameters: { access_type: 'offline' }, unlessGranted: true },
    rotation: 'kept',
    seconds: null,
    idleSeconds: 15_552_000,
    prefix: '1//',
    maxTokens: 100
  },
  revocation: {
    refreshToken: 'consent',
    accessToken: 'consent',
    unknown: { error: 'invalid_token', description: 'Token expired or revoked', status: 400 },
    authentication: 'none'
  }
}

/** The short names of OpenID Connect come back as the scopes of Google's API. */
function granted (scope: readonly string[]): string[] {
  return scope.map(name =>
    ['email', 'profile'].includes(name) ? `https://www.googleapis.com/auth/userinfo.${name}` : name
  )
}
