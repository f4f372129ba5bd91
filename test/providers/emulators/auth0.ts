import { auth0 as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const docs = 'https://auth0.com/docs'
const audience = 'https://api.example.com'

const claimsOf = ({ user, scope }: Grant) => ({
  sub: `auth0|${String(user.number).padStart(24, '0')}`,
  ...scope.includes('profile') && { name: user.name, nickname: user.id },
  ...scope.includes('email') && { email: user.email, email_verified: user.emailVerified }
})

/** A regular web application of a tenant, whose refresh tokens rotate. */
const tenant = (
  id: string,
  domain: string,
  options: { audience?: string } = {}
): ProviderFacts => ({
  id,
  name: `Auth0, ${options.audience ? 'with' : 'without'} an audience`,
  sources: [
    {
      url: `${docs}/secure/tokens/access-tokens`,
      heading: 'Opaque access tokens; JWT access tokens',
      date: '2026-11-28',
      facts: 'accessToken.format: opaque unless an audience was requested'
    },
    {
      url: `${docs}/secure/tokens/refresh-tokens/configure-refresh-token-rotation`,
      heading: 'Configure in the Dashboard; Configure with the Auth0 SPA SDK',
      date: '2026-11-29',
      facts: 'refresh.rotation, refresh.seconds, refresh.reuse; the leeway is off by default'
    },
    {
      url: `${docs}/secure/tokens/refresh-tokens/configure-refresh-token-expiration`,
      heading: 'Use the Dashboard',
      date: '2026-11-29',
      facts: 'refresh.idleSeconds: the default'
    },
    {
      url: `${docs}/secure/tokens/refresh-tokens/revoke-refresh-tokens`,
      heading: 'Choose whether token revocation deletes grants',
      date: '2026-11-29',
      facts:
        'revocation: the token, and the grant where the tenant says so, which is off by default'
    },
    {
      url: 'https://support.auth0.com/center/s/article/' +
        'troubleshoot-refresh-token-unknown-or-invalid-before-expiry-403-unknown-or-invalid-refresh-token',
      heading: 'Overview; Cause',
      date: '2026-11-29',
      facts: 'token.faults: 403 invalid_grant; refresh.maxTokens'
    },
    {
      url:
        'https://community.auth0.com/t/how-to-troubleshoot-access-denied-due-to-service-not-found-error/6822',
      heading: 'How to troubleshoot access denied due to service not found error?',
      date: '2026-11-28',
      facts: 'an unknown audience: access_denied, Service not found'
    },
    {
      url: 'https://github.com/auth0/express-openid-connect/issues/363',
      heading: 'sample app: response_type: code = 400 access_denied',
      date: '2022-06-15',
      facts: 'a wrong secret: 401 access_denied, Unauthorized'
    }
  ],
  unsourced: [
    'the lifetime of authorization codes'
  ],
  issuer: `https://${domain}/`,
  preset: client => preset({ domain, ...options, ...client }),
  metadata: {
    urls: [`https://${domain}/.well-known/openid-configuration`],
    document: publishedMetadata('auth0', ['tenant.eu.auth0.com', domain])
  },
  authorization: {
    rules: [],
    // Scopes that the API does not have are dropped.
    scopes: {
      known: ['openid', 'profile', 'email', 'offline_access', 'notes:read'],
      others: 'ignored',
      absent: ['openid', 'profile', 'email']
    },
    check: ({ audience: requested }) =>
      requested === undefined || requested === audience
        ? null
        : { error: 'access_denied', description: `Service not found: ${requested}` },
    pkce: 'optional',
    redirectUri: 'exact',
    redirectUriRefusal: {
      error: 'unauthorized_client',
      description: 'Callback URL mismatch.',
      status: 403,
      at: 'page'
    },
    denied: { error: 'access_denied', description: 'User did not authorize the request' }
  },
  token: {
    authentication: ['client_secret_post'],
    rules: [],
    format: 'json',
    faults: {
      client: { error: 'access_denied', description: 'Unauthorized', status: 401 },
      code: { error: 'invalid_grant', description: 'Invalid authorization code', status: 403 },
      verifier: {
        error: 'invalid_grant',
        description: 'Failed to verify code verifier',
        status: 403
      },
      refreshToken: {
        error: 'invalid_grant',
        description: 'Unknown or invalid refresh token.',
        status: 403
      },
      expiredRefreshToken: {
        error: 'invalid_grant',
        description: 'Unknown or invalid refresh token.',
        status: 403
      },
      reusedRefreshToken: {
        error: 'invalid_grant',
        description: 'Unknown or invalid refresh token.',
        status: 403
      }
    },
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: {
    format: ({ parameters }) => parameters['audience'] === undefined ? 'opaque' : 'jwt',
    seconds: 86_400,
    claims: grant => ({
      sub: claimsOf(grant).sub,
      aud: [audience, `${grant.issuer}userinfo`],
      azp: grant.clientId,
      scope: grant.scope.join(' ')
    })
  },
  idToken: { algorithm: 'RS256', seconds: 36_000, claims: claimsOf, onRefresh: true },
  userinfo: { claims: claimsOf, scope: 'openid' },
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 0,
    reuse: 'endsGrant',
    seconds: 2_592_000,
    idleSeconds: 2_592_000,
    prefix: 'v1.',
    maxTokens: 200
  },
  revocation: {
    refreshToken: 'login',
    accessToken: { error: 'invalid_request', description: 'not a refresh token' },
    unknown: 'ok',
    authentication: 'client'
  }
})

export const auth0 = tenant('auth0', 'tenant.eu.auth0.com')

export const auth0Api = tenant('auth0-api', 'api.eu.auth0.com', { audience })
