import type { ClientFacts } from './client.ts'
import { sdk2Legacy } from './sdk-2-legacy.ts'

/** MCP Inspector, its command line. It contains the SDK 2.x. */
export const inspector: ClientFacts = {
  ...sdk2Legacy,
  name: 'MCP Inspector',
  version: '2.12.0',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/inspector.ts)',
      date: '2026-11-29',
      members: [
        'registration',
        'redirectUris',
        'ports',
        'beginsWith',
        'opensStream',
        'resourceMetadata',
        'serverMetadata',
        'withoutServerMetadata',
        'discoveryHeaders',
        'scope',
        'addedScopes',
        'resource',
        'pkce',
        'prompt',
        'refresh'
      ]
    },
    {
      shows: 'registration, redirect URI and port',
      at:
        'npm @modelcontextprotocol/inspector 2.12.0: clients/cli/build/index.js (clientMetadata, ' +
        'RUNNER_OAUTH_CALLBACK_DEFAULT_PORT)',
      date: '2026-11-28'
    },
    {
      shows: 'the behaviour of @modelcontextprotocol/client 2.3.1, its dependency',
      at: 'npm @modelcontextprotocol/inspector 2.12.0: package.json',
      date: '2026-11-28',
      members: [
        'protocolVersions',
        'resourceMetadata',
        'serverMetadata',
        'scope',
        'addedScopes',
        'resource',
        'prompt',
        'on401',
        'on403',
        'on404',
        'on5xx'
      ]
    }
  ],
  registration: {
    redirect_uris: ['{redirectUri}'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'MCP Inspector',
    client_uri: 'https://github.com/modelcontextprotocol/inspector',
    scope: '{scope}',
    application_type: 'native'
  },
  redirectUris: ['http://127.0.0.1:{port}/oauth/callback'],
  ports: [6276],
  signOut: ['forget'],
  quirks: [
    'It registers `scope: ""` if it has chosen no scope.',
    'A metadata document is used only if the user names one.',
    'The eras are a setting; this is the default one.'
  ]
}
