import type { ClientFacts } from './client.ts'
import { sdk1 } from './sdk-1.ts'

/** opencode 1.x. It uses the SDK 1.x. */
export const opencode: ClientFacts = {
  ...sdk1,
  name: 'opencode',
  version: '1.18.34',
  sources: [
    {
      shows: 'all requests of a login and a refresh; `opencode mcp logout` sends none',
      at: 'request of the installed version (test/real-clients/runners/opencode.ts)',
      date: '2026-11-29',
      members: [
        'protocolVersions',
        'beginsWith',
        'opensStream',
        'resourceMetadata',
        'serverMetadata',
        'withoutServerMetadata',
        'discoveryHeaders',
        'registration',
        'scope',
        'addedScopes',
        'resource',
        'pkce',
        'prompt',
        'refresh',
        'signOut'
      ]
    },
    {
      shows: 'registration, redirect URI and port, state',
      at: 'https://github.com/anomalyco/opencode, commit 0a8a0ed8: ' +
        'packages/opencode/src/mcp/oauth-provider.ts',
      date: '2026-11-28'
    },
    {
      shows: 'the behaviour of the SDK 1.x, its dependency',
      at: 'npm @modelcontextprotocol/sdk 1.32.2: dist/esm/client/auth.js, streamableHttp.js',
      date: '2026-11-28',
      members: [
        'protocolVersions',
        'on401',
        'on403',
        'on404',
        'on5xx'
      ]
    }
  ],
  identification: ['configured', 'registration'],
  registration: {
    redirect_uris: ['{redirectUri}'],
    client_name: 'OpenCode',
    client_uri: 'https://opencode.ai',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://127.0.0.1:{port}/mcp/oauth/callback'],
  ports: [19876],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  signOut: ['forget'],
  quirks: [
    'After a refused `initialize` it reports the 405 of its GET for HTTP+SSE ' +
    '(https://github.com/kirodotdev/Kiro/issues/9553, 2026-06-18).',
    'After invalid_client it forgets the server, tokens and client.',
    'It registers twice for a login: when it connects, and when the user is asked to log in.'
  ]
}
