import { unknown, type ClientFacts } from './client.ts'

/** Windsurf (Cascade). Its code is closed, and no thread quotes its requests. */
export const windsurf: ClientFacts = {
  name: 'Windsurf',
  version: unknown,
  sources: [
    {
      shows: 'it opens an authorization URL for servers with OAuth; nothing of its requests',
      at: 'https://scrapfly.io/docs/mcp/integrations/windsurf, Add Scrapfly MCP Server',
      date: '2026-11-28'
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

  identification: unknown,
  document: unknown,
  registration: unknown,
  redirectUris: unknown,
  ports: unknown,

  scope: unknown,
  addedScopes: unknown,
  resource: unknown,
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
  quirks: []
}
