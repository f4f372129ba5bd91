import { zitadel as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts, Refusal } from './provider.ts'

const domain = 'acme-a1b2c3.us1.zitadel.cloud'
const issuer = `https://${domain}`
const docs = 'https://zitadel.com/docs/apis/openidoauth'
const library = 'https://github.com/zitadel/oidc/blob/main/pkg/op'
const code = 'https://github.com/zitadel/zitadel/blob/main'

/** Its own server answers invalid codes and refresh tokens with an error that RFC 6749 has not. */
const invalidRequest = (description: string): Refusal => ({ error: 'invalid_request', description })

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
      url: `${library}/auth_request.go`,
      heading: 'ValidateAuthReqScopes',
      date: '2026-08-17',
      facts: 'authorization.scopes.others, authorization.scopes.absent'
    },
    {
      url: `${library}/token_request.go`,
      heading: 'AuthorizeCodeChallenge, AuthorizeClientIDSecret',
      date: '2026-08-17',
      facts: 'token.faults: client, verifier'
    },
    {
      url: `${code}/internal/api/oidc/token_code.go`,
      heading: 'CodeExchange, codeExchangeComplianceChecker',
      date: '2026-11-29',
      facts: 'token.faults: code, redirectUri'
    },
    {
      url: 'https://github.com/zitadel/zitadel/issues/11892',
      heading: 'Token endpoint returns invalid_request instead of invalid_grant',
      date: '2026-03-20',
      facts: 'token.faults: invalid_request'
    },
    {
      url: `${code}/internal/command/oidc_session_model.go`,
      heading: 'CheckRefreshToken, reduceRefreshTokenRenewed, reduceRefreshTokenRevoked',
      date: '2026-11-29',
      facts: 'refresh.reuse, no grace, token.faults; revocation.refreshToken'
    },
    {
      url: `${code}/internal/command/oidc_session.go`,
      heading: 'RevokeOIDCSessionToken',
      date: '2026-11-29',
      facts: 'revocation: 200 for unknown tokens'
    },
    {
      url: `${code}/internal/api/oidc/token_refresh.go`,
      heading: 'validateRefreshTokenScopes',
      date: '2026-11-29',
      facts: 'refresh.scope'
    },
    {
      url: `${code}/cmd/defaults.yaml`,
      heading: 'OIDC',
      date: '2026-11-29',
      facts: 'accessToken.seconds, idToken.seconds, refresh.seconds, refresh.idleSeconds'
    },
    {
      url: 'https://help.zitadel.com/how-to-enable-and-receive-refresh-tokens',
      heading: 'How to get a Refresh Token?',
      date: '2026-11-28',
      facts: 'refresh.issued, refresh.rotation'
    }
  ],
  unsourced: ['the lifetime of authorization codes'],
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
      client: { error: 'invalid_client', description: 'invalid client_id / client_secret' },
      code: invalidRequest('Errors.User.Code.Invalid'),
      redirectUri: { error: 'invalid_grant', description: 'redirect_uri does not correspond' },
      verifier: { error: 'invalid_grant', description: 'invalid code_verifier' },
      refreshToken: invalidRequest('Errors.User.RefreshToken.Invalid'),
      expiredRefreshToken: invalidRequest('Errors.OIDCSession.RefreshTokenInvalid'),
      reusedRefreshToken: invalidRequest('Errors.OIDCSession.RefreshTokenInvalid')
    },
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: { format: 'opaque', seconds: 43_200 },
  idToken: {
    algorithm: 'RS256',
    seconds: 43_200,
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
    graceSeconds: 0,
    reuse: 'refused',
    seconds: 7_776_000,
    idleSeconds: 2_592_000,
    scope: 'granted'
  },
  revocation: {
    refreshToken: 'login',
    accessToken: 'token',
    unknown: 'ok',
    authentication: 'client'
  }
}
