import { cognito as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const guide = 'https://docs.aws.amazon.com/cognito/latest/developerguide'

const pool = 'eu-central-1_AbCdEf123'
const issuer = `https://cognito-idp.eu-central-1.amazonaws.com/${pool}`

const subjectOf = ({ user }: Grant) =>
  `00000000-0000-7000-8000-${String(user.number).padStart(12, '0')}`

/** A user pool with a domain, and a client without rotation of refresh tokens. */
export const cognito: ProviderFacts = {
  id: 'cognito',
  name: 'Amazon Cognito user pool',
  sources: [
    {
      url: `${guide}/authorization-endpoint.html`,
      heading: 'GET /oauth2/authorize: request parameters',
      date: '2026-11-28',
      facts: 'parameters, pkce with S256 only, redirectUri, scopes of the client'
    },
    {
      url: `${guide}/token-endpoint.html`,
      heading: 'POST /oauth2/token; Examples of negative responses',
      date: '2026-11-28',
      facts: 'token.authentication, token.faults, token.adds'
    },
    {
      url: `${guide}/amazon-cognito-user-pools-using-the-refresh-token.html`,
      heading: 'Refresh tokens; Refresh token rotation',
      date: '2026-11-28',
      facts: 'refresh: 30 days since the login, kept unless rotation is enabled'
    },
    {
      url: `${guide}/revocation-endpoint.html`,
      heading: 'POST /oauth2/revoke',
      date: '2026-11-28',
      facts: 'revocation: a refresh token ends with all tokens that came from it'
    },
    {
      url: `${guide}/userinfo-endpoint.html`,
      heading: 'The user attributes endpoint; Example: response',
      date: '2026-11-28',
      facts: 'userinfo.scope, userinfo.claims: email_verified is a string'
    },
    {
      url: 'https://github.com/PrefectHQ/fastmcp/pull/2149',
      heading: 'docs: Add AWS Cognito resource server requirement and CORS guidance',
      date: '2025-10-20',
      facts: 'resource: only the identifier of a resource server of the pool'
    }
  ],
  unsourced: [
    'which error an unknown resource is answered with at the authorization endpoint',
    'the lifetime of authorization codes'
  ],
  issuer,
  preset: client => preset({ region: 'eu-central-1', userPoolId: pool, ...client }),
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('cognito')
  },
  authorization: {
    rules: [{
      parameter: 'resource',
      answer: { error: 'invalid_request', description: 'resource is not a resource server' }
    }],
    scopes: {
      known: ['openid', 'email', 'phone', 'profile', 'aws.cognito.signin.user.admin'],
      others: { error: 'invalid_scope' },
      absent: ['openid', 'email', 'phone', 'profile']
    },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    redirectUriRefusal: { error: 'redirect_mismatch', at: 'page' },
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_basic', 'client_secret_post'],
    rules: [],
    format: 'json',
    faults: { client: { error: 'invalid_client', status: 400 } },
    codeSeconds: 'unknown',
    expiresIn: 'number',
    scope: 'absent'
  },
  accessToken: {
    format: 'jwt',
    seconds: 3600,
    // No aud: the client is in client_id.
    claims: grant => ({
      sub: subjectOf(grant),
      token_use: 'access',
      client_id: grant.clientId,
      scope: grant.scope.join(' '),
      username: grant.user.id,
      version: 2,
      'cognito:groups': grant.user.roles
    })
  },
  idToken: {
    algorithm: 'RS256',
    seconds: 3600,
    claims: grant => ({
      sub: subjectOf(grant),
      token_use: 'id',
      'cognito:username': grant.user.id,
      'cognito:groups': grant.user.roles,
      ...grant.scope.includes('email') && {
        email: grant.user.email,
        email_verified: grant.user.emailVerified
      }
    }),
    onRefresh: true
  },
  userinfo: {
    claims: grant => ({
      sub: subjectOf(grant),
      username: grant.user.id,
      email: grant.user.email,
      email_verified: String(grant.user.emailVerified)
    }),
    scope: 'openid'
  },
  refresh: { issued: 'always', rotation: 'kept', seconds: 2_592_000 },
  revocation: {
    refreshToken: 'login',
    accessToken: { error: 'unsupported_token_type' },
    unknown: 'unknown',
    authentication: 'client'
  }
}
