import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

/** An application that uses the SDK 2.x with its defaults: the revisions with `initialize`. */
export const sdk2Legacy: ClientFacts = {
  name: 'MCP TypeScript SDK 2.x, legacy era',
  version: '2.4.0',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/sdk-2-legacy.ts)',
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
      shows: 'discovery, scope, step-up, prompt, client authentication, and the way after errors',
      at:
        'npm @modelcontextprotocol/client 2.4.0: dist/index.mjs (StreamableHTTPClientTransport, ' +
        '_stepUpAuthorize) and its chunk with authInternal, determineScope, startAuthorization',
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
    client_name: 'SDK 2.x application',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:{port}/callback'],
  ports: unknown,

  scope: ['challenge', 'resource metadata', 'configuration'],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: { value: 'consent', when: 'offline_access' },
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_basic', 'client_secret_post', 'none'],
  refresh: { secondsBefore: null, scope: null },

  on401: ['refresh', 'log in'],
  on403: ['log in'],
  stepUpScope: 'challenge and granted',
  on404: ['stop'],
  on5xx: ['stop'],
  signOut: unknown,
  quirks: [
    'Registration body and redirect URI are those of the application; these are common ones.',
    'offline_access is added only if other scopes are requested and the grant is registered.',
    'It refuses metadata of another issuer, and a callback without the announced `iss`.',
    'After a 403 it refreshes instead if its token already has the scopes of the challenge.'
  ]
}
