import type { FastifyInstance } from 'fastify'
import {
  corsHeaders,
  replyToPreflight,
  publicRoute,
  rejectOtherMethods
} from '../../host/isolate.ts'
import type { Broker } from '../broker.ts'

/** `GET /oauth/jwks`: the public keys of our access tokens (RFC 7517 §5). */
export function jwksRoute (scope: FastifyInstance, { signing }: Broker): void {
  const document = JSON.stringify(signing.jwks)
  scope.route({
    method: ['GET', 'HEAD'],
    url: '/oauth/jwks',
    exposeHeadRoute: false,
    config: publicRoute,
    handler: async (_request, reply) =>
      reply
        .headers({
          ...corsHeaders,
          'cache-control': 'public, max-age=3600',
          'content-type': 'application/jwk-set+json'
        })
        .removeHeader('pragma')
        .send(document)
  })
  replyToPreflight(scope, '/oauth/jwks', ['GET', 'HEAD'])
  rejectOtherMethods(scope, '/oauth/jwks', ['GET', 'HEAD'])
}
