import { join } from 'node:path'
import autoload from '@fastify/autoload'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from 'fastify-mcp-oauth'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler
} from 'fastify-type-provider-zod'

const provider: McpOAuthOptions = {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true
}

/** The API of before.ts, whose routes are tools. The numbered steps are new. */
export async function build (options = provider) {
  const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'info' } })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  await app.register(helmet)
  await app.register(cors, { origin: 'https://notes.example.com' })
  await app.register(rateLimit, {
    max: 100,
    timeWindow: '1 minute',
    // 1. The MCP request was counted already.
    allowList: request => Boolean(request.mcpCall)
  })
  await app.register(swagger, {
    openapi: { info: { title: 'Notes', version: '1.0.0' } },
    transform: jsonSchemaTransform
  })

  // 2. After the plugins that limit or decorate all routes, and before the routes.
  await app.register(mcpOAuth, {
    ...options,
    mcp: { name: 'notes', tools: { excludeTags: ['session'] } }
  })

  await app.register(jwt, { secret: process.env.SESSION_SECRET as string })
  // 3. Sessions over plain HTTP, access tokens in tool calls.
  const guard = app.requireMcpAuth({
    or: async (request: FastifyRequest) => {
      await request.jwtVerify()
    }
  })
  app.decorate('authenticate', async (request: FastifyRequest, reply: FastifyReply) => {
    await guard(request, reply)
    // 4. Your user for the provider's subject: a look-up in your database, say.
    if (request.mcpAuth) request.user = { sub: request.mcpAuth.subject as string }
  })

  await app.register(autoload, { dir: join(import.meta.dirname, 'routes'), forceESM: true })
  return app
}

if (process.argv[1] === import.meta.filename) await (await build()).listen({ port: 3000 })
