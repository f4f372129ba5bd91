import { unknown, type ClientFacts } from './client.ts'

/** Warp, the terminal. */
export const warp: ClientFacts = {
  name: 'Warp',
  version: unknown,
  sources: [
    {
      shows: 'the registered callback, and a query that was added to it in the request',
      at: 'https://github.com/warpdotdev/warp/issues/9088, description',
      date: '2026-04-16'
    },
    {
      shows: 'no `resource` in the authorization and token requests',
      at: 'https://github.com/warpdotdev/docs/pull/422, Symptoms covered',
      date: '2026-07-29',
      members: ['resource']
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

  identification: ['registration'],
  document: unknown,
  registration: unknown,
  redirectUris: ['warp://mcp/oauth2callback'],
  ports: null,

  scope: unknown,
  addedScopes: unknown,
  resource: null,
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
    'In April it added ?server_id=… to the registered callback. RFC 6749 §3.1.2.3 lets no server ' +
    'accept that; the thread is closed.'
  ]
}
