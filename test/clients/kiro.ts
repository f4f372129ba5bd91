import { unknown, type ClientFacts } from './client.ts'

/** Kiro, the IDE of AWS. Its command line is another client, with the Rust SDK. */
export const kiro: ClientFacts = {
  name: 'Kiro',
  version: '1.0.138',
  sources: [
    {
      shows: 'redirect URI, `resource`, and that values are not percent-encoded',
      at: 'https://github.com/kirodotdev/Kiro/issues/10927, description',
      date: '2026-08-19'
    },
    {
      shows: 'values of the authorization URL are not percent-encoded, and the version',
      at: 'https://github.com/kirodotdev/Kiro/issues/10204, description',
      date: '2026-07-14',
      members: ['version', 'quirks']
    },
    {
      shows: 'it registers, or uses a client id of the configuration, and has no document',
      at: 'https://github.com/kirodotdev/Kiro/issues/11076, Bug Description',
      date: '2026-08-26',
      members: ['identification', 'document']
    }
  ],

  protocolVersions: unknown,
  beginsWith: unknown,
  opensStream: unknown,
  resourceMetadata: unknown,
  issuerWithoutResourceMetadata: unknown,
  serverMetadata: unknown,
  withoutServerMetadata: unknown,
  discoveryHeaders: unknown,

  identification: ['configured', 'registration'],
  document: null,
  registration: unknown,
  redirectUris: ['http://localhost:{port}/oauth/callback'],
  ports: unknown,

  scope: unknown,
  addedScopes: unknown,
  resource: { value: unknown, spelling: unknown, at: unknown },
  pkce: unknown,
  state: unknown,
  prompt: unknown,
  authorizationParameters: unknown,

  tokenAuthentication: unknown,
  refresh: unknown,

  on401: unknown,
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'After a refused `initialize` it reports the 405 of its GET for HTTP+SSE ' +
    '(https://github.com/kirodotdev/Kiro/issues/9553, 2026-06-18).',
    'From 1.0 on, redirect_uri and resource of the authorization URL are not percent-encoded, which ' +
    'RFC 3986 §3.4 allows.',
    'In 0.5, a query in the MCP URL was percent-encoded twice in `resource` ' +
    '(https://github.com/kirodotdev/Kiro/issues/3681).'
  ]
}
