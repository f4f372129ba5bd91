import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrlsWithRootLast } from './urls.ts'

const documentUrl = 'https://github.com/copilot/cli/client-metadata.json'

/** GitHub Copilot CLI. */
export const copilotCli: ClientFacts = {
  name: 'Copilot CLI',
  version: '1.0.87',
  sources: [
    {
      shows: 'the metadata document, and a callback on another port than that',
      at: 'https://github.com/github/copilot-cli/issues/4901, comment',
      date: '2026-09-18'
    },
    {
      shows: 'it registers where documents are not supported, and then uses another port',
      at: 'https://github.com/github/copilot-cli/issues/1951, description',
      date: '2026-03-10',
      members: ['identification', 'registration', 'quirks']
    },
    {
      shows: 'the registration of 1.0.81, captured: no `scope`',
      at: 'https://github.com/dozigden/boardoil/issues/11, Captured registration request',
      date: '2026-08-17',
      members: ['registration', 'redirectUris']
    },
    {
      shows: 'the port, free unless auth.redirectPort is set; 1.0.87 still',
      at: 'https://github.com/github/copilot-cli/issues/4926, description',
      date: '2026-09-21',
      members: ['ports', 'version']
    },
    {
      shows: 'the whole flow of 1.0.50, with the SDK 1.x: later versions come as one binary',
      at: 'npm @github/copilot 1.0.50: app.js (authenticate, clientMetadata, tryRefreshTokens)',
      date: '2026-11-29',
      members: [
        'protocolVersions',
        'beginsWith',
        'opensStream',
        'resourceMetadata',
        'issuerWithoutResourceMetadata',
        'serverMetadata',
        'withoutServerMetadata',
        'scope',
        'addedScopes',
        'resource',
        'pkce',
        'state',
        'prompt',
        'authorizationParameters',
        'tokenAuthentication',
        'refresh',
        'on401',
        'on403',
        'stepUpScope',
        'quirks'
      ]
    }
  ],

  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'],
  beginsWith: 'POST',
  opensStream: true,
  resourceMetadata: [
    ...resourceUrls,
    '{mcp.origin}{mcp.path}/.well-known/oauth-protected-resource'
  ],
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: [
    ...serverUrlsWithRootLast,
    '{issuer.origin}/.well-known/openid-configuration'
  ],
  withoutServerMetadata: 'stop',
  discoveryHeaders: unknown,

  identification: ['configured', 'document', 'registration'],
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: 'GitHub Copilot CLI',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1:33418/'],
      grant_types: unknown
    }
  },
  registration: {
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none'
  },
  redirectUris: ['http://127.0.0.1:{port}/'],
  ports: 'ephemeral',

  scope: ['resource metadata', 'challenge'],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  resource: { value: 'published', spelling: 'parsed', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: { value: 'consent', when: 'offline_access' },
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_basic', 'client_secret_post', 'none'],
  refresh: { secondsBefore: 60, scope: null },

  on401: ['refresh', 'log in'],
  on403: ['refresh', 'log in'],
  stepUpScope: 'challenge',
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'Its document names one port, it sends another: RFC 8252 §7.3 lets servers ignore the port.',
    'Registered clients come with another port, too.',
    'Its registration also has application_type, with a value that is not known here.',
    'It sends an empty object to the MCP URL for the challenge, and takes scopes of the challenge only ' +
    'if there are no resource metadata.',
    'It sends no `resource` and no `prompt` to Microsoft Entra ID.',
    'After a 403 it refreshes if it has a refresh token, and stops if the 403 repeats.'
  ],
  cannot: {
    'step up': 'It refreshes after insufficient_scope. A refresh never adds scopes (RFC 6749 §6).'
  }
}
