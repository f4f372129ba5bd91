import { unknown, type ClientFacts } from './client.ts'
import { resourceUrls, serverUrls } from './urls.ts'

const documentUrl = 'https://github.com/copilot/cli/client-metadata.json'

/** GitHub Copilot CLI. */
export const copilotCli: ClientFacts = {
  name: 'Copilot CLI',
  version: '1.0.87',
  sources: [
    {
      shows: 'the metadata document, and a callback on another port than that',
      at: 'https://github.com/github/copilot-cli/issues/4901, comment',
      date: '2026-09-18'
    },
    {
      shows: 'it registers where documents are not supported, and then uses another port',
      at: 'https://github.com/github/copilot-cli/issues/1951, description',
      date: '2026-03-10',
      members: ['identification', 'registration', 'quirks']
    },
    {
      shows: 'the registration of 1.0.81, captured: no `scope`',
      at: 'https://github.com/dozigden/boardoil/issues/11, Captured registration request',
      date: '2026-08-17',
      members: ['registration', 'redirectUris']
    },
    {
      shows: 'the port, free unless auth.redirectPort is set; 1.0.87 still',
      at: 'https://github.com/github/copilot-cli/issues/4926, description',
      date: '2026-09-21',
      members: ['ports', 'version']
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
      client_name: 'GitHub Copilot CLI',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1:33418/'],
      grant_types: unknown
    }
  },
  registration: {
    redirect_uris: ['{redirectUri}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none'
  },
  redirectUris: ['http://127.0.0.1:{port}/'],
  ports: 'ephemeral',

  scope: unknown,
  addedScopes: unknown,
  resource: unknown,
  pkce: unknown,
  state: unknown,
  prompt: unknown,
  authorizationParameters: unknown,

  tokenAuthentication: unknown,
  refresh: unknown,

  on401: unknown,
  on403: unknown,
  stepUpScope: unknown,
  on404: unknown,
  on5xx: unknown,
  signOut: unknown,
  quirks: [
    'Its document names one port, it sends another: RFC 8252 §7.3 lets servers ignore the port.',
    'Registered clients come with another port, too.',
    'Its registration also has application_type, with a value that is not known here.'
  ]
}
