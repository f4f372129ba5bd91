import { unknown, type ClientFacts } from './client.ts'
import { errors } from './statuses.ts'
import { resourceUrls, serverUrls } from './urls.ts'

/** Cursor. */
export const cursor: ClientFacts = {
  name: 'Cursor',
  version: '3.14',
  sources: [
    {
      shows: 'three redirect URIs in one registration',
      at: 'https://github.com/erp-mafia/accounted/pull/2225, What and why',
      date: '2026-09-03',
      members: ['registration', 'redirectUris']
    },
    {
      shows: 'application_type is left out by 3.13.25; token_endpoint_auth_method none',
      at: 'https://github.com/better-auth/better-auth/pull/10956, comment',
      date: '2026-09-01',
      members: ['registration']
    },
    {
      shows: 'http://localhost:8787/callback is used from 3.10.17 on; the two others stay',
      at:
        'https://forum.cursor.com/t/oauth-redirect-uri-changed-from-cursor-to-http-localhost-for-' +
        'streamable-http-mcp/165019',
      date: '2026-07-08',
      members: ['redirectUris', 'ports']
    },
    {
      shows: 'HTTP+SSE after any failure but Unauthorized, as its log has it',
      at: 'https://github.com/benborla/mcp-server-mysql/issues/111, description, and ' +
        'https://github.com/cursor/cursor/issues/3722',
      date: '2026-02-10',
      members: ['oldTransport', 'quirks']
    },
    {
      shows: 'registration, or a client id and scopes of the configuration',
      at: 'https://cursor.com/docs/context/mcp',
      date: '2026-11-28'
    }
  ],

  protocolVersions: unknown,
  beginsWith: unknown,
  oldTransport: errors,
  opensStream: unknown,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: unknown,
  serverMetadata: serverUrls,
  withoutServerMetadata: unknown,
  discoveryHeaders: unknown,

  identification: ['configured', 'registration'],
  document: null,
  registration: {
    client_name: 'Cursor',
    redirect_uris: [
      'cursor://anysphere.cursor-mcp/oauth/callback',
      'https://www.cursor.com/agents/mcp/oauth/callback',
      'http://localhost:8787/callback'
    ],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none'
  },
  redirectUris: [
    'http://localhost:{port}/callback',
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'https://www.cursor.com/agents/mcp/oauth/callback'
  ],
  ports: [8787],

  scope: unknown,
  addedScopes: unknown,
  resource: unknown,
  pkce: 'S256',
  state: unknown,
  prompt: unknown,
  authorizationParameters: unknown,

  tokenAuthentication: unknown,
  refresh: { secondsBefore: unknown, scope: unknown },

  on401: unknown,
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'Older versions were seen to register application_type web, and callbacks with the name of the ' +
    'server: cursor://anysphere.cursor-mcp/oauth/user-NAME/callback ' +
    '(https://github.com/browserstack/mcp-server/issues/176, 2025-11-06).',
    'It tries HTTP+SSE if Streamable HTTP fails, a failed registration included.'
  ]
}
