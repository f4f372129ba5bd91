import type { ClientFacts } from './client.ts'
import { errors } from './statuses.ts'

/** Gemini CLI. */
export const geminiCli: ClientFacts = {
  name: 'Gemini CLI',
  version: '0.61.0',
  sources: [
    {
      shows: 'where it looks for metadata, and with which headers',
      at: 'request of the installed version (test/real-clients/runners/gemini-cli.ts)',
      date: '2026-11-29',
      members: [
        'resourceMetadata',
        'issuerWithoutResourceMetadata',
        'discoveryHeaders',
        'beginsWith'
      ]
    },
    {
      shows: 'registration, scope, refresh and its margin',
      at:
        'npm @google/gemini-cli-core 0.61.0: dist/src/mcp/oauth-provider.js, oauth-token-storage.js',
      date: '2026-11-28'
    },
    {
      shows: 'discovery and the value of `resource`',
      at: 'npm @google/gemini-cli-core 0.61.0: dist/src/mcp/oauth-utils.js',
      date: '2026-11-28',
      members: [
        'serverMetadata',
        'withoutServerMetadata',
        'resource'
      ]
    },
    {
      shows: 'parameters of the requests, callback, ports',
      at: 'npm @google/gemini-cli-core 0.61.0: dist/src/utils/oauth-flow.js',
      date: '2026-11-28',
      members: [
        'redirectUris',
        'ports',
        'pkce',
        'state',
        'prompt',
        'authorizationParameters',
        'tokenAuthentication'
      ]
    },
    {
      shows:
        'the way after 401, HTTP+SSE after other statuses; the dependency @modelcontextprotocol/sdk 1.23.0',
      at: 'npm @google/gemini-cli-core 0.61.0: dist/src/tools/mcp-client.js, package.json',
      date: '2026-11-28',
      members: [
        'protocolVersions',
        'opensStream',
        'oldTransport',
        'on401',
        'on403',
        'on404',
        'on5xx'
      ]
    }
  ],

  protocolVersions: ['2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'],
  beginsWith: 'HEAD',
  oldTransport: errors,
  opensStream: true,
  resourceMetadata: [
    '{challenge}',
    '{mcp.origin}/.well-known/oauth-protected-resource{mcp.path}',
    '{mcp.origin}/.well-known/oauth-protected-resource'
  ],
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: [
    '{issuer.origin}/.well-known/oauth-authorization-server{issuer.path}',
    '{issuer.origin}/.well-known/openid-configuration{issuer.path}',
    '{issuer.origin}{issuer.path}/.well-known/openid-configuration',
    '{issuer.origin}/.well-known/oauth-authorization-server',
    '{issuer.origin}/.well-known/openid-configuration'
  ],
  withoutServerMetadata: 'stop',
  discoveryHeaders: { accept: '*/*' },

  identification: ['configured', 'registration'],
  document: null,
  registration: {
    client_name: 'Gemini CLI MCP Client',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:{port}/oauth/callback'],
  ports: 'ephemeral',

  scope: ['configuration', 'server metadata'],
  addedScopes: [],
  resource: { value: 'mcp', spelling: 'parsed', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_post', 'none'],
  refresh: { secondsBefore: 300, scope: null },

  on401: ['log in'],
  on403: ['stop'],
  stepUpScope: 'login',
  on404: ['stop'],
  on5xx: ['stop'],
  signOut: ['forget'],
  quirks: [
    'It looks for the registration endpoint at the origin of the issuer before its path: there, ' +
    'another server may answer.',
    'It asks the MCP URL with HEAD, without a token, before it looks for metadata.',
    'It registers `scope: ""` if it has no scopes.',
    '`resource` is the MCP URL as entered, without its query.',
    'At refresh it sends the scopes of the configuration only.',
    'It requires `iss` in the callback, always, once it knows the issuer.',
    'A refused refresh deletes the credentials: the user has to log in with a command.'
  ]
}
