import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

const documentUrl = 'https://claude.ai/oauth/claude-code-client-metadata'

/** Claude Code, the command line. */
export const claudeCode: ClientFacts = {
  name: 'Claude Code',
  version: '2.1.332',
  sources: [
    {
      shows: 'the metadata document',
      at: 'https://github.com/sprawz/gtm-mcp-server/issues/72, Cause',
      date: '2026-08-04',
      members: ['document']
    },
    {
      shows: 'a localhost callback on a free port',
      at: 'https://github.com/anthropics/claude-code/issues/37767, description',
      date: '2026-03-23',
      members: ['redirectUris', 'ports']
    },
    {
      shows: 'the members of its registration: none is `scope`',
      at: 'https://github.com/appstrate/appstrate/issues/1267, Summary',
      date: '2026-09-05',
      members: ['registration']
    },
    {
      shows: '2.1 registers application_type native and http://localhost:3118/callback',
      at: 'https://github.com/elmohq/elmo/pull/684, What each client sends',
      date: '2026-09-01',
      members: ['registration', 'ports']
    },
    {
      shows: 'scope of the challenge or of the resource metadata, offline_access if advertised',
      at: 'https://github.com/basicmachines-co/basic-memory/issues/1283, quoting the answer to ' +
        'https://github.com/anthropics/claude-code/issues/4540',
      date: '2026-08-19',
      members: ['scope', 'addedScopes']
    },
    {
      shows: 'prompt=consent in the authorization request',
      at: 'https://github.com/anthropics/claude-code/issues/94804',
      date: '2026-11-28',
      members: ['prompt']
    },
    {
      shows: 'document before registration',
      at: 'https://github.com/Flagsmith/flagsmith/issues/8141, description',
      date: '2026-07-28',
      members: ['identification']
    },
    {
      shows: 'the order of a login in an authorization URL: PKCE, state, resource',
      at: 'https://github.com/anthropics/claude-code/issues/12077, Current Authorization URL',
      date: '2025-11-21'
    }
  ],

  protocolVersions: unknown,
  beginsWith: 'POST',
  opensStream: unknown,
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: unknown,
  serverMetadata: serverUrls,
  withoutServerMetadata: unknown,
  discoveryHeaders: unknown,

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
    client_name: 'Claude Code',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native'
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
  refresh: { secondsBefore: unknown, scope: unknown },

  on401: ['refresh', 'log in'],
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'With its document unreachable it does not register instead.',
    'Processes share one credential file, and each keeps a copy: old refresh tokens come again.',
    'The desktop app was seen to send claude://claude.ai/mcp-auth-callback/sdk as its redirect URI ' +
    '(https://github.com/RevenueCat/ai-toolkit/issues/58, 2026-09-17), said to be a fault of it ' +
    '(https://github.com/anthropics/claude-code/issues/93671).'
  ]
}
