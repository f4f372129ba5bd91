import { unknown, type ClientFacts } from './client.ts'
import { rustSdk } from './rust-sdk.ts'

const documentUrl = 'https://chatgpt.com/oauth/codex/client.json'

/** OpenAI Codex (CLI, desktop, IDE). It uses the Rust SDK. */
export const codex: ClientFacts = {
  ...rustSdk,
  name: 'Codex',
  version: '0.171.0',
  sources: [
    {
      shows: 'all requests of a login and a refresh; `codex mcp logout` sends none',
      at: 'request of the installed version (test/real-clients/runners/codex.ts)',
      date: '2026-11-29',
      members: [
        'protocolVersions',
        'beginsWith',
        'opensStream',
        'resourceMetadata',
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
        'prompt',
        'refresh',
        'signOut'
      ]
    },
    {
      shows: 'a tool that needs another scope: the error goes to the model, and a new ' +
        '`codex mcp login` asks for the same scopes as before',
      at: 'request of the installed version (codex exec)',
      date: '2026-11-29',
      members: ['on403', 'stepUpScope']
    },
    {
      shows: 'a redirect URI with an id',
      at: 'https://github.com/openai/codex, commit 18b3cfcb: ' +
        'codex-rs/rmcp-client/src/perform_oauth_login.rs, auth_status.rs',
      date: '2026-11-28',
      members: ['redirectUris']
    },
    {
      shows: 'the metadata document: its URL, redirect URIs and authentication method',
      at: documentUrl,
      date: '2026-09-24',
      members: ['document']
    },
    {
      shows:
        '0.154.0 asks for all scopes of the authorization server, and again for those of the ' +
        'resource after invalid_scope; 0.171.0 does not',
      at: 'https://github.com/vm0-ai/vm0/pull/34954, description',
      date: '2026-09-30',
      members: ['quirks']
    },
    {
      shows: '0.147 registers application_type native and a callback with an id',
      at: 'https://github.com/elmohq/elmo/pull/684, What each client sends',
      date: '2026-09-01',
      members: ['registration']
    },
    {
      shows: 'the behaviour of the Rust SDK, its dependency',
      at: 'https://github.com/modelcontextprotocol/rust-sdk, commit 4a738b9d: ' +
        'crates/rmcp/src/transport/auth.rs',
      date: '2026-08-20'
    }
  ],
  protocolVersions: ['2025-06-18'],
  opensStream: false,
  discoveryHeaders: { 'mcp-protocol-version': '2024-11-05', accept: '*/*' },
  identification: ['configured', 'document', 'registration'],
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: unknown,
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      token_endpoint_auth_method: 'none',
      grant_types: unknown
    }
  },
  registration: {
    client_name: 'Codex',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    response_types: ['code'],
    scope: '{scope}',
    application_type: 'native'
  },
  redirectUris: ['http://127.0.0.1:{port}/callback', 'http://127.0.0.1:{port}/callback/{random}'],
  ports: 'ephemeral',
  scope: ['configuration', 'challenge', 'resource metadata', 'server metadata'],
  on403: ['stop'],
  stepUpScope: 'login',
  signOut: ['forget'],
  quirks: [
    'It looks for metadata twice: to learn whether there is OAuth, and to log in.',
    'Where the server announces no `iss` in callbacks (RFC 9207), its callback ends with an id that ' +
    'follows from the MCP URL.',
    'Where resource metadata names a server without metadata, it stops. Without resource metadata ' +
    'it takes the default endpoints.',
    'It opens the GET stream only in a session.',
    'After a 403 the user has to name the scopes: `codex mcp login <name> --scopes <scope,scope>`.',
    'Version 0.154.0 asked for all scopes of the authorization server.',
    'With its document unreachable it does not register instead.'
  ]
}
