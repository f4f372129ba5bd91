import type { ClientFacts } from './client.ts'
import { sdk2Legacy } from './sdk-2-legacy.ts'
import { resourceUrls, serverUrlsWithRoot } from './urls.ts'

/** mcp-remote: connects clients without remote servers, over stdio. It contains the SDK 2.x. */
export const mcpRemote: ClientFacts = {
  ...sdk2Legacy,
  name: 'mcp-remote',
  version: '0.15.1',
  sources: [
    {
      shows: 'its first requests, where it looks for metadata, application_type, scope at refresh',
      at: 'request of the installed version (test/real-clients/runners/mcp-remote.ts)',
      date: '2026-11-29',
      members: [
        'beginsWith',
        'resourceMetadata',
        'issuerWithoutResourceMetadata',
        'serverMetadata',
        'discoveryHeaders',
        'registration',
        'refresh'
      ]
    },
    {
      shows: 'registration, scope, margin of the expiry',
      at: 'npm mcp-remote 0.15.1: dist/chunk-KJCT2FXL.js (NodeOAuthClientProvider)',
      date: '2026-11-28'
    },
    {
      shows: 'the behaviour of the SDK 2.x which it contains',
      at: 'npm mcp-remote 0.15.1: the same file (authInternal, determineScope)',
      date: '2026-11-28',
      members: [
        'protocolVersions',
        'prompt',
        'resource',
        'on401',
        'on403',
        'on404',
        'on5xx'
      ]
    },
    {
      shows: 'HTTP+SSE after 404 and 405, unless the user chooses http-only',
      at: 'npm mcp-remote 0.15.1: the same file (connectToRemoteServer)',
      date: '2026-11-29',
      members: ['oldTransport']
    }
  ],
  beginsWith: 'GET',
  oldTransport: [404, 405],
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: serverUrlsWithRoot,
  discoveryHeaders: { accept: 'application/json' },
  identification: ['configured', 'document', 'registration'],
  document: null,
  registration: {
    redirect_uris: ['{redirectUri}'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'MCP CLI Proxy',
    client_uri: 'https://github.com/modelcontextprotocol/mcp-cli',
    software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
    software_version: '0.15.1',
    application_type: 'native',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:{port}/oauth/callback'],
  ports: 'ephemeral',
  scope: [
    'challenge',
    'resource metadata',
    'server metadata',
    { fixed: 'openid email profile' }
  ],
  tokenAuthentication: ['none', 'client_secret_post', 'client_secret_basic'],
  refresh: { secondsBefore: 60, scope: 'granted' },
  signOut: ['forget'],
  quirks: [
    'It looks for metadata itself, to choose scopes, and the SDK does so again, in its own way.',
    'The port follows from the server URL; another is used if it is taken.',
    'A metadata document is used only if the user names one.',
    'It registers with a secret if the server does not list `none`.',
    'Processes share a lock, so that only one of them refreshes.'
  ]
}
