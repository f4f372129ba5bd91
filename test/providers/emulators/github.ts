import { github as preset } from '../../../lib/providers/index.ts'
import type { ProviderFacts } from './provider.ts'

const troubleshooting = 'https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/' +
  'troubleshooting-oauth-app-access-token-request-errors'

/** An OAuth app: tokens without end, no refresh tokens, and no OpenID Connect. */
export const github: ProviderFacts = {
  id: 'github',
  name: 'GitHub, OAuth app',
  sources: [
    {
      url: 'https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps',
      heading: 'Web application flow; Redirect URLs',
      date: '2026-11-28',
      facts: 'endpoints, parameters, codeSeconds, format, scope, redirectUri'
    },
    {
      url: troubleshooting,
      heading: 'Incorrect client credentials; Redirect URI mismatch; Bad verification code; ' +
        'Unverified user email',
      date: '2026-11-29',
      facts: 'token.faults, token.others'
    },
    {
      url: 'https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/' +
        'troubleshooting-authorization-request-errors',
      heading: 'Redirect URI mismatch; Access denied',
      date: '2026-11-28',
      facts: 'authorization.denied, authorization.redirectUriRefusal'
    },
    {
      url:
        'https://github.blog/changelog/2025-07-14-pkce-support-for-oauth-and-github-app-authentication/',
      heading: 'PKCE support for OAuth and GitHub App authentication',
      date: '2025-07-14',
      facts: 'authorization.pkce, authorization.challengeMethods'
    },
    {
      url: 'https://docs.github.com/en/apps/github-authentication-discovery-endpoints',
      heading: 'Intended use; Issuer',
      date: '2026-11-29',
      facts: 'issuer; no ID tokens, and metadata for clients of its own MCP server only'
    },
    {
      url: 'https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api',
      heading: 'User agent',
      date: '2026-11-28',
      facts: 'userinfo.headers'
    },
    {
      url: 'https://docs.github.com/en/rest/users/users',
      heading: 'Get the authenticated user',
      date: '2026-11-28',
      facts: 'userinfo.claims'
    }
  ],
  unsourced: [
    'whether a wrong code_verifier is answered like a wrong code',
    'whether authorization responses have iss: its changelog says so, some logins did not'
  ],
  issuer: 'https://github.com/login/oauth',
  preset,
  metadata: null,
  endpoints: {
    authorization_endpoint: 'https://github.com/login/oauth/authorize',
    token_endpoint: 'https://github.com/login/oauth/access_token',
    userinfo_endpoint: 'https://api.github.com/user'
  },
  authorization: {
    rules: [],
    // Unknown scopes are dropped: the user sees those that exist.
    scopes: {
      known: ['read:user', 'user:email', 'read:org', 'repo'],
      others: 'ignored',
      absent: []
    },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'below',
    redirectUriRefusal: {
      error: 'redirect_uri_mismatch',
      description: 'The redirect_uri MUST match the registered callback URL for this application.',
      at: 'client'
    },
    denied: {
      error: 'access_denied',
      description: 'The user has denied your application access.'
    }
  },
  token: {
    authentication: ['client_secret_post'],
    rules: [],
    format: 'form',
    faults: {
      client: {
        error: 'incorrect_client_credentials',
        description: 'The client_id and/or client_secret passed are incorrect.',
        status: 200
      },
      redirectUri: {
        error: 'redirect_uri_mismatch',
        description:
          'The redirect_uri MUST match the registered callback URL for this application.',
        status: 200
      },
      code: {
        error: 'bad_verification_code',
        description: 'The code passed is incorrect or expired.',
        status: 200
      },
      verifier: {
        error: 'bad_verification_code',
        description: 'The code passed is incorrect or expired.',
        status: 200
      },
      refreshToken: {
        error: 'bad_refresh_token',
        description: 'The refresh token passed is incorrect or expired.',
        status: 200
      }
    },
    codeSeconds: 600,
    type: 'bearer',
    expiresIn: 'absent',
    scope: 'commas',
    others: {
      unverifiedEmail: {
        error: 'unverified_user_email',
        description: 'The user must have a verified primary email.',
        status: 200
      }
    }
  },
  accessToken: { format: 'opaque', seconds: 31_536_000, prefix: 'gho_' },
  idToken: null,
  userinfo: {
    claims: ({ user }) => ({
      login: user.id,
      id: user.number,
      node_id: `U_${user.number}`,
      avatar_url: `https://avatars.githubusercontent.com/u/${user.number}`,
      type: 'User',
      site_admin: false,
      name: user.name,
      // Null unless the user publishes an address.
      email: null
    }),
    headers: ['user-agent'],
    refusal: {
      error: 'invalid_token',
      members: { message: 'Bad credentials', status: '401' },
      status: 401
    }
  },
  refresh: { issued: 'never', rotation: 'replaced', seconds: null },
  revocation: null
}
