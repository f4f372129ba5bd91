import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

const documentUrl = 'https://zed.dev/oauth/client-metadata.json'

/** Zed, the editor. */
export const zed: ClientFacts = {
  name: 'Zed',
  version: unknown,
  sources: [
    {
      shows: 'discovery, registration, scope, resource, refresh',
      at:
        'https://github.com/zed-industries/zed, commit 04afc35b: crates/context_server/src/oauth.rs',
      date: '2026-11-28'
    },
    {
      shows: 'the way after 401, 403 and 404',
      at: 'https://github.com/zed-industries/zed, commit 07887f1f: ' +
        'crates/context_server/src/transport/http.rs',
      date: '2026-11-28',
      members: ['on401', 'on403', 'on404', 'on5xx', 'beginsWith']
    },
    {
      shows: 'protocol versions, and that it begins with server/discover',
      at: 'https://github.com/zed-industries/zed: crates/context_server/src/protocol.rs ' +
        '(initialize, supported_legacy_protocols)',
      date: '2026-11-29',
      members: ['protocolVersions']
    },
    {
      shows: 'the redirect URI and the authentication method of the metadata document',
      at: documentUrl,
      date: '2026-09-24',
      members: ['document']
    }
  ],

  protocolVersions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
  beginsWith: 'POST',
  opensStream: unknown,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: null,
  serverMetadata: serverUrls,
  withoutServerMetadata: 'stop',
  discoveryHeaders: { accept: 'application/json' },

  identification: ['configured', 'document', 'registration'],
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: unknown,
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
      grant_types: unknown
    }
  },
  registration: {
    client_name: 'Zed',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://127.0.0.1:{port}/callback'],
  ports: 'ephemeral',

  scope: ['challenge', 'resource metadata'],
  addedScopes: [],
  resource: {
    value: 'published',
    spelling: 'without slash',
    at: ['authorize', 'token', 'refresh']
  },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_post', 'none'],
  refresh: { secondsBefore: 30, scope: null },

  on401: ['refresh', 'log in'],
  on403: ['stop'],
  stepUpScope: unknown,
  on404: ['initialize'],
  on5xx: ['stop'],
  signOut: unknown,
  quirks: [
    'It registers again for each login, since the port differs.',
    'It refuses a server that does not announce S256, and metadata of another issuer.',
    'It ignores a resource_metadata URL of another origin.'
  ]
}
