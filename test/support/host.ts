import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'

/**
 * The bodies of the host for its errors and unknown URLs. If a route of the plugin returns one of
 * them, the plugin is not isolated.
 */
export const hostError = { host: 'caught an error' }
export const hostNotFound = { host: 'no such URL' }

/**
 * A host application with common customizations: parsers for JSON and forms, an Ajv that coerces,
 * completes and removes, handlers for errors and unknown URLs, plugins that add headers and
 * cookies, and a hook that requires its key unless `config.mcpOAuth.public` is set.
 */
export async function customizedHost ({ key }: { key?: string } = {}): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: 64 * 1024,
    ajv: {
      customOptions: {
        removeAdditional: 'all',
        coerceTypes: 'array',
        useDefaults: true,
        allErrors: true
      }
    }
  })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, { wrapped: JSON.parse(String(body)) })
    } catch (error) {
      done(error as Error)
    }
  })
  app.setErrorHandler(async (_error, _request, reply) => await reply.code(418).send(hostError))
  app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send(hostNotFound))

  await app.register(cookie)
  await app.register(cors, { origin: 'https://host.example' })
  await app.register(formbody)
  await app.register(helmet)
  await app.register(rateLimit, { max: 10_000 })

  if (key !== undefined) {
    app.addHook('onRequest', async (request, reply) => {
      const config: { mcpOAuth?: { public?: boolean } } = request.routeOptions.config
      if (!config.mcpOAuth?.public && request.headers['x-host-key'] !== key) {
        return await reply.code(401).send({ host: 'a key is required' })
      }
    })
  }
  return app
}
