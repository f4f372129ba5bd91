import { unknown, type ClientFacts } from './client.ts'
import { opencode } from './opencode.ts'

const documentUrl = 'https://opencode.ai/oauth/opencode/client.json'

/** opencode, its new core with a metadata document. It uses the SDK 1.x. */
export const opencodeCore: ClientFacts = {
  ...opencode,
  name: 'opencode (new core)',
  version: unknown,
  sources: [
    {
      shows: 'the metadata document',
      at: 'https://github.com/anomalyco/opencode/pull/47737, Document',
      date: '2026-09-07',
      members: ['document']
    },
    {
      shows: 'document before registration, callback /callback on a free port',
      at: 'https://github.com/anomalyco/opencode/pull/47743, description, and ' +
        'packages/core/src/mcp/oauth.ts of that repository',
      date: '2026-09-07'
    },
    {
      shows: 'a version that presents the document with the callback of 1.x: servers refuse it',
      at: 'https://github.com/anomalyco/opencode/issues/50510, description',
      date: '2026-09-22',
      members: ['quirks']
    }
  ],
  identification: ['configured', 'document', 'registration'],
  document: {
    url: documentUrl,
    body: {
      client_id: documentUrl,
      client_name: 'opencode',
      client_uri: 'https://opencode.ai',
      logo_uri: 'https://opencode.ai/web-app-manifest-512x512.png',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      token_endpoint_auth_methods_supported: ['none']
    }
  },
  registration: {
    redirect_uris: ['{redirectUri}'],
    client_name: 'opencode',
    client_uri: 'https://opencode.ai',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: '{scope}'
  },
  redirectUris: ['http://127.0.0.1:{port}/callback'],
  ports: 'ephemeral',
  addedScopes: unknown,
  signOut: unknown,
  quirks: [
    'A version of September presents the document with the callback /mcp/oauth/callback, which the ' +
    'document does not list. RFC 6749 §3.1.2.3 lets no server accept that.',
    'It uses the document only if the server lists `none`, and no redirect URI is configured.'
  ]
}
