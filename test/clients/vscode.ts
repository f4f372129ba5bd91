import type { ClientFacts } from './client.ts'
import { clientErrors } from './statuses.ts'
import { resourceUrls, serverUrls } from './urls.ts'

const documentUrl = 'https://vscode.dev/oauth/client-metadata.json'

/** Visual Studio Code. */
export const vscode: ClientFacts = {
  name: 'VS Code',
  version: '1.106 and later',
  sources: [
    {
      shows: 'registration, discovery, the server metadata it assumes',
      at: 'https://github.com/microsoft/vscode, commit 05f882b0: src/vs/base/common/oauth.ts',
      date: '2026-11-28'
    },
    {
      shows: 'the way after 401, 403 and 404, HTTP+SSE after others, sessions, sign-out',
      at: 'https://github.com/microsoft/vscode, commit 000d3828: ' +
        'src/vs/workbench/api/common/extHostMcp.ts',
      date: '2026-11-28',
      members: [
        'beginsWith',
        'oldTransport',
        'opensStream',
        'scope',
        'on401',
        'on403',
        'stepUpScope',
        'on404',
        'on5xx',
        'signOut'
      ]
    },
    {
      shows: 'parameters of the authorization, token and refresh requests',
      at:
        'https://github.com/microsoft/vscode: src/vs/workbench/api/common/extHostAuthentication.ts ' +
        '(DynamicAuthProvider), in a copy of 2026',
      date: '2026-11-28',
      members: ['resource', 'pkce', 'prompt', 'authorizationParameters', 'refresh', 'state']
    },
    {
      shows: 'the metadata document',
      at: documentUrl,
      date: '2026-09-08',
      members: ['document']
    },
    {
      shows: 'document before registration from 1.106 on',
      at: 'https://github.com/elmohq/elmo/pull/684, What each client sends',
      date: '2026-09-01',
      members: ['identification', 'version']
    }
  ],

  protocolVersions: ['2025-11-25'],
  beginsWith: 'POST',
  oldTransport: clientErrors.filter(status => status !== 403),
  opensStream: true,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp.origin}',
  serverMetadata: serverUrls,
  withoutServerMetadata: 'default endpoints',
  discoveryHeaders: { accept: 'application/json', 'mcp-protocol-version': '2025-11-25' },

  identification: ['document', 'registration', 'configured'],
  document: {
    url: documentUrl,
    body: {
      client_name: 'Visual Studio Code',
      logo_uri: 'https://code.visualstudio.com/assets/branding/code-stable.png',
      grant_types: [
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code'
      ],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      client_id: documentUrl,
      client_uri: 'https://vscode.dev/product',
      redirect_uris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect']
    }
  },
  registration: {
    client_name: 'Visual Studio Code',
    client_uri: 'https://code.visualstudio.com',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [
      'https://insiders.vscode.dev/redirect',
      'https://vscode.dev/redirect',
      'http://127.0.0.1/',
      'http://127.0.0.1:33418/'
    ],
    scope: '{scope}',
    token_endpoint_auth_method: 'none',
    application_type: 'native'
  },
  redirectUris: ['http://127.0.0.1:{port}/', 'https://vscode.dev/redirect'],
  ports: [33418],

  scope: ['challenge', 'resource metadata'],
  addedScopes: [],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: null,
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_post', 'none'],
  refresh: { secondsBefore: 300, scope: null },

  on401: ['refresh', 'log in', 'register again'],
  on403: ['log in', 'register again'],
  stepUpScope: 'challenge',
  on404: ['initialize'],
  on5xx: ['stop'],
  signOut: ['end session', 'forget'],
  quirks: [
    'It registers the grants that it supports and the server lists, the device grant among them.',
    'It registers `scope: ""` if the resource lists none.',
    'If port 33418 is taken it uses another. On the web, state is a vscode:// URL.',
    'It refuses resource metadata whose `resource` is not the MCP URL as entered.',
    'After invalid_client it registers again.',
    'A step-up logs in for the scopes of the challenge alone.'
  ]
}
