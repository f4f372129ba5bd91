import type { ClientFacts } from './client.ts'
import { sdk2Modern } from './sdk-2-modern.ts'

/** An application that uses the MCP client of Mastra 2, which never registers. */
export const mastra: ClientFacts = {
  ...sdk2Modern,
  name: 'Mastra',
  version: '2.0.0',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/mastra.ts)',
      date: '2026-11-29'
    },
    {
      shows: 'no registration; the way after errors: that of the SDK 2.0.0, its dependency',
      at: 'npm @mastra/mcp 2.0.0: dist/index.js (MCPOAuthClientProvider), package.json',
      date: '2026-11-29',
      members: [
        'identification',
        'registration',
        'on401',
        'on403',
        'stepUpScope',
        'on404',
        'on5xx'
      ]
    }
  ],
  identification: ['configured', 'document'],
  // The application's.
  document: {
    url: 'https://application.example/client.json',
    body: {
      client_id: 'https://application.example/client.json',
      client_name: 'Mastra application',
      redirect_uris: ['http://localhost/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none'
    }
  },
  registration: null,
  quirks: [
    'Metadata document and redirect URI are those of the application; these are common ones.',
    'It takes a client id or the URL of a metadata document from the application, and never registers.',
    'Another port is taken if that of its redirect URI is in use.'
  ]
}
