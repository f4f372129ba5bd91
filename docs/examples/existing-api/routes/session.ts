import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'

/** Logs users of the web page in. A real app checks the password. */
const session: FastifyPluginAsyncZod = async (app) => {
  app.post('/session', {
    schema: {
      tags: ['session'],
      body: z.object({ user: z.string().min(1), password: z.string().min(1) }),
      response: { 200: z.object({ token: z.string() }) }
    }
  }, async ({ body }) => ({ token: app.jwt.sign({ sub: body.user }) }))

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}

export default session
