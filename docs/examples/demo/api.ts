import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import mcpOAuth from 'fastify-mcp-oauth'

interface Note {
  id: number
  text: string
  author: string
}

const note = {
  type: 'object',
  required: ['id', 'text', 'author'],
  properties: { id: { type: 'integer' }, text: { type: 'string' }, author: { type: 'string' } }
}

/** The one registration there is at the provider. */
export interface Registration {
  issuer: string
  clientId: string
  clientSecret: string
}

/**
 * A small Fastify API whose routes are MCP tools for those whom the provider lets in. MCP clients
 * register here: the provider never hears of them.
 */
export async function buildApi (registration: Registration): Promise<FastifyInstance> {
  const app = Fastify()

  await app.register(mcpOAuth, {
    ...registration,
    setupProxies: true,
    secret: randomBytes(32).toString('hex'),
    consent: { name: 'Notes', scopes: { notes: 'Read and write your notes' } },
    requiredScopes: ['notes'],
    mcp: { name: 'notes', tools: { includeTags: ['notes'] } }
  })

  const notes: Note[] = []
  const onRequest = app.requireMcpAuth({ scopes: ['notes'] })

  app.get(
    '/notes',
    {
      onRequest,
      schema: {
        operationId: 'listNotes',
        summary: 'Lists your notes',
        tags: ['notes'],
        response: { 200: { type: 'object', properties: { notes: { type: 'array', items: note } } } }
      }
    },
    async (request) => ({
      notes: notes.filter(({ author }) => author === request.mcpAuth?.subject)
    })
  )

  app.post<{ Body: { text: string } }>('/notes', {
    onRequest,
    schema: {
      operationId: 'addNote',
      summary: 'Writes a note',
      tags: ['notes'],
      body: {
        type: 'object',
        required: ['text'],
        properties: { text: { type: 'string', minLength: 1, maxLength: 1000 } }
      },
      response: { 201: note }
    }
  }, async (request, reply) => {
    const added = {
      id: notes.length + 1,
      text: request.body.text,
      author: request.mcpAuth?.subject ?? ''
    }
    notes.push(added)
    return await reply.code(201).send(added)
  })

  return app
}
