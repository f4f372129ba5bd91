import { unknown, type ClientFacts } from './client.ts'
import { serverUrls } from './urls.ts'

const documentUrl = 'https://claude.ai/oauth/mcp-oauth-client-metadata'
const documentation = 'https://claude.com/docs/connectors/building/authentication'

/** claude.ai, custom connectors: Anthropic's servers connect. */
export const claudeAi: ClientFacts = {
  name: 'claude.ai',
  version: unknown,
  sources: [
    {
      shows: 'ways to identify itself, scope from the challenge, step-up with 403, redirect URI',
      at: `${documentation}, DCR and CIMD details, Scopes`,
      date: '2026-11-28'
    },
    {
      shows: 'the metadata document',
      at: documentUrl,
      date: '2026-09-29',
      members: ['document']
    },
    {
      shows: 'the body of the registration, as a proxy received it',
      at: 'https://github.com/PostHog/posthog/pull/48397, Problem',
      date: '2026-02-19',
      members: ['registration', 'tokenAuthentication']
    },
    {
      shows: 'client_secret_post in the registration, still',
      at: 'https://github.com/anthropics/claude-ai-mcp/issues/1043, description',
      date: '2026-09-15',
      members: ['registration', 'tokenAuthentication']
    },
    {
      shows: 'prompt=consent in the authorization request',
      at: 'https://github.com/anthropics/claude-ai-mcp/issues/104, description',
      date: '2026-03-19',
      members: ['prompt']
    },
    {
      shows: 'offline_access is not requested',
      at: 'https://github.com/anthropics/claude-ai-mcp/issues/840, Summary',
      date: '2026-08-12',
      members: ['addedScopes']
    },
    {
      shows: 'two registrations for each login',
      at: 'https://github.com/anthropics/claude-ai-mcp/issues/966, description',
      date: '2026-08-31',
      members: ['quirks']
    }
  ],

  protocolVersions: unknown,
  beginsWith: 'POST',
  opensStream: unknown,
  resourceMetadata: unknown,
  issuerWithoutResourceMetadata: unknown,
  serverMetadata: serverUrls,
  withoutServerMetadata: unknown,
  discoveryHeaders: unknown,

  identification: ['configured', 'document', 'registration'],
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: 'Claude',
      client_uri: 'https://claude.ai',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
      grant_types: [
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:jwt-bearer'
      ],
      response_types: ['code'],
      token_endpoint_auth_method: 'none'
    }
  },
  registration: {
    redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'Claude'
  },
  redirectUris: ['https://claude.ai/api/mcp/auth_callback'],
  ports: null,

  scope: ['challenge', 'resource metadata'],
  addedScopes: [],
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token', 'refresh'] },
  pkce: 'S256',
  state: '{random}',
  prompt: { value: 'consent', when: 'always' },
  authorizationParameters: {},

  tokenAuthentication: ['client_secret_post', 'none'],
  refresh: { secondsBefore: unknown, scope: unknown },

  on401: ['refresh', 'log in'],
  on403: ['log in'],
  stepUpScope: 'challenge and granted',
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'It uses its document only if the server announces documents and lists `none`.',
    'It registers anew for each connection, at times twice.',
    '`resource` of the metadata must be the MCP URL as entered; the first authorization server counts.',
    'Metadata is cached for minutes, a 403 challenge for up to 15. Answers must come within 10 seconds.',
    'In 2025 it requested the scope claudeai, and " offline_access" with a space in front.'
  ]
}
