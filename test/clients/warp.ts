import { unknown, type ClientFacts } from './client.ts'
import { serverUrlsWithRootLast } from './urls.ts'

const code = 'https://github.com/warpdotdev/warp, commit 19548aec6: crates/mcp/src'

/** Warp, the terminal. It uses the Rust SDK in an older version. */
export const warp: ClientFacts = {
  name: 'Warp',
  version: unknown,
  sources: [
    {
      shows: 'the probe before a login, and what the login does with the Rust SDK 1.6.0',
      at: `${code}/runtime.rs, oauth.rs, oauth/loopback.rs`,
      date: '2026-08-22'
    },
    {
      shows: 'discovery, registration, scope, resource, refresh',
      at: 'https://github.com/modelcontextprotocol/rust-sdk, tag rmcp-v1.6.0: ' +
        'crates/rmcp/src/transport/auth.rs, streamable_http_client.rs',
      date: '2026-11-29',
      members: [
        'protocolVersions',
        'opensStream',
        'resourceMetadata',
        'issuerWithoutResourceMetadata',
        'serverMetadata',
        'withoutServerMetadata',
        'discoveryHeaders',
        'registration',
        'scope',
        'addedScopes',
        'resource',
        'pkce',
        'state',
        'tokenAuthentication',
        'refresh',
        'on404'
      ]
    },
    {
      shows: 'the registered callback, and a query that was added to it in the request',
      at: 'https://github.com/warpdotdev/warp/issues/9088, description',
      date: '2026-04-16',
      members: ['redirectUris', 'quirks']
    },
    {
      shows: 'logins without `resource`, of a version that is not named',
      at: 'https://github.com/warpdotdev/docs/pull/422, Symptoms covered',
      date: '2026-07-29',
      members: ['quirks']
    }
  ],

  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
  beginsWith: 'POST',
  oldTransport: [404, 405],
  opensStream: true,
  resourceMetadata: [
    '{challenge}',
    '{mcp.origin}/.well-known/oauth-protected-resource{mcp.path}',
    '{mcp.origin}{mcp.path}/.well-known/oauth-protected-resource',
    '{mcp.origin}/.well-known/oauth-protected-resource'
  ],
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: serverUrlsWithRootLast,
  withoutServerMetadata: 'stop',
  discoveryHeaders: { 'mcp-protocol-version': '2024-11-05' },

  identification: ['registration'],
  document: null,
  registration: {
    client_name: 'Warp',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    response_types: ['code'],
    scope: '{scope}'
  },
  redirectUris: ['warp://mcp/oauth2callback', 'http://127.0.0.1:{port}/mcp/oauth2callback'],
  ports: 'ephemeral',

  scope: ['challenge', 'resource metadata', 'server metadata'],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  resource: { value: 'mcp', spelling: 'parsed', at: ['authorize', 'token'] },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_basic', 'client_secret_post', 'none'],
  refresh: { secondsBefore: 30, scope: 'granted' },

  on401: ['log in'],
  on403: unknown,
  stepUpScope: unknown,
  on404: ['initialize'],
  on5xx: unknown,
  signOut: ['forget'],
  quirks: [
    'It sends `initialize` to see whether the server wants a login, and again after the login.',
    'Its callback has a port of 127.0.0.1 in the terminal interface only.',
    'In April it added ?server_id=… to the registered callback. RFC 6749 §3.1.2.3 lets no server ' +
    'accept that; the thread is closed.',
    'Its documentation has logins without `resource`: an older version sent none.'
  ]
}
