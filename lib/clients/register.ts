import type { FastifyInstance } from 'fastify'
import type { Clients } from './clients.ts'
import type { RedirectPolicy } from '../oauth/redirect-uri.ts'
import { parseClientMetadata } from '../oauth/client-metadata.ts'
import {
  ClientRegistrationResponseSchema,
  type ClientRegistrationResponse
} from '../schemas/registration.ts'
import {
  acceptJson,
  bodyLimit,
  replyToPreflight,
  publicRoute,
  allowAnyOrigin,
  rejectOtherMethods
} from '../host/isolate.ts'

/**
 * `POST /oauth/register` (RFC 7591): makes a public client. There is no secret to give away: the id
 * is the registration itself, sealed.
 *
 * @param policy asked at each use, because our own addresses are part of it
 */
export function registerRoute (
  scope: FastifyInstance,
  clients: Clients,
  policy: () => RedirectPolicy,
  path: string
): void {
  scope.register(async (scope) => {
    acceptJson(scope)
    allowAnyOrigin(scope)
    scope.post(path, {
      bodyLimit,
      config: publicRoute,
      schema: { response: { 201: ClientRegistrationResponseSchema } }
    }, async (request, reply) => {
      // The rules are the exact checker here: a schema would only repeat them, with worse answers.
      const metadata = parseClientMetadata(request.body, { redirectPolicy: policy() })
      const now = Math.floor(Date.now() / 1000)
      const answer: ClientRegistrationResponse = {
        ...metadata,
        client_id: await clients.register({
          redirectUris: metadata.redirect_uris,
          name: metadata.client_name ?? null,
          grantTypes: metadata.grant_types
        }, now),
        client_id_issued_at: now,
        client_name: metadata.client_name ?? 'MCP client'
      }
      return reply.code(201).send(answer)
    })
  })
  replyToPreflight(scope, path, ['POST'])
  rejectOtherMethods(scope, path, ['POST'])
}
