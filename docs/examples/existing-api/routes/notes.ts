import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'

declare module 'fastify' {
  interface FastifyInstance {
    authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void>
  }
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: { sub: string }
  }
}

const Note = z.object({ id: z.number().int(), text: z.string() })
const ById = z.object({ id: z.coerce.number().int().describe('Number of a note') })
const Problem = z.object({ message: z.string() })

/** Notes of the user, each with their own numbers. */
const notes: FastifyPluginAsyncZod = async (app) => {
  const byUser = new Map<string, Array<z.infer<typeof Note>>>()
  const notesOf = ({ user: { sub } }: FastifyRequest) => {
    const notes = byUser.get(sub) ?? []
    byUser.set(sub, notes)
    return notes
  }
  app.addHook('onRequest', app.authenticate)

  app.get('/notes', {
    schema: {
      tags: ['notes'],
      summary: 'Lists your notes',
      querystring: z.object({ search: z.string().optional().describe('Text in the note') }),
      response: { 200: z.object({ notes: z.array(Note) }) }
    }
  }, async request => ({
    notes: notesOf(request).filter(({ text }) => text.includes(request.query.search ?? ''))
  }))

  app.post('/notes', {
    schema: {
      tags: ['notes'],
      summary: 'Writes a note',
      body: z.object({ text: z.string().min(1).max(500) }),
      response: { 201: Note }
    }
  }, async (request, reply) => {
    const notes = notesOf(request)
    const note = { id: notes.length + 1, text: request.body.text }
    notes.push(note)
    return reply.code(201).send(note)
  })

  app.get('/notes/:id', {
    schema: {
      tags: ['notes'],
      summary: 'Reads a note',
      params: ById,
      response: { 200: Note, 404: Problem }
    }
  }, async (request, reply) => {
    const note = notesOf(request).find(({ id }) => id === request.params.id)
    return note ?? reply.code(404).send({ message: 'There is no note with this number.' })
  })

  app.delete('/notes/:id', {
    schema: { tags: ['notes'], summary: 'Deletes a note', params: ById }
  }, async (request, reply) => {
    const notes = notesOf(request)
    const index = notes.findIndex(({ id }) => id === request.params.id)
    if (index >= 0) notes.splice(index, 1)
    return reply.code(204).send()
  })
}

export default notes
