import { unknown, type ClientFacts } from './client.ts'

/** n8n, its MCP OAuth2 credential. */
export const n8n: ClientFacts = {
  name: 'n8n',
  version: '2.41.3',
  sources: [
    {
      shows: 'discovery, registration, scope, PKCE, state',
      at: 'npm n8n 2.41.3: dist/oauth/oauth.service.js ' +
        '(performDynamicClientRegistration, discoverProtectedResourceMetadata)',
      date: '2026-11-29'
    },
    {
      shows: 'parameters of its requests: `resource` in all, no `scope` at a refresh',
      at: 'npm @n8n/client-oauth2 1.23.1: dist/code-flow.js, dist/client-oauth2-token.js',
      date: '2026-11-29',
      members: ['resource', 'refresh', 'prompt', 'authorizationParameters']
    },
    {
      shows: 'the margin of a refresh: a tenth of the lifetime, two minutes at most',
      at: 'npm n8n-workflow 2.41.0: dist/cjs/mcp-helpers.js (shouldRefreshMcpOAuth2Token)',
      date: '2026-11-29',
      members: ['refresh']
    },
    {
      shows: 'one refresh after 401, an error after all else; the SDK 1.26.0 as transport',
      at:
        'npm @n8n/n8n-nodes-langchain 2.41.1: dist/nodes/mcp/shared/utils.js (connectMcpClient), ' +
        'package.json',
      date: '2026-11-29',
      members: ['protocolVersions', 'opensStream', 'on401', 'on403', 'on404', 'on5xx']
    },
    {
      shows: 'registration by default, a client id as the other way, the Resource URL',
      at: 'https://docs.n8n.io/integrations/builtin/credentials/mcp, Using OAuth2',
      date: '2026-11-28',
      members: ['identification', 'resource']
    },
    {
      shows: 'the callback of the cloud',
      at: 'https://docs.zuora.com/zuora-ai/zuora-mcp-server/zuora-mcp-server/' +
        'configure-zuora-remote-mcp-server/redirect-uris-by-mcp-client',
      date: '2026-11-28',
      members: ['redirectUris']
    }
  ],

  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'],
  beginsWith: 'metadata',
  opensStream: true,
  resourceMetadata: [
    '{mcp.origin}/.well-known/oauth-protected-resource{mcp.path}',
    '{mcp.origin}/.well-known/oauth-protected-resource'
  ],
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: [
    '{issuer.origin}/.well-known/oauth-authorization-server{issuer.path}',
    '{issuer.origin}/.well-known/openid-configuration{issuer.path}',
    '{issuer}/.well-known/openid-configuration',
    '{issuer.origin}/.well-known/oauth-authorization-server'
  ],
  withoutServerMetadata: 'stop',
  discoveryHeaders: unknown,

  identification: ['registration', 'configured'],
  document: null,
  registration: {
    redirect_uris: ['{redirectUri}'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'n8n',
    client_uri: 'https://n8n.io/',
    scope: '{scope}'
  },
  redirectUris: ['https://oauth.n8n.cloud/oauth2/callback'],
  ports: null,

  scope: ['resource metadata', 'server metadata', { fixed: 'openid' }],
  addedScopes: [],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},

  tokenAuthentication: ['none', 'client_secret_basic', 'client_secret_post'],
  refresh: { secondsBefore: 120, scope: null },

  on401: ['refresh', 'stop'],
  on403: ['stop'],
  stepUpScope: unknown,
  on404: ['stop'],
  on5xx: ['stop'],
  signOut: unknown,
  quirks: [
    'Installations of its users have callbacks of their own.',
    'It registers as a public client if the server lists `none` and S256, else with a secret.'
  ]
}
