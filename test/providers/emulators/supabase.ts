import { supabase as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts, Refusal } from './provider.ts'

const domain = 'abcdefghijklmnopqrst.supabase.co'
const issuer = `https://${domain}/auth/v1`
const guides = 'https://supabase.com/docs/guides/auth/oauth-server'
const code = 'https://github.com/supabase/auth/blob/master/internal'

const subjectOf = ({ user }: Grant) =>
  `5c3e1f0a-9b7d-4c2e-8f10-${String(user.number).padStart(12, '0')}`

const profileOf = (grant: Grant) => ({
  sub: subjectOf(grant),
  ...grant.scope.includes('email') && {
    email: grant.user.email,
    email_verified: grant.user.emailVerified
  },
  ...grant.scope.includes('profile') && { name: grant.user.name }
})

/** Errors of its own form, without the member `error`. */
function ownError (name: string, message: string): Refusal {
  const members = { error: undefined, code: 400, error_code: name, msg: message }
  return { error: name, members, status: 400 }
}

/** A confidential client, in a project with an asymmetric signing key. */
export const supabase: ProviderFacts = {
  id: 'supabase',
  name: 'Supabase Auth, OAuth 2.1 server',
  sources: [
    {
      url: `${guides}/getting-started`,
      heading: 'Enable OAuth 2.1 server; Register an OAuth client; Redirect URI configuration',
      date: '2026-11-28',
      facts: 'issuer, endpoints, token.authentication, redirectUri, signing keys'
    },
    {
      url: `${guides}/oauth-flows`,
      heading: 'Authorization request; Authorization code issued; Token response; ID tokens',
      date: '2026-11-28',
      facts: 'pkce, codeSeconds, denied, accessToken, idToken, refresh.issued'
    },
    {
      url: `${code}/api/jwks.go`,
      heading: 'WellKnownOpenID',
      date: '2026-08-20',
      facts: 'metadata, and that there is no revocation endpoint'
    },
    {
      url: `${code}/api/oauthserver/authorize.go`,
      heading: 'validateRemainingAuthorizeParams, validateScopes, validatePKCEParams',
      date: '2026-08-20',
      facts: 'authorization.scopes, authorization.pkce'
    },
    {
      url: `${code}/api/oauthserver/handlers.go`,
      heading: 'handleAuthorizationCodeGrant, handleRefreshTokenGrant, OAuthUserInfo',
      date: '2026-08-20',
      facts: 'token.scope, idToken.onRefresh, userinfo'
    },
    {
      url: `${code}/tokens/service.go`,
      heading: 'RefreshTokenGrant, GenerateIDToken',
      date: '2026-08-20',
      facts: 'refresh, token.faults, token.others, idToken.claims'
    }
  ],
  unsourced: [
    'the reuse interval of hosted projects: taken as none. Even then the code accepts the token ' +
    'before the current one'
  ],
  issuer,
  preset: client => preset({ domain, ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('supabase')
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'profile', 'email', 'phone', 'offline_access'],
      others: { error: 'invalid_request', description: 'unsupported scope' },
      absent: ['email']
    },
    pkce: 'required',
    redirectUri: 'exact',
    redirectUriRefusal: {
      error: 'validation_failed',
      description: 'invalid redirect_uri',
      at: 'page'
    },
    clientRefusal: {
      error: 'oauth_client_not_found',
      description: 'invalid client_id',
      at: 'page'
    },
    denied: { error: 'access_denied', description: 'The user denied the authorization request' }
  },
  token: {
    authentication: ['client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {
      client: ownError('invalid_credentials', 'Invalid client credentials'),
      code: { error: 'invalid_grant', description: 'Invalid authorization code' },
      redirectUri: { error: 'invalid_grant', description: 'Invalid redirect_uri' },
      verifier: { error: 'invalid_grant', description: 'PKCE verification failed' },
      refreshToken: ownError('refresh_token_not_found', 'Invalid Refresh Token'),
      expiredRefreshToken: ownError('session_expired', 'Invalid Refresh Token: Session Expired'),
      reusedRefreshToken: ownError('refresh_token_already_used', 'Invalid Refresh Token')
    },
    codeSeconds: 600,
    type: 'bearer',
    expiresIn: 'number',
    scope: 'absent',
    others: {
      userBanned: ownError('user_banned', 'Invalid Refresh Token: User Banned'),
      sessionGone: ownError('session_not_found', 'Invalid Refresh Token: No Valid Session Found')
    }
  },
  accessToken: {
    format: 'jwt',
    seconds: 3600,
    claims: grant => ({
      sub: subjectOf(grant),
      aud: 'authenticated',
      role: 'authenticated',
      client_id: grant.clientId,
      session_id: grant.id
    })
  },
  idToken: {
    algorithm: 'ES256',
    seconds: 3600,
    claims: grant => ({ ...profileOf(grant), client_id: grant.clientId }),
    onRefresh: false
  },
  userinfo: { claims: profileOf },
  refresh: {
    issued: 'always',
    rotation: 'replaced',
    graceSeconds: 'unknown',
    reuse: 'endsGrant',
    seconds: null
  },
  revocation: null
}
