/** With which public keys can access tokens of the broker be verified? */

import type { Endpoint } from '../../host/endpoint.ts'
import type { Broker } from '../broker.ts'

/** `GET /oauth/jwks`: the public keys of our access tokens (RFC 7517 §5). */
export const jwksEndpoint: Endpoint<Broker> = {
  name: 'jwks',
  methods: ['GET', 'HEAD'],
  anyOrigin: true,
  metadata: 'jwks_uri',
  handle: async ({ signing }, _request, reply) =>
    reply
      .headers({
        'cache-control': 'public, max-age=3600',
        'content-type': 'application/jwk-set+json'
      })
      .removeHeader('pragma')
      .send(JSON.stringify((await signing()).jwks))
}
