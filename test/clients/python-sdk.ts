import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

/** An application that uses the Python SDK's OAuthClientProvider. */
export const pythonSdk: ClientFacts = {
  name: 'MCP Python SDK',
  version: '2.0.0rc1',
  sources: [
    {
      shows: 'discovery, scope, resource, refresh, and the way after 401 and 403',
      at: 'https://github.com/modelcontextprotocol/python-sdk, commit 57394b05: ' +
        'src/mcp/client/auth/oauth2.py, utils.py, src/mcp/shared/auth.py',
      date: '2026-08-20'
    },
    {
      shows: 'sessions and streams',
      at: 'https://github.com/modelcontextprotocol/python-sdk, commit 57394b05: ' +
        'src/mcp/client/streamable_http.py',
      date: '2026-08-20',
      members: ['opensStream', 'on404', 'protocolVersions']
    }
  ],

  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
  beginsWith: 'POST',
  opensStream: true,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp.origin}',
  serverMetadata: serverUrls,
  withoutServerMetadata: 'default endpoints',
  discoveryHeaders: { 'mcp-protocol-version': '2026-07-28' },

  identification: ['configured', 'document', 'registration'],
  // The application's.
  document: null,
  registration: {
    client_name: 'Python application',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: 'native',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:{port}/callback'],
  ports: unknown,

  scope: ['challenge', 'resource metadata', 'server metadata'],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  resource: { value: 'published', spelling: 'parsed', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: { value: 'consent', when: 'offline_access' },
  authorizationParameters: {},

  tokenAuthentication: ['none', 'client_secret_post', 'client_secret_basic'],
  refresh: { secondsBefore: 0, scope: null },

  on401: ['log in'],
  on403: ['log in'],
  stepUpScope: 'challenge and granted',
  on404: ['stop'],
  on5xx: ['stop'],
  signOut: unknown,
  quirks: [
    'Registration body and redirect URI are those of the application; these are common ones.',
    'URLs of metadata are parsed and printed again: `resource` without a path gets a slash.',
    'Without resource metadata it sends `resource` from MCP 2025-06-18 on.',
    'It registers without token_endpoint_auth_method, and takes the one in the response.',
    'A 401 leads to a login at once; refreshes happen only when the token has expired.'
  ]
}
