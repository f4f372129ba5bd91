/** How does a client register itself? */
import type { Endpoint } from '../host/endpoint.ts'
import { parseClientMetadata } from '../oauth/client-metadata.ts'
import type { ClientRegistrationResponse } from '../schemas/registration.ts'
import type { AuthorizationEndpoint } from './authorize.ts'

/**
 * `POST /oauth/register` (RFC 7591): makes a public client. There is no secret: the client id is
 * the registration itself, sealed.
 */
export const registerEndpoint: Endpoint<AuthorizationEndpoint> = {
  name: 'register',
  methods: ['POST'],
  anyOrigin: true,
  metadata: 'registration_endpoint',
  legacy: true,
  body: 'json',
  isServed: ({ config }) => config.setupFakeDynamicRegistration,
  async handle ({ clients, redirectPolicy, rules }, { body }, reply) {
    const metadata = parseClientMetadata(body, redirectPolicy(), rules())
    const { redirect_uris: redirectUris, client_name: name, grant_types: grantTypes } = metadata
    const now = Math.floor(Date.now() / 1000)
    return reply.code(201).send(
      {
        ...metadata,
        client_id: await clients.register({ redirectUris, name: name ?? null, grantTypes }, now),
        client_id_issued_at: now,
        client_name: name ?? 'MCP client'
      } satisfies ClientRegistrationResponse
    )
  }
}
