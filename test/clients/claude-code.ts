import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

const documentUrl = 'https://claude.ai/oauth/claude-code-client-metadata'

/** Claude Code, the command line. */
export const claudeCode: ClientFacts = {
  name: 'Claude Code',
  version: '2.1.332',
  sources: [
    {
      shows: 'all requests of a login, a refresh and `claude mcp logout`',
      at: 'request of the installed version (test/real-clients/runners/claude-code.ts)',
      date: '2026-11-29',
      members: [
        'protocolVersions',
        'beginsWith',
        'opensStream',
        'resourceMetadata',
        'issuerWithoutResourceMetadata',
        'serverMetadata',
        'withoutServerMetadata',
        'discoveryHeaders',
        'identification',
        'registration',
        'redirectUris',
        'ports',
        'scope',
        'addedScopes',
        'resource',
        'pkce',
        'state',
        'prompt',
        'refresh',
        'on401',
        'signOut'
      ]
    },
    {
      shows: 'a tool that needs another scope: it asks for a login, which requests the scopes of ' +
        'the challenge; those had the granted ones too',
      at: 'request of the installed version (claude --print, claude mcp login)',
      date: '2026-11-29',
      members: ['on403']
    },
    {
      shows: 'the metadata document',
      at: 'https://github.com/sprawz/gtm-mcp-server/issues/72, Cause',
      date: '2026-08-04',
      members: ['document']
    },
    {
      shows: '2.1 registers http://localhost:3118/callback',
      at: 'https://github.com/elmohq/elmo/pull/684, What each client sends',
      date: '2026-09-01',
      members: ['ports']
    },
    {
      shows: 'scope of the challenge or of the resource metadata, offline_access if advertised',
      at: 'https://github.com/basicmachines-co/basic-memory/issues/1283, quoting the answer to ' +
        'https://github.com/anthropics/claude-code/issues/4540',
      date: '2026-08-19',
      members: ['scope', 'addedScopes']
    },
    {
      shows: 'an older version registered without `scope`',
      at: 'https://github.com/appstrate/appstrate/issues/1267, Summary',
      date: '2026-09-05',
      members: ['quirks']
    },
    {
      shows: 'the order of a login in an authorization URL: PKCE, state, resource',
      at: 'https://github.com/anthropics/claude-code/issues/12077, Current Authorization URL',
      date: '2025-11-21'
    }
  ],

  protocolVersions: ['2026-07-28', '2025-11-25'],
  beginsWith: 'POST',
  opensStream: false,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp.origin}/',
  serverMetadata: [
    ...serverUrls,
    '{mcp.origin}/.well-known/oauth-authorization-server{mcp.path}',
    '{mcp.origin}/.well-known/openid-configuration{mcp.path}',
    '{mcp.origin}{mcp.path}/.well-known/openid-configuration'
  ],
  withoutServerMetadata: 'default endpoints',
  discoveryHeaders: { 'mcp-protocol-version': '2025-11-25', accept: 'application/json' },

  identification: ['configured', 'document', 'registration'],
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: 'Claude Code',
      redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none'
    }
  },
  registration: {
    client_name: 'Claude Code (server)',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    scope: '{scope}'
  },
  redirectUris: ['http://localhost:{port}/callback'],
  ports: 'ephemeral',

  scope: ['configuration', 'challenge', 'resource metadata'],
  addedScopes: [{ scope: 'offline_access', when: 'advertised' }],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: { value: 'consent', when: 'offline_access' },
  authorizationParameters: {},

  tokenAuthentication: unknown,
  refresh: { secondsBefore: unknown, scope: null },

  on401: ['refresh', 'log in'],
  on403: ['log in'],
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: ['revoke refresh token', 'revoke access token', 'forget'],
  quirks: [
    'The name in its registration ends with that of the server in its configuration.',
    'An older version registered without `scope`.',
    'At servers before 2026-07-28 it opens the GET stream.',
    'Before another login it revokes the tokens it has.',
    'To sign out, it looks for resource metadata at the path of the issuer.',
    'With its document unreachable it does not register instead.',
    'Processes share one credential file, and each keeps a copy: old refresh tokens come again.',
    'The desktop app was seen to send claude://claude.ai/mcp-auth-callback/sdk as its redirect URI ' +
    '(https://github.com/RevenueCat/ai-toolkit/issues/58, 2026-09-17), said to be a fault of it ' +
    '(https://github.com/anthropics/claude-code/issues/93671).'
  ]
}
