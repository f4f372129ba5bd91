import type { ClientFacts } from './client.ts'
import { sdk1 } from './sdk-1.ts'

/** mcporter: calls MCP tools from a shell or from TypeScript. It uses the SDK 1.x. */
export const mcporter: ClientFacts = {
  ...sdk1,
  name: 'mcporter',
  version: '0.12.3',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/mcporter.ts)',
      date: '2026-11-29'
    },
    {
      shows: 'registration, port; the way after errors: that of the SDK 1.x, its dependency',
      at: 'npm mcporter 0.12.3: dist/oauth.js, package.json',
      date: '2026-11-29',
      members: ['registration', 'ports', 'on401', 'on403', 'stepUpScope', 'on404', 'on5xx']
    },
    {
      shows: 'HTTP+SSE after 404 and 405; before a login also after failures without a status',
      at: 'npm mcporter 0.12.3: dist/runtime/transport.js (isLegacySseTransportMismatch)',
      date: '2026-11-29',
      members: ['oldTransport', 'quirks']
    }
  ],
  oldTransport: [404, 405],
  identification: ['configured', 'registration'],
  registration: {
    client_name: 'mcporter (server)',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://127.0.0.1:{port}/callback'],
  ports: 'ephemeral',
  quirks: [
    'Its name contains that of the server in its configuration.',
    'It registers again when its port has changed.',
    'Before a login it tries HTTP+SSE after other failures, too.'
  ]
}
