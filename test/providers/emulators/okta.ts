import { okta as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const guides = 'https://developer.okta.com/docs/guides'

const openIdScopes = ['openid', 'profile', 'email', 'address', 'phone', 'offline_access']

const subjectOf = ({ user }: Grant) => `00u${String(user.number).padStart(14, '0')}`

/** A web application. Persistent refresh tokens are the default of these, rotation is a setting. */
function server (
  id: string,
  authorizationServer: string,
  refresh: ProviderFacts['refresh']
): ProviderFacts {
  const isOrg = authorizationServer === 'org'
  const issuer = `https://acme.okta.com${isOrg ? '' : `/oauth2/${authorizationServer}`}`
  const document = publishedMetadata(
    'okta',
    ['"https://acme.okta.com/oauth2/default"', JSON.stringify(issuer)],
    ['/oauth2/default/', isOrg ? '/oauth2/' : `/oauth2/${authorizationServer}/`]
  )
  return {
    id,
    name: `Okta, ${isOrg ? 'server of the organization' : `server ${authorizationServer}`}`,
    sources: [
      {
        url: 'https://developer.okta.com/docs/reference/api/oidc/',
        heading: 'Composing your base URL; /authorize; /token; Scope-dependent claims',
        date: '2026-11-28',
        facts: 'issuer, endpoints, scopes, challengeMethods, token, accessToken, idToken'
      },
      {
        url: `${guides}/refresh-tokens/main/`,
        heading: 'Grace period for token rotation; Refresh token lifetime; Use a refresh token',
        date: '2026-11-29',
        facts: 'refresh: offline_access, persistent or rotated, grace of 0 to 60 s, 7 idle days'
      },
      {
        url: 'https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/orgas/revoke',
        heading: '/revoke',
        date: '2026-11-28',
        facts: 'revocation: client authentication, 200 for unknown tokens'
      },
      {
        url: 'https://developer.okta.com/docs/release-notes/2021/',
        heading: 'Increased authorization code lifetime',
        date: '2021-04-14',
        facts: 'codeSeconds'
      },
      {
        url: `${guides}/revoke-tokens/main/`,
        heading: 'Revoke an access token or a refresh token',
        date: '2026-11-29',
        facts: 'revocation: an access token ends alone, a refresh token with its access token'
      },
      {
        url: 'https://github.com/UsefulSoftwareCo/executor/issues/1972',
        heading: 'All SSO sign-ins fail against a stock Okta tenant',
        date: '2026-11-28',
        facts: 'idToken.claims: email without email_verified, which only userinfo has'
      }
    ],
    unsourced: [
      'the wording of errors',
      'whether a custom server leaves email_verified out of ID tokens, too'
    ],
    issuer,
    preset: client => preset({ domain: 'acme.okta.com', authorizationServer, ...client }),
    metadata: {
      urls: [`${issuer}/.well-known/openid-configuration`],
      document
    },
    authorization: {
      rules: [
        {
          parameter: 'state',
          when: 'absent',
          answer: { error: 'invalid_request', description: 'state is required' }
        }
      ],
      scopes: {
        known: isOrg ? [...openIdScopes, 'groups'] : [...openIdScopes, 'notes.read'],
        others: {
          error: 'invalid_scope',
          description: 'One or more scopes are not configured for the authorization server.'
        },
        absent: { error: 'invalid_scope', description: 'The scope must be specified.' }
      },
      pkce: 'optional',
      challengeMethods: ['S256'],
      redirectUri: 'exact',
      denied: {
        error: 'access_denied',
        description: 'User is not assigned to the client application.'
      }
    },
    token: {
      authentication: ['client_secret_basic', 'client_secret_post'],
      rules: [],
      format: 'json',
      faults: {
        client: { error: 'invalid_client', description: 'The client secret is invalid.' },
        code: { error: 'invalid_grant', description: 'The code is invalid or has expired.' },
        refreshToken: { error: 'invalid_grant', description: 'The refresh token is invalid.' },
        expiredRefreshToken: {
          error: 'invalid_grant',
          description: 'The refresh token is invalid or expired.'
        }
      },
      codeSeconds: 300,
      expiresIn: 'number',
      scope: 'spaces'
    },
    accessToken: {
      // Only Okta can verify those of the organization's server.
      format: isOrg ? 'opaque' : 'jwt',
      seconds: 3600,
      claims: grant => ({
        ver: 1,
        aud: 'api://default',
        cid: grant.clientId,
        uid: subjectOf(grant),
        scp: grant.scope,
        sub: grant.user.email
      })
    },
    idToken: {
      algorithm: 'RS256',
      seconds: 3600,
      claims: grant => ({
        sub: subjectOf(grant),
        ver: 1,
        amr: ['pwd'],
        idp: '00o00000000000000000',
        ...grant.scope.includes('profile') && {
          name: grant.user.name,
          preferred_username: grant.user.email
        },
        ...grant.scope.includes('email') && { email: grant.user.email }
      }),
      onRefresh: true
    },
    userinfo: {
      claims: grant => ({
        sub: subjectOf(grant),
        name: grant.user.name,
        preferred_username: grant.user.email,
        email: grant.user.email,
        email_verified: grant.user.emailVerified
      }),
      scope: 'openid'
    },
    refresh,
    revocation: {
      refreshToken: 'login',
      accessToken: 'token',
      unknown: 'ok',
      authentication: 'client'
    }
  }
}

const persistent = {
  issued: { scope: 'offline_access' },
  rotation: 'repeated',
  seconds: null,
  idleSeconds: 604_800
} as const

export const okta = server('okta', 'default', persistent)

export const oktaOrg = server('okta-org', 'org', persistent)

/** A server of one's own, with rotated refresh tokens and the longest grace. */
export const oktaRotating = server('okta-rotating', 'aus1a2b3c', {
  ...persistent,
  rotation: 'replaced',
  graceSeconds: 60,
  reuse: 'endsGrant'
})
