import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

const documentUrl = 'https://chatgpt.com/oauth/client.json'
const documentation = 'https://developers.openai.com/plugins/build/auth'

/** ChatGPT: OpenAI's servers connect. */
export const chatgpt: ClientFacts = {
  name: 'ChatGPT',
  version: unknown,
  sources: [
    {
      shows: 'ways to identify itself, redirect URIs, resource, PKCE',
      at: `${documentation}, MCP authorization spec requirements`,
      date: '2026-11-28'
    },
    {
      shows: 'the metadata document',
      at: documentUrl,
      date: '2026-09-08',
      members: ['document']
    }
  ],

  protocolVersions: unknown,
  beginsWith: unknown,
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
      client_uri: 'https://chatgpt.com/',
      redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      client_name: 'ChatGPT',
      logo_uri: 'https://persistent.oaistatic.com/sonic/misc/openai-logo.png',
      token_endpoint_auth_signing_alg: 'RS256',
      jwks_uri: 'https://chatgpt.com/oauth/jwks.json'
    }
  },
  registration: unknown,
  redirectUris: [
    'https://chatgpt.com/connector_platform_oauth_redirect',
    'https://chatgpt.com/connector/oauth/{random}'
  ],
  ports: null,

  scope: unknown,
  addedScopes: unknown,
  resource: { value: 'published', spelling: 'unchanged', at: ['authorize', 'token'] },
  pkce: 'S256',
  state: '{random}',
  prompt: unknown,
  authorizationParameters: unknown,

  tokenAuthentication: ['private_key_jwt', 'none', 'client_secret_post', 'client_secret_basic'],
  refresh: { secondsBefore: unknown, scope: unknown },

  on401: unknown,
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'It has one callback and one document if the server sends `iss` (RFC 9207), else one for each ' +
    'connection.',
    'It registers once for each connection.',
    'It compares issuers as text, slashes included, and takes `resource` as published.',
    'Tools may ask for a login with securitySchemes and _meta["mcp/www_authenticate"].'
  ]
}
