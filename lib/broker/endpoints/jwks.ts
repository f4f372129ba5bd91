/** With which public keys can access tokens of the broker be verified? */

import type { Endpoint } from '../../host/endpoint.ts'
import { createSender } from '../../host/representation.ts'
import type { Broker } from '../broker.ts'

const senders = new WeakMap<Broker, ReturnType<typeof createSender>>()

function senderOf (broker: Broker) {
  const sender = senders.get(broker) ?? createSender({
    'cache-control': 'public, max-age=3600',
    'content-type': 'application/jwk-set+json'
  })
  senders.set(broker, sender)
  return sender
}

/** `GET /oauth/jwks`: the public keys of our access tokens (RFC 7517 §5). */
export const jwksEndpoint: Endpoint<Broker> = {
  name: 'jwks',
  methods: ['GET', 'HEAD'],
  anyOrigin: true,
  metadata: 'jwks_uri',
  handle: async (broker, request, reply) =>
    senderOf(broker)(
      JSON.stringify((await broker.signing()).jwks),
      request,
      reply.removeHeader('pragma')
    )
}
