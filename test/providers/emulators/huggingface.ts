import { huggingface as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts } from './provider.ts'

const issuer = 'https://huggingface.co'

const subjectOf = ({ user }: Grant) => String(user.number).padStart(24, '6')

/** An application with a secret. */
export const huggingface: ProviderFacts = {
  id: 'huggingface',
  name: 'Hugging Face',
  sources: [
    {
      url: 'https://huggingface.co/docs/hub/oauth',
      heading: 'Creating an oauth app; Redirect URIs; Currently supported scopes; Response',
      date: '2026-08-22',
      facts: 'scopes, redirectUri, token.authentication, accessToken.prefix'
    },
    {
      url: 'https://huggingface.co/docs/hub/spaces-oauth',
      heading: 'Create an OAuth app',
      date: '2026-11-28',
      facts: 'accessToken.seconds: 8 hours by default'
    },
    {
      url: 'https://logto.io/oauth-providers-explorer/huggingface',
      heading: 'Hugging Face OAuth & OIDC endpoints',
      date: '2026-11-28',
      facts: 'issuer, metadata'
    },
    {
      url: 'https://github.com/huggingface/huggingface.js/blob/main/packages/hub/src/lib/' +
        'oauth-handle-redirect.ts',
      heading: 'UserInfo, oauthHandleRedirect',
      date: '2026-11-28',
      facts: 'userinfo.claims, pkce'
    }
  ],
  unsourced: [
    'whether logins return refresh tokens: taken as yes, the client library has it in a comment',
    'whether they are replaced: taken as replaced, and a used one as the end of the grant',
    'claims of ID tokens: taken as sub only',
    'which scopes are refused, and how',
    'whether tokens can be revoked: taken as no'
  ],
  issuer,
  preset,
  metadata: {
    urls: [`${issuer}/.well-known/openid-configuration`],
    document: publishedMetadata('huggingface')
  },
  authorization: {
    rules: [],
    scopes: { known: ['openid', 'profile', 'email'], others: 'unknown', absent: 'unknown' },
    pkce: 'optional',
    challengeMethods: ['S256'],
    redirectUri: 'exact',
    denied: { error: 'access_denied' }
  },
  token: {
    authentication: ['client_secret_basic'],
    rules: [],
    format: 'json',
    faults: {},
    codeSeconds: 'unknown',
    type: 'bearer',
    expiresIn: 'number',
    scope: 'spaces'
  },
  accessToken: { format: 'opaque', seconds: 28_800, prefix: 'hf_oauth_' },
  idToken: {
    algorithm: 'RS256',
    seconds: 3600,
    claims: grant => ({ sub: subjectOf(grant) }),
    onRefresh: 'unknown'
  },
  userinfo: {
    claims: grant => ({
      sub: subjectOf(grant),
      ...grant.scope.includes('profile') && {
        name: grant.user.name,
        preferred_username: grant.user.id,
        profile: `https://huggingface.co/${grant.user.id}`,
        isPro: false,
        orgs: []
      },
      ...grant.scope.includes('email') && {
        email: grant.user.email,
        email_verified: grant.user.emailVerified
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
  revocation: null
}
