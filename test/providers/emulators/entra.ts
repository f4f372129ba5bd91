import { entra as preset } from '../../../lib/providers/index.ts'
import { publishedMetadata } from './published.ts'
import type { Grant, ProviderFacts, Refusal } from './provider.ts'

const platform = 'https://learn.microsoft.com/en-us/entra/identity-platform'

/** Application id of Microsoft Graph, which tokens are for without a scope of another API. */
const graph = '00000003-0000-0000-c000-000000000000'

/** An API of the tenant, with one scope. */
const api = 'api://notes'
const apiScope = `${api}/notes.read`

const openIdScopes = ['openid', 'profile', 'email', 'offline_access']

/** An error as Entra words it: its code is in the description and in `error_codes`. */
function aadsts (error: string, code: number, text: string, more: Partial<Refusal> = {}): Refusal {
  return {
    error,
    description: `AADSTS${code}: ${text} Trace ID: 11111111-aaaa-bbbb-cccc-222222222222`,
    members: {
      error_codes: [code],
      timestamp: '2026-11-28 12:00:00Z',
      trace_id: '11111111-aaaa-bbbb-cccc-222222222222',
      correlation_id: '33333333-aaaa-bbbb-cccc-444444444444'
    },
    ...more
  }
}

/**
 * A tenant whose users may not consent. The requested API decides on the access token: Graph's
 * cannot be verified by others, those of an API follow its `requestedAccessTokenVersion`.
 */
function tenant (
  id: string,
  tenantId: string,
  { version, scope }: { version: 1 | 2, scope?: string }
): ProviderFacts {
  const issuer = `https://login.microsoftonline.com/${tenantId}/v2.0`
  const subjectOf = ({ user, clientId }: Grant) => ({
    sub: `${clientId}-${user.id}`,
    oid: `00000000-0000-0000-0000-${String(user.number).padStart(12, '0')}`,
    tid: tenantId
  })
  return {
    id,
    name: `Microsoft Entra ID, ${
      scope ? `an API with tokens of version ${version}` : 'sign-in only'
    }`,
    sources: [
      {
        url: `${platform}/v2-oauth2-auth-code-flow`,
        heading:
          'Request an authorization code; Redeem a code for an access token; Refresh the access token',
        date: '2024-04-08',
        facts: 'endpoints, codeSeconds, pkce, redirectUri, token, one resource for a request'
      },
      {
        url: `${platform}/refresh-tokens`,
        heading: 'Token lifetime',
        date: '2025-05-14',
        facts: 'refresh.seconds, refresh.rotation: added'
      },
      {
        url: `${platform}/reference-error-codes`,
        heading: 'AADSTS error codes',
        date: '2026-11-28',
        facts: 'AADSTS codes: 28000, 50011, 50076, 50173, 65004, 70011, 700016, 700082, 7000215'
      },
      {
        url: 'https://github.com/microsoft/powerbi-modeling-mcp/issues/68',
        heading: 'AADSTS9010010: resource parameter conflicts with scope on v2.0 endpoint',
        date: '2026-03-09',
        facts: 'resource is refused unless it is that of the scopes'
      },
      {
        url: 'https://github.com/anthropics/claude-code/issues/94804',
        heading:
          'prompt=consent hardcoded on every MCP OAuth authorize request breaks Entra tenants',
        date: '2026-09-16',
        facts: 'prompt=consent ends at a page that asks for an administrator: AADSTS90095'
      },
      {
        url: `${platform}/id-token-claims-reference`,
        heading: 'Payload claims',
        date: '2026-11-28',
        facts: 'idToken.claims: pairwise sub, oid, tid, no email_verified'
      },
      {
        url: `${platform}/access-token-claims-reference`,
        heading: 'Payload claims',
        date: '2026-11-28',
        facts: 'accessToken.claims of versions 1 and 2'
      }
    ],
    unsourced: [
      'the member scope of a response without scopes of an API',
      'the answer of the userinfo endpoint to a token for another API'
    ],
    issuer,
    preset: client => ({
      ...preset({ tenantId, ...client }),
      ...scope !== undefined && { defaultScope: `openid profile email ${scope}` }
    }),
    metadata: {
      urls: [`${issuer}/.well-known/openid-configuration`],
      document: publishedMetadata('entra', ['11111111-2222-3333-4444-555555555555', tenantId])
    },
    authorization: {
      rules: [{
        parameter: 'prompt',
        values: ['consent'],
        answer: aadsts('access_denied', 90095, 'Admin approval is required.', { at: 'page' })
      }],
      scopes: {
        known: [...openIdScopes, 'https://graph.microsoft.com/User.Read', apiScope],
        others: aadsts('invalid_scope', 70011, "The provided value for 'scope' is not valid."),
        absent: aadsts('invalid_request', 900144, "The request must contain 'scope'.", {
          at: 'page'
        })
      },
      check: ({ scope: requested = '', resource }) =>
        resource !== undefined && !resourcesOf(requested.split(' ')).includes(resource)
          ? aadsts('invalid_target', 9010010, "The resource doesn't match the requested scopes.")
          : null,
      pkce: 'optional',
      redirectUri: 'exact',
      redirectUriRefusal: aadsts('invalid_request', 50011, 'The redirect URI does not match.', {
        at: 'page'
      }),
      clientRefusal: aadsts('unauthorized_client', 700016, 'The application was not found.', {
        at: 'page'
      }),
      denied: aadsts('access_denied', 65004, 'User declined to consent to access the app.'),
      adds: ({ session }) => ({ session_state: session })
    },
    token: {
      authentication: ['client_secret_post', 'client_secret_basic'],
      rules: [],
      format: 'json',
      faults: {
        client: aadsts('invalid_client', 7000215, 'Invalid client secret provided.', {
          status: 401
        }),
        code: aadsts('invalid_grant', 70008, 'The authorization code has expired.'),
        verifier: aadsts('invalid_grant', 501481, 'The Code_Verifier does not match.'),
        refreshToken: aadsts('invalid_grant', 50173, 'The grant was revoked.'),
        expiredRefreshToken: aadsts('invalid_grant', 700082, 'The refresh token has expired.')
      },
      codeSeconds: 600,
      expiresIn: 'number',
      scope: 'spaces',
      // A login may have scopes of several APIs, a token is for one.
      check: ({ scope: granted }) =>
        new Set(resourcesOf(granted)).size > 1
          ? aadsts('invalid_scope', 28000, 'The scope contains more than one resource.')
          : null,
      adds: ({ scope: granted }) => ({
        ext_expires_in: 3599,
        scope: granted.filter(name => name !== 'offline_access').join(' ')
      }),
      others: {
        expiredSecret: aadsts('invalid_client', 7000222, 'The client secret keys are expired.', {
          status: 401
        }),
        strongAuthentication: aadsts(
          'interaction_required',
          50076,
          'You must use multi-factor authentication.',
          { members: { suberror: 'basic_action', error_codes: [50076] } }
        ),
        conditionalAccess: aadsts('invalid_grant', 53003, 'Access was blocked by a policy.'),
        outage: aadsts('temporarily_unavailable', 90033, 'A transient error has occurred.', {
          status: 503
        })
      }
    },
    accessToken: {
      format: ({ scope: granted }) => isForApi(granted) ? 'jwt' : 'opaque',
      seconds: 3599,
      claims: grant => ({
        ...subjectOf(grant),
        scp: 'notes.read',
        ...version === 2
          ? { ver: '2.0', aud: api.slice('api://'.length), azp: grant.clientId }
          : {
            ver: '1.0',
            iss: `https://sts.windows.net/${tenantId}/`,
            aud: api,
            appid: grant.clientId
          }
      })
    },
    idToken: {
      algorithm: 'RS256',
      seconds: 3600,
      claims: grant => ({
        ...subjectOf(grant),
        ver: '2.0',
        ...grant.scope.includes('profile') && {
          name: grant.user.name,
          preferred_username: grant.user.email
        },
        ...grant.scope.includes('email') && { email: grant.user.email },
        roles: grant.user.roles
      }),
      onRefresh: true
    },
    userinfo: {
      claims: grant => ({ sub: subjectOf(grant).sub, name: grant.user.name }),
      check: ({ scope: granted }) =>
        isForApi(granted)
          ? { error: 'InvalidAuthenticationToken', description: 'Invalid audience.', status: 401 }
          : null
    },
    refresh: {
      issued: { scope: 'offline_access' },
      rotation: 'added',
      seconds: null,
      idleSeconds: 7_776_000
    },
    revocation: null,
    keyMembers: ['kid', 'use']
  }
}

/** The APIs whose scopes are requested. Plain names are those of Graph. */
function resourcesOf (scope: readonly string[]): string[] {
  return scope.filter(name => name !== '' && !openIdScopes.includes(name)).map(name =>
    name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : graph
  )
}

function isForApi (scope: readonly string[]): boolean {
  return scope.includes(apiScope)
}

export const entra = tenant('entra', '11111111-2222-3333-4444-555555555555', { version: 2 })

export const entraApi = tenant('entra-api', '22222222-2222-3333-4444-555555555555', {
  version: 2,
  scope: apiScope
})

export const entraApiV1 = tenant('entra-api-v1', '33333333-2222-3333-4444-555555555555', {
  version: 1,
  scope: apiScope
})
