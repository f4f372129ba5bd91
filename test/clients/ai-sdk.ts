import type { ClientFacts } from './client.ts'
import { sdk2Modern } from './sdk-2-modern.ts'
import { resourceUrls, serverUrlsWithRoot } from './urls.ts'

/** An application that uses the MCP client of the AI SDK, which has its own OAuth code. */
export const aiSdk: ClientFacts = {
  ...sdk2Modern,
  name: 'AI SDK',
  version: '2.0.99',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/ai-sdk.ts)',
      date: '2026-11-29'
    },
    {
      shows: 'the way after errors, client authentication, prompt',
      at: 'npm @ai-sdk/mcp 2.0.99: src/tool/oauth.ts, mcp-http-transport.ts',
      date: '2026-11-29',
      members: ['tokenAuthentication', 'prompt', 'on401', 'on403', 'on404', 'on5xx']
    }
  ],
  resourceMetadata: resourceUrls,
  issuerWithoutResourceMetadata: '{mcp}',
  serverMetadata: serverUrlsWithRoot,
  discoveryHeaders: { 'mcp-protocol-version': '2026-07-28', accept: '*/*' },
  identification: ['configured', 'registration'],
  registration: {
    client_name: 'AI SDK application',
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    scope: '{scope}'
  },
  addedScopes: [],
  on403: ['stop'],
  stepUpScope: 'login',
  quirks: [
    'Registration body and redirect URI are those of the application; these are common ones.',
    'With a URL in the challenge it tries no other for the resource metadata.',
    'It refuses a metadata URL of another origin than that of the MCP server.'
  ]
}
