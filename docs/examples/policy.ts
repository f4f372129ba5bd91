import { AbilityBuilder, createMongoAbility, subject } from '@casl/ability'
import Fastify from 'fastify'
import { mcpOAuth, type McpAuth } from 'fastify-mcp-oauth'

const notes = new Map([['1', { author: 'alice', text: 'Buy milk' }]])

/** Everyone reads all notes, and deletes their own. */
function abilityOf (caller: McpAuth | null) {
  const { can, build } = new AbilityBuilder(createMongoAbility)
  can('read', 'Note')
  if (caller?.subject) can('delete', 'Note', { author: caller.subject })
  return build()
}

/** The tools that are not here need no policy. */
const actions: Record<string, string> = { readNote: 'read', deleteNote: 'delete' }

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  mcp: {
    tools: true,
    authorizeTool ({ caller, tool, arguments: args }) {
      const action = actions[tool]
      if (action === undefined) return true
      const ability = abilityOf(caller)
      // Without arguments: may this caller delete any note? CASL ignores conditions then.
      if (args === undefined) return ability.can(action, 'Note')
      const note = subject('Note', { ...notes.get(String(args['id'])) })
      return ability.can(action, note) || { reason: 'Only the author may delete a note.' }
    }
  }
})

const params = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } }

app.get<{ Params: { id: string } }>('/notes/:id', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'readNote', summary: 'Reads a note', params }
}, async (request) => notes.get(request.params.id) ?? {})

app.delete<{ Params: { id: string } }>('/notes/:id', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'deleteNote', summary: 'Deletes a note of yours', params }
}, async (request) => ({ deleted: notes.delete(request.params.id) }))

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
