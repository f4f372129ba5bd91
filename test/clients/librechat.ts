import { unknown, type ClientFacts } from './client.ts'
import { serverUrls } from './urls.ts'

/** LibreChat, a server that people host themselves. It uses functions of the SDK 1.x. */
export const librechat: ClientFacts = {
  name: 'LibreChat',
  version: unknown,
  sources: [
    {
      shows: 'discovery, registration, scope, resource, refresh, revocation',
      at: 'https://github.com/danny-avila/LibreChat, commit 4ae45538: ' +
        'packages/api/src/mcp/oauth/handler.ts',
      date: '2026-11-28'
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
  serverMetadata: serverUrls,
  withoutServerMetadata: 'default endpoints',
  discoveryHeaders: unknown,

  identification: ['configured', 'registration'],
  document: null,
  registration: {
    client_name: 'LibreChat MCP Client',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:3080/api/mcp/server/oauth/callback'],
  ports: null,

  scope: ['configuration', 'resource metadata', 'server metadata'],
  addedScopes: [],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token'] },
  pkce: 'S256',
  state: 'user:{random}',
  prompt: { value: 'consent', when: 'offline_access' },
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_basic', 'client_secret_post', 'none'],
  refresh: { secondsBefore: unknown, scope: 'requested' },

  on401: unknown,
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: ['revoke access token', 'revoke refresh token', 'forget'],
  quirks: [
    'The redirect URI is that of the installation; the path names the server.',
    'It registers response types, grants and the first authentication method that the server ' +
    'lists, client_secret_basic before the others.',
    'In the token request `resource` is parsed and printed again. At refresh it sends none, but ' +
    'the scope of its registration.'
  ]
}
