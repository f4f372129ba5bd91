/** With which public keys can access tokens of the broker be verified? */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Endpoint } from '../../host/endpoint.ts'
import { createSender } from '../../host/representation.ts'
import type { Broker } from '../broker.ts'

type Send = (request: FastifyRequest, reply: FastifyReply) => void

const senders = new WeakMap<Broker, Send>()

async function createSend (broker: Broker): Promise<Send> {
  const send = createSender({
    'cache-control': 'public, max-age=3600',
    'content-type': 'application/jwk-set+json'
  })
  const text = JSON.stringify((await broker.signing()).jwks)
  return (request, reply) => {
    send(text, request, reply)
  }
}

/** `GET /oauth/jwks`: the public keys of our access tokens (RFC 7517 §5). */
export const jwksEndpoint: Endpoint<Broker> = {
  name: 'jwks',
  methods: ['GET', 'HEAD'],
  anyOrigin: true,
  isCacheable: true,
  metadata: 'jwks_uri',
  handle: (broker, request, reply) => {
    const known = senders.get(broker)
    if (known) return known(request, reply)
    return createSend(broker).then((send) => {
      senders.set(broker, send)
      send(request, reply)
      return reply
    })
  }
}
