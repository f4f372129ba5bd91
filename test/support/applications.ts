import type { FastifyInstance } from 'fastify'

/** Adds the page. Users of the host are named in a header, and others are sent to its login. */
export async function addPage (app: FastifyInstance): Promise<void> {
  await app.register(async (account) => {
    account.addHook('onRequest', async (request, reply) => {
      if (!request.headers['x-user']) return reply.redirect('/login')
    })
    const page = app.mcpOAuth.connectedApplications({
      subject: ({ headers }) => headers['x-user']
    })
    await account.register(page, { prefix: '/account/applications' })
  })
}
