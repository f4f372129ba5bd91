/** How does a client register itself? */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Endpoint } from '../host/endpoint.ts'
import { parseClientMetadata } from '../oauth/client-metadata.ts'
import type { ClientRegistrationResponse } from '../schemas/registration.ts'
import type { AuthorizationEndpoint } from './authorize.ts'

/** An authorization server of ours that may let clients register. */
interface RegistrationServer extends Pick<AuthorizationEndpoint, 'clients' | 'redirectPolicy'> {
  readonly config: { readonly setupFakeDynamicRegistration: boolean }
}

/**
 * `POST /oauth/register` (RFC 7591): makes a public client. There is no secret: the client id is
 * the registration itself, sealed.
 */
export const registerEndpoint: Endpoint<RegistrationServer> = {
  name: 'register',
  methods: ['POST'],
  anyOrigin: true,
  metadata: 'registration_endpoint',
  legacy: true,
  body: 'json',
  isServed: ({ config }) => config.setupFakeDynamicRegistration,
  handle: register
}

async function register (
  { clients, redirectPolicy }: RegistrationServer,
  { body }: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const metadata = parseClientMetadata(body, { redirectPolicy: redirectPolicy() })
  const now = Math.floor(Date.now() / 1000)
  const response: ClientRegistrationResponse = {
    ...metadata,
    client_id: await clients.register({
      redirectUris: metadata.redirect_uris,
      name: metadata.client_name ?? null,
      grantTypes: metadata.grant_types
    }, now),
    client_id_issued_at: now,
    client_name: metadata.client_name ?? 'MCP client'
  }
  return reply.code(201).send(response)
}
