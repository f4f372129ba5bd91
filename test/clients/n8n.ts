import { unknown, type ClientFacts } from './client.ts'

/** n8n, its MCP OAuth2 credential. */
export const n8n: ClientFacts = {
  name: 'n8n',
  version: unknown,
  sources: [
    {
      shows: 'discovery, registration, scope, PKCE, state',
      at: 'https://github.com/n8n-io/n8n: packages/cli/src/oauth/oauth.service.ts ' +
        '(performDynamicClientRegistration, discoverProtectedResourceMetadata)',
      date: '2026-11-28'
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

  protocolVersions: unknown,
  beginsWith: 'metadata',
  opensStream: unknown,
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
  resource: { value: 'published', spelling: 'unchanged', at: unknown },
  pkce: 'S256',
  state: '{random}',
  prompt: unknown,
  authorizationParameters: {},

  tokenAuthentication: ['none', 'client_secret_basic', 'client_secret_post'],
  refresh: { secondsBefore: null, scope: unknown },

  on401: unknown,
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'Installations of its users have callbacks of their own.',
    'It registers as a public client if the server lists `none` and S256, else with a secret.'
  ]
}
