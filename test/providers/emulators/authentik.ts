import { authentik as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://id.example.com/application/o/notes/'
const docs = 'https://docs.goauthentik.io/add-secure-apps/providers/oauth2'
const code = 'https://github.com/goauthentik/authentik/blob/main/authentik/providers/oauth2/views'

const known = ['openid', 'email', 'profile', 'offline_access']

const claimsOf = ({ user, scope }: Grant) => ({
  sub: String(user.number).padStart(64, '0'),
  // Since 2025.10 false for everybody.
  ...scope.includes('email') && { email: user.email, email_verified: false },
  ...scope.includes('profile') && {
    name: user.name,
    preferred_username: user.id,
    groups: user.roles
  }
})

/** A confidential provider with a signing key, the scope `offline_access`, and its own issuer. */
export const authentik: ProviderFacts = {
  id: 'authentik',
  name: 'authentik, OAuth2/OpenID provider',
  sources: [
    {
      url: docs,
      heading: 'OAuth2 endpoints and bindings; Default & special scopes; Email scope verification',
      date: '2026-11-28',
      facts: 'endpoints, scopes, refresh.issued, email_verified, signing'
    },
    {
      url: `${code}/provider.py`,
      heading: 'ProviderInfoView',
      date: '2026-11-28',
      facts: 'metadata'
    },
    {
      url: `${code}/authorize.py`,
      heading: 'check_scope, check_code_challenge, create_code',
      date: '2026-11-28',
      facts: 'authorization: scopes that are not configured are dropped, request is refused'
    },
    {
      url: `${code}/token.py`,
      heading: 'TokenView: post, create_code_response, create_refresh_response',
      date: '2026-11-29',
      facts: 'token, 400 for a wrong secret, refresh, refresh.reuse, token.check, idToken.onRefresh'
    },
    {
      url: `${code}/token_revoke.py`,
      heading: 'TokenRevocationParams, TokenRevokeView',
      date: '2026-11-29',
      facts: 'revocation: the token alone, 200 for unknown ones'
    },
    {
      url: `${code.replace('/views', '')}/id_token.py`,
      heading: 'IDToken: new, to_access_token',
      date: '2026-11-29',
      facts: 'accessToken.claims: those of the ID token, its audience too, and azp'
    },
    {
      url: `${code.replace('/views', '')}/models.py`,
      heading:
        'OAuth2Provider: access_code_validity, access_token_validity, refresh_token_validity',
      date: '2026-11-29',
      facts: 'codeSeconds, accessToken.seconds, refresh.idleSeconds: the defaults'
    },
    {
      url: `${
        code.replace('/views', '')
      }/migrations/0030_oauth2provider_refresh_token_threshold.py`,
      heading: 'refresh_token_threshold',
      date: '2025-09-25',
      facts: 'refresh.rotation: always by default'
    },
    {
      url: 'https://github.com/goauthentik/authentik/issues/9312',
      heading: 'Implicit consent with offline_access scope',
      date: '2024-04-17',
      facts: 'offline_access always asks for consent'
    }
  ],
  issuer,
  preset: client => preset({ url: 'https://id.example.com', application: 'notes', ...client }),
  metadata: {
    urls: [`${issuer}.well-known/openid-configuration`],
    document: publishedMetadata('authentik')
  },
  authorization: {
    rules: [{ parameter: 'request', answer: { error: 'request_not_supported' } }],
    scopes: { known, others: 'ignored', absent: known },
    pkce: 'optional',
    redirectUri: 'exact',
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_basic', 'client_secret_post'],
    rules: [],
    format: 'json',
    faults: {
      client: { error: 'invalid_client', status: 400 },
      redirectUri: { error: 'invalid_client' },
      code: { error: 'invalid_grant' },
      verifier: { error: 'invalid_grant' },
      refreshToken: { error: 'invalid_grant' }
    },
    codeSeconds: 60,
    expiresIn: 'number',
    scope: 'spaces',
    // A refresh with scopes needs this one among them.
    check: ({ isRefresh }, { scope }) =>
      isRefresh && scope !== undefined && !scope.split(' ').includes('offline_access')
        ? { error: 'invalid_scope' }
        : null
  },
  accessToken: {
    format: 'jwt',
    seconds: 3600,
    claims: grant => ({ ...claimsOf(grant), aud: grant.clientId, azp: grant.clientId })
  },
  idToken: { algorithm: 'RS256', seconds: 3600, claims: claimsOf, onRefresh: true },
  userinfo: { claims: claimsOf },
  refresh: {
    issued: { scope: 'offline_access' },
    rotation: 'replaced',
    graceSeconds: 0,
    reuse: 'refused',
    // Each new one lasts as long as the first.
    seconds: null,
    idleSeconds: 2_592_000,
    scope: 'granted'
  },
  revocation: {
    refreshToken: 'token',
    accessToken: 'token',
    unknown: 'ok',
    authentication: 'client'
  }
}
