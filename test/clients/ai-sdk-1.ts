import { aiSdk } from './ai-sdk.ts'
import type { ClientFacts } from './client.ts'

/** An application that uses version 1 of the MCP client of the AI SDK. */
export const aiSdk1: ClientFacts = {
  ...aiSdk,
  name: 'AI SDK 1.x',
  version: '1.0.102',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/ai-sdk-1.ts)',
      date: '2026-11-29'
    },
    {
      shows: 'the way after errors, client authentication, prompt',
      at: 'npm @ai-sdk/mcp 1.0.102: src/tool/oauth.ts, mcp-http-transport.ts',
      date: '2026-11-29',
      members: ['tokenAuthentication', 'prompt', 'on401', 'on403', 'on404', 'on5xx']
    }
  ],
  protocolVersions: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
  beginsWith: 'GET',
  opensStream: true,
  discoveryHeaders: { 'mcp-protocol-version': '2025-11-25', accept: '*/*' },
  registration: {
    client_name: 'AI SDK application',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  quirks: [
    'Registration body and redirect URI are those of the application; these are common ones.',
    'It opens the GET stream before it logs in.',
    'Without resource metadata it sends no `resource`.'
  ]
}
