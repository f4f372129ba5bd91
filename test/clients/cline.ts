import type { ClientFacts } from './client.ts'
import { sdk1 } from './sdk-1.ts'

/** Cline, the extension of VS Code. It uses the SDK 1.x. */
export const cline: ClientFacts = {
  ...sdk1,
  name: 'Cline',
  version: '3.42.0 and later',
  sources: [
    {
      shows: 'registration, redirect URI, state',
      at: 'https://github.com/cline/cline, commit 068316fe: src/services/mcp/McpOAuthManager.ts; ' +
        'commit 135d6ec3: src/utils/mcpAuth.ts; commit 6be73d0f: McpOAuthRedirectResolver.ts',
      date: '2026-11-28'
    },
    {
      shows: 'the redirect URI on the desktop, and the version',
      at: 'https://github.com/cline/cline/issues/8103, description',
      date: '2025-12-15',
      members: ['redirectUris', 'version']
    },
    {
      shows: 'the behaviour of the SDK 1.x, its dependency',
      at: 'npm @modelcontextprotocol/sdk 1.32.2: dist/esm/client/auth.js, streamableHttp.js',
      date: '2026-11-28',
      members: [
        'protocolVersions',
        'resourceMetadata',
        'serverMetadata',
        'scope',
        'resource',
        'prompt',
        'refresh',
        'on401',
        'on403',
        'on404',
        'on5xx'
      ]
    }
  ],
  identification: ['registration'],
  registration: {
    redirect_uris: ['{redirectUri}'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'Cline',
    client_uri: 'https://cline.bot',
    software_id: 'cline'
  },
  redirectUris: [
    'vscode://saoudrizwan.claude-dev/mcp-auth/callback/{random}',
    'http://127.0.0.1:{port}/mcp-auth/callback/{random}'
  ],
  ports: null,
  signOut: ['forget'],
  quirks: [
    'The end of its redirect URI is the MD5 hash of the name and the URL of the server.',
    'In JetBrains and on the command line it listens on 127.0.0.1. In a fork of VS Code the scheme ' +
    'is that of the fork.'
  ]
}
