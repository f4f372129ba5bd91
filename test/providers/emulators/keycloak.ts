import { keycloak as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const source = 'https://github.com/keycloak/keycloak/blob/main'

const claimsOf = ({ user, scope }: Grant) => ({
  sub: `00000000-0000-4000-8000-${String(user.number).padStart(12, '0')}`,
  ...scope.includes('profile') && { name: user.name, preferred_username: user.id },
  ...scope.includes('email') && { email: user.email, email_verified: user.emailVerified }
})

/** A realm with the defaults, and a client that requires PKCE as our page says. */
function realm (id: string, name: string, refresh: ProviderFacts['refresh']): ProviderFacts {
  const issuer = `https://id.example.com/realms/${name}`
  return {
    id,
    name: `Keycloak, ${refresh.rotation === 'replaced' ? 'with' : 'without'} Revoke Refresh Token`,
    sources: [
      {
        url: `${source}/docs/documentation/server_admin/topics/sessions/timeouts.adoc`,
        heading: 'Session and token timeouts',
        date: '2026-11-28',
        facts: 'refresh.idleSeconds (with two minutes more), Revoke Refresh Token, and that SSO ' +
          'Session Max ends refresh tokens whatever refreshes do'
      },
      {
        url: `${source}/services/src/main/java/org/keycloak/protocol/oidc/endpoints/` +
          'TokenRevocationEndpoint.java',
        heading: 'revokeClient, checkToken, checkUser',
        date: '2026-11-28',
        facts: "revocation: a refresh token ends the user's consent and every session of the client"
      },
      {
        url: `${source}/services/src/main/java/org/keycloak/protocol/oidc/grants/` +
          'AuthorizationCodeGrantType.java',
        heading: 'process',
        date: '2026-11-29',
        facts: 'token.faults: code, redirectUri'
      },
      {
        url:
          `${source}/services/src/main/java/org/keycloak/services/managers/ApplianceBootstrap.java`,
        heading: 'createMasterRealm',
        date: '2026-11-29',
        facts: 'refresh.seconds: 10 hours, refresh.idleSeconds: half an hour, codeSeconds'
      },
      {
        url: 'https://github.com/keycloak/keycloak/issues/12916',
        heading: 'Revocation of refresh token also revokes client consent',
        date: '2026-11-28',
        facts: 'revocation.refreshToken: consent'
      },
      {
        url: 'https://github.com/keycloak/keycloak/pull/29966',
        heading: 'Improvements to refresh token rotation',
        date: '2024-05-29',
        facts: 'refresh.reuse, Refresh Token Max Reuse'
      },
      {
        url: 'https://phasetwo.io/docs/security/tokens-and-sessions/',
        heading: 'How sessions and tokens fit together; Defaults and what to set',
        date: '2026-11-28',
        facts: 'one session in a browser is shared by its clients'
      },
      {
        url: 'https://www.keycloak.org/docs/latest/server_admin/',
        heading: 'Advanced settings: Proof Key for Code Exchange Code Challenge Method',
        date: '2026-11-28',
        facts: 'authorization.pkce: required where the client says S256'
      }
    ],
    unsourced: [
      'the wording of errors about PKCE and refresh tokens',
      'the default lifetime of access tokens, 300 seconds, in realms other than master'
    ],
    issuer,
    preset: client => preset({ url: 'https://id.example.com', realm: name, ...client }),
    metadata: {
      urls: [`${issuer}/.well-known/openid-configuration`],
      document: publishedMetadata('keycloak', ['/realms/main', `/realms/${name}`])
    },
    authorization: {
      rules: [],
      scopes: {
        known: ['openid', 'profile', 'email', 'offline_access', 'roles', 'address', 'phone'],
        others: { error: 'invalid_scope', description: 'Invalid scopes' },
        absent: ['profile', 'email']
      },
      pkce: 'required',
      challengeMethods: ['S256'],
      redirectUri: 'exact',
      denied: { error: 'access_denied' },
      adds: ({ session }) => ({ session_state: session, iss: issuer })
    },
    token: {
      authentication: ['client_secret_basic', 'client_secret_post'],
      rules: [],
      format: 'json',
      faults: {
        client: {
          error: 'unauthorized_client',
          description: 'Invalid client or Invalid client credentials',
          status: 401
        },
        code: { error: 'invalid_grant', description: 'Code not valid' },
        verifier: { error: 'invalid_grant', description: 'PKCE verification failed' },
        redirectUri: { error: 'invalid_grant', description: 'Incorrect redirect_uri' },
        refreshToken: { error: 'invalid_grant', description: 'Session not active' },
        expiredRefreshToken: { error: 'invalid_grant', description: 'Token is not active' },
        reusedRefreshToken: {
          error: 'invalid_grant',
          description: 'Maximum allowed refresh token reuse exceeded'
        }
      },
      codeSeconds: 60,
      expiresIn: 'number',
      scope: 'spaces',
      adds: ({ session }) => ({
        refresh_expires_in: 1800,
        'not-before-policy': 0,
        session_state: session
      })
    },
    accessToken: {
      format: 'jwt',
      seconds: 300,
      claims: grant => ({
        ...claimsOf(grant),
        typ: 'Bearer',
        azp: grant.clientId,
        sid: grant.session,
        scope: grant.scope.join(' '),
        realm_access: { roles: grant.user.roles }
      })
    },
    idToken: {
      algorithm: 'RS256',
      seconds: 300,
      claims: grant => ({ ...claimsOf(grant), typ: 'ID', azp: grant.clientId, sid: grant.session }),
      onRefresh: true
    },
    userinfo: { claims: claimsOf, scope: 'openid' },
    refresh,
    revocation: {
      refreshToken: 'consent',
      accessToken: 'token',
      unknown: { error: 'invalid_token', description: 'Invalid token', status: 200 },
      authentication: 'client'
    }
  }
}

const session = {
  issued: 'always',
  rotation: 'added',
  seconds: 36_000,
  idleSeconds: 1920
} as const

export const keycloak = realm('keycloak', 'main', session)

/** A realm with *Revoke Refresh Token*, and no reuse. */
export const keycloakRotating = realm('keycloak-rotating', 'strict', {
  ...session,
  rotation: 'replaced',
  reuse: 'endsGrant'
})
