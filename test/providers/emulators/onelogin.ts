import { onelogin as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://acme.onelogin.com/oidc/2'
const api = 'https://developers.onelogin.com/openid-connect/api'

const subjectOf = ({ user }: Grant) => String(38_000_000 + user.number)

/** An app whose token endpoint is set to Basic. */
export const onelogin: ProviderFacts = {
  id: 'onelogin',
  name: 'OneLogin, OpenId Connect app',
  sources: [
    {
      url: `${api}/provider-config`,
      heading: 'Resource URL; Sample Response',
      date: '2026-11-28',
      facts: 'issuer, metadata, scopes without offline_access'
    },
    {
      url: `${api}/authorization-code-grant`,
      heading: 'Auth Code Flow pt. 2',
      date: '2026-11-28',
      facts: 'token.authentication is a setting of the app; refresh.issued; accessToken.format'
    },
    {
      url: 'https://developers.onelogin.com/openid-connect/api-v1/refresh-session',
      heading: 'Refresh an Access Token',
      date: '2026-11-28',
      facts: 'token.expiresIn, accessToken.seconds, and the Refresh Token Timeout'
    },
    {
      url: `${api}/revoke-token`,
      heading: 'Revoke a Token: Request Parameter; Sample Response',
      date: '2026-11-29',
      facts: 'revocation, the answer to tokens that are revoked already, token.faults.client'
    },
    {
      url: 'https://github.com/onelogin/terraform-provider-onelogin/blob/master/docs/resources/' +
        'onelogin_oidc_apps.md',
      heading: 'configuration',
      date: '2026-11-28',
      facts: 'token.authentication, refresh.seconds is a setting of the app'
    }
  ],
  unsourced: [
    'which scopes are refused, and how',
    'claims of ID tokens: taken as sub only',
    'whether refresh tokens are replaced: taken as replaced, and a used one as the end of the grant',
    'whether the token endpoint answers a wrong secret as the revocation endpoint: taken as yes'
  ],
  issuer,
  preset: client => preset({ domain: 'acme.onelogin.com', ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('onelogin')
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['openid', 'name', 'profile', 'groups', 'email', 'phone'],
      others: 'unknown',
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
    faults: {
      client: { error: 'invalid_request', description: 'Authentication Failed', status: 401 }
    },
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'absent'
  },
  accessToken: { format: 'opaque', seconds: 3600 },
  idToken: {
    algorithm: 'RS256',
    seconds: 3600,
    claims: grant => ({ sub: subjectOf(grant) }),
    onRefresh: 'unknown'
  },
  userinfo: {
    claims: grant => ({
      sub: subjectOf(grant),
      ...grant.scope.includes('email') && { email: grant.user.email },
      ...grant.scope.includes('profile') && {
        name: grant.user.name,
        preferred_username: grant.user.email
      }
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
    unknown: {
      error: 'unsupported_token_type',
      description: 'revocation of the presented token type is not supported'
    },
    authentication: 'client'
  }
}
