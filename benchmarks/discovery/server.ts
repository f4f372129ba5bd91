import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { bytesOf, contend } from '../guard/compare.ts'

// The discovery documents of this plugin, and bare Fastify routes that send the same bytes with the
// same headers. The arguments are `ours` or `bare`, and the document.

const [side = 'ours', document = 'resource', condition = ''] = (process.argv[2] ?? '').split(' ')
const paths: Record<string, string> = {
  resource: '/.well-known/oauth-protected-resource/mcp',
  server: '/.well-known/oauth-authorization-server',
  keys: '/oauth/jwks'
}
const path = paths[document] ?? ''
const publicUrl = 'https://mcp.example.com'

const ours = Fastify()
await ours.register(mcpOAuth, {
  issuer: 'https://login.example.com',
  clientId: 'bench',
  clientSecret: 'bench',
  setupProxies: true,
  publicUrl,
  secret: 'an example of a secret with 48 random characters',
  scopes: ['notes:read', 'notes:write']
} as never)
await ours.ready()
const { headers, body } = await ours.inject(path)
const etag = String(headers.etag)
let app: FastifyInstance = ours
if (side === 'bare') {
  const sent = Object.fromEntries(
    Object.entries(headers).filter(([name]) =>
      !['connection', 'date', 'content-length', 'keep-alive'].includes(name)
    )
  )
  app = Fastify()
  app.get(path, (_request, reply) => {
    if (condition === '304') reply.code(304).headers({ ...sent, 'content-type': undefined }).send()
    else reply.headers(sent).send(body)
  })
}
await app.listen({ host: '127.0.0.1', port: 0 })
contend(app.server.address(), () => [
  bytesOf(`GET ${path}`, condition === '304' ? { 'if-none-match': etag } : {})
])
