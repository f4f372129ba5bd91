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
      shows: 'redirect URI of a registration, name, resource, the order of looking for scopes',
      at: 'https://github.com/openai/codex, commit 18b3cfcb: ' +
        'codex-rs/rmcp-client/src/perform_oauth_login.rs, auth_status.rs',
      date: '2026-11-28',
      members: ['redirectUris', 'ports', 'registration', 'scope']
    },
    {
      shows: 'the metadata document: its URL, redirect URIs and authentication method',
      at: documentUrl,
      date: '2026-09-24',
      members: ['document']
    },
    {
      shows: '0.154.0 logs in by its document, asks for all scopes of the authorization server, ' +
        'and again for those of the resource after invalid_scope',
      at: 'https://github.com/vm0-ai/vm0/pull/34954, description',
      date: '2026-09-30',
      members: ['identification', 'scope']
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
  protocolVersions: unknown,
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
  scope: ['configuration', 'server metadata', 'resource metadata'],
  signOut: ['forget'],
  quirks: [
    'It first asks for authorization server metadata at the MCP origin, to learn whether there is OAuth.',
    'A registered callback ends with an id that follows from the MCP URL.',
    'With its document unreachable it does not register instead.'
  ]
}
