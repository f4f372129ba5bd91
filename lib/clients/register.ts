/** How does a client register itself? */
import type { Endpoint } from '../host/endpoint.ts'
import { safeLogger } from '../host/replies.ts'
import { parseClientMetadata } from '../oauth/client-metadata.ts'
import type { ClientRegistrationResponse } from '../schemas/registration.ts'
import type { AuthorizationEndpoint } from './authorize.ts'
import { logRefused } from './documents.ts'

/**
 * `POST /oauth/register` (RFC 7591): makes a public client. There is no secret: the client id is
 * the registration itself, sealed.
 */
export const registerEndpoint: Endpoint<AuthorizationEndpoint> = {
  name: 'register',
  methods: ['POST'],
  limit: 'register',
  anyOrigin: true,
  metadata: 'registration_endpoint',
  legacy: true,
  body: 'json',
  isServed: ({ config }) => config.setupFakeDynamicRegistration,
  async handle ({ config: { dpop }, clients, redirectPolicy, rules, events }, request, reply) {
    const { refused, ...metadata } = parseClientMetadata(request.body, redirectPolicy(), rules())
    const { redirect_uris: redirectUris, client_name: name, grant_types: grantTypes } = metadata
    const { dpop_bound_access_tokens: wanted } = metadata
    const dpopBound = wanted === true && dpop !== 'off'
    const client = { redirectUris, name: name ?? null, grantTypes, dpopBound }
    const now = Math.floor(Date.now() / 1000)
    const id = await clients.register(client, now)
    logRefused(safeLogger(request.log), refused)
    events.of(request)('client.registered', { client: { id, name: client.name }, redirectUris })
    // As text: hooks of the host (`preSerialization`) change objects.
    return reply.code(201).header('content-type', 'application/json; charset=utf-8').send(
      JSON.stringify(
        {
          ...metadata,
          client_id: id,
          client_id_issued_at: now,
          client_name: name ?? 'MCP client',
          ...(wanted !== undefined && { dpop_bound_access_tokens: dpopBound })
        } satisfies ClientRegistrationResponse
      )
    )
  }
}
