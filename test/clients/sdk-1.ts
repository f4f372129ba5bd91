import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

/** An application that uses the SDK 1.x, and leaves all decisions to it. */
export const sdk1: ClientFacts = {
  name: 'MCP TypeScript SDK 1.x',
  version: '1.32.2',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/sdk-1.ts)',
      date: '2026-11-29',
      members: [
        'beginsWith',
        'opensStream',
        'resourceMetadata',
        'serverMetadata',
        'withoutServerMetadata',
        'discoveryHeaders',
        'scope',
        'addedScopes',
        'resource',
        'pkce',
        'prompt',
        'refresh'
      ]
    },
    {
      shows: 'discovery, scope, resource, prompt, client authentication, and the way after errors',
      at: 'npm @modelcontextprotocol/sdk 1.32.2: dist/esm/client/auth.js, streamableHttp.js',
      date: '2026-11-28'
    }
  ],

  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'],
  beginsWith: 'POST',
  opensStream: true,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp.origin}/',
  serverMetadata: serverUrls,
  withoutServerMetadata: 'default endpoints',
  discoveryHeaders: { 'mcp-protocol-version': '2025-11-25', accept: 'application/json' },

  identification: ['configured', 'document', 'registration'],
  // The application's.
  document: null,
  registration: {
    client_name: 'SDK 1.x application',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:{port}/callback'],
  ports: unknown,

  scope: ['challenge', 'resource metadata', 'configuration'],
  addedScopes: [],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: { value: 'consent', when: 'offline_access' },
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_basic', 'client_secret_post', 'none'],
  refresh: { secondsBefore: null, scope: null },

  on401: ['refresh', 'log in'],
  on403: ['refresh', 'log in'],
  stepUpScope: 'challenge',
  on404: ['stop'],
  on5xx: ['stop'],
  signOut: unknown,
  quirks: [
    'With a URL in the challenge it tries no other for the resource metadata.',
    'Registration body and redirect URI are those of the application; these are common ones.',
    'Without resource metadata it sends no `resource`.',
    'After a 403 it refreshes if it has a refresh token, and stops if the 403 repeats.'
  ],
  cannot: {
    'step up': 'It refreshes after insufficient_scope. A refresh never adds scopes (RFC 6749 §6).'
  }
}
