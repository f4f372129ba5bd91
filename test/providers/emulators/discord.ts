import { discord as preset } from '../../../lib/providers/index.ts'
import type { ProviderFacts } from './provider.ts'

const docs = 'https://docs.discord.com/developers'

/** An application. Its documentation has no ID tokens, though OpenID Connect metadata exist. */
export const discord: ProviderFacts = {
  id: 'discord',
  name: 'Discord',
  sources: [
    {
      url: `${docs}/topics/oauth2`,
      heading: 'OAuth2 URLs; OAuth2 Scopes; Authorization Code Grant; Token Revocation Example',
      date: '2026-08-06',
      facts: 'endpoints, scopes, token, accessToken, refresh.issued, revocation'
    },
    {
      url: `${docs}/resources/user`,
      heading: 'User Structure; Get Current User',
      date: '2026-08-06',
      facts: 'userinfo'
    },
    {
      url: `${docs}/reference`,
      heading: 'User Agent',
      date: '2026-08-06',
      facts: 'userinfo.headers'
    },
    {
      url: 'https://discord.com/.well-known/oauth-authorization-server',
      heading: 'code_challenge_methods_supported, authorization_response_iss_parameter_supported',
      date: '2026-11-28',
      facts: 'issuer, pkce, authorization.adds'
    }
  ],
  unsourced: [
    'which scopes are refused, and how',
    'whether refresh tokens are replaced: taken as replaced, and a used one as the end of the grant',
    'the lifetime of refresh tokens and codes',
    'the answer to a revocation of unknown tokens',
    'ID tokens: the metadata have keys and a userinfo endpoint'
  ],
  issuer: 'https://discord.com',
  preset,
  metadata: null,
  endpoints: {
    authorization_endpoint: 'https://discord.com/oauth2/authorize',
    token_endpoint: 'https://discord.com/api/oauth2/token',
    revocation_endpoint: 'https://discord.com/api/oauth2/token/revoke',
    userinfo_endpoint: 'https://discord.com/api/v10/users/@me'
  },
  authorization: {
    rules: [],
    scopes: {
      known: ['identify', 'email', 'connections', 'guilds', 'guilds.members.read'],
      others: 'unknown',
      absent: 'unknown'
    },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    denied: { error: 'access_denied' },
    adds: () => ({ iss: 'https://discord.com' })
  },
  token: {
    authentication: ['client_secret_basic', 'client_secret_post'],
    rules: [],
    format: 'json',
    faults: {},
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: { format: 'opaque', seconds: 604_800 },
  idToken: null,
  userinfo: {
    claims: ({ user, scope }) => ({
      id: `80351110${String(user.number).padStart(10, '0')}`,
      username: user.id,
      discriminator: '0',
      global_name: user.name,
      avatar: null,
      ...scope.includes('email') && { email: user.email, verified: user.emailVerified }
    }),
    scope: 'identify',
    headers: ['user-agent']
  },
  refresh: {
    issued: 'always',
    rotation: 'replaced',
    graceSeconds: 'unknown',
    reuse: 'unknown',
    seconds: 'unknown'
  },
  revocation: {
    refreshToken: 'consent',
    accessToken: 'consent',
    unknown: 'unknown',
    authentication: 'client'
  }
}
