import { unknown, type ClientFacts } from './client.ts'
import { rustSdk } from './rust-sdk.ts'

const documentUrl = 'https://goose-docs.ai/oauth/client-metadata.json'

/** Goose. It uses the Rust SDK. */
export const goose: ClientFacts = {
  ...rustSdk,
  name: 'Goose',
  version: unknown,
  sources: [
    {
      shows: 'document, redirect URI, refresh at start, and the login after a refused refresh',
      at: 'https://github.com/block/goose, commit 06423fd5: crates/goose/src/oauth/mod.rs',
      date: '2026-11-28',
      members: ['identification', 'redirectUris', 'ports', 'registration', 'refresh']
    },
    {
      shows: 'the metadata document, with 127.0.0.1 and [::1]; before July it named localhost',
      at: documentUrl,
      date: '2026-07-29',
      members: ['document']
    },
    {
      shows: 'the behaviour of the Rust SDK, its dependency',
      at: 'https://github.com/modelcontextprotocol/rust-sdk, commit 4a738b9d: ' +
        'crates/rmcp/src/transport/auth.rs',
      date: '2026-08-20'
    }
  ],
  protocolVersions: unknown,
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: 'goose',
      redirect_uris: ['http://127.0.0.1/oauth_callback', 'http://[::1]/oauth_callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      code_challenge_methods_supported: ['S256']
    }
  },
  registration: {
    client_name: 'goose',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    response_types: ['code'],
    scope: '{scope}',
    application_type: 'native'
  },
  redirectUris: ['http://127.0.0.1:{port}/oauth_callback'],
  ports: 'ephemeral',
  quirks: ['At each start it refreshes, however new its access token is.']
}
