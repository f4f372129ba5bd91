import { join } from 'node:path'
import autoload from '@fastify/autoload'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyRequest } from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler
} from 'fastify-type-provider-zod'

/** An API for browsers and scripts: sessions as JWTs, schemas in zod, routes from a folder. */
export async function build () {
  const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'info' } })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  await app.register(helmet)
  await app.register(cors, { origin: 'https://notes.example.com' })
  await app.register(rateLimit, { max: 100, timeWindow: '1 minute' })
  await app.register(swagger, {
    openapi: { info: { title: 'Notes', version: '1.0.0' } },
    transform: jsonSchemaTransform
  })

  await app.register(jwt, { secret: process.env.SESSION_SECRET as string })
  app.decorate('authenticate', async (request: FastifyRequest) => {
    await request.jwtVerify()
  })

  await app.register(autoload, { dir: join(import.meta.dirname, 'routes'), forceESM: true })
  return app
}

if (process.argv[1] === import.meta.filename) await (await build()).listen({ port: 3000 })
