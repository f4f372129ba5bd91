import { unknown, type ClientFacts } from './client.ts'

/** An application that uses the Rust SDK (rmcp), as Codex and Goose do. */
export const rustSdk: ClientFacts = {
  name: 'MCP Rust SDK',
  version: '3.1.4',
  sources: [
    {
      shows: 'discovery, registration, scope, resource, refresh',
      at: 'https://github.com/modelcontextprotocol/rust-sdk, commit 4a738b9d: ' +
        'crates/rmcp/src/transport/auth.rs',
      date: '2026-08-20'
    },
    {
      shows: 'sessions',
      at: 'https://github.com/modelcontextprotocol/rust-sdk, commit 4a738b9d: ' +
        'crates/rmcp/src/transport/streamable_http_client.rs',
      date: '2026-08-20',
      members: ['on404', 'opensStream']
    }
  ],

  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
  beginsWith: 'GET',
  opensStream: true,
  resourceMetadata: [
    '{challenge}',
    '{mcp.origin}/.well-known/oauth-protected-resource{mcp.path}',
    '{mcp.origin}{mcp.path}/.well-known/oauth-protected-resource',
    '{mcp.origin}/.well-known/oauth-protected-resource'
  ],
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: [
    '{issuer.origin}/.well-known/oauth-authorization-server{issuer.path}',
    '{issuer.origin}/.well-known/openid-configuration{issuer.path}',
    '{issuer.origin}{issuer.path}/.well-known/openid-configuration',
    '{issuer.origin}/.well-known/oauth-authorization-server'
  ],
  withoutServerMetadata: 'default endpoints',
  discoveryHeaders: { 'mcp-protocol-version': '2024-11-05' },

  identification: ['configured', 'document', 'registration'],
  // The application's.
  document: null,
  registration: {
    client_name: 'MCP Client',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    response_types: ['code'],
    scope: '{scope}',
    application_type: 'native'
  },
  redirectUris: ['http://127.0.0.1:{port}/callback'],
  ports: unknown,

  scope: ['challenge', 'resource metadata', 'server metadata'],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_basic', 'client_secret_post', 'none'],
  refresh: { secondsBefore: 30, scope: 'granted and added' },

  on401: ['refresh', 'log in'],
  // The application is told which scopes are missing.
  on403: unknown,
  stepUpScope: 'challenge and granted',
  on404: ['initialize'],
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'Scopes of the challenge and of the resource metadata are requested together.',
    'It asks the MCP URL with GET, without a token, before it looks for metadata.',
    'Metadata of another origin than the MCP server is ignored for the resource.'
  ]
}
