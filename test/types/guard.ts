/** Which hosts and hooks does a guard fit? Never run: `tsc -p test` is the test. */
import Fastify, {
  type FastifyReply,
  type FastifyRequest,
  type onRequestHookHandler,
  type preHandlerHookHandler
} from 'fastify'
import fastifyJwt from '@fastify/jwt'
import { mcpOAuth, type Guard, type McpOAuthOptions } from '../../lib/index.ts'

declare const guard: Guard
const options: McpOAuthOptions = { issuer: 'https://id.example' }

export const onRequest: onRequestHookHandler = guard
export const preHandler: preHandlerHookHandler = guard

const http = Fastify()
await http.register(mcpOAuth, options)
http.get('/early', { onRequest: http.requireMcpAuth() }, async () => 'ok')
http.get('/late', { preHandler: [http.requireMcpAuth({ scopes: ['a'] })] }, async () => 'ok')
http.addHook('onRequest', http.requireMcpAuth())
http.addHook('preHandler', http.requireMcpAuth())
http.get<{ Params: { id: string } }>(
  '/:id',
  { onRequest: http.requireMcpAuth() },
  async ({ params, mcpAuth }) => `${params.id} ${mcpAuth?.subject}`
)

const https = Fastify({ https: {} })
await https.register(mcpOAuth, options)
https.get(
  '/',
  { onRequest: https.requireMcpAuth(), preHandler: https.requireMcpAuth() },
  async () => ''
)
https.addHook('onRequest', https.requireMcpAuth())

const http2 = Fastify({ http2: true })
await http2.register(mcpOAuth, options)
http2.get(
  '/',
  { onRequest: http2.requireMcpAuth(), preHandler: http2.requireMcpAuth() },
  async () => ''
)
http2.addHook('onRequest', http2.requireMcpAuth())
http2.addHook('preHandler', http2.requireMcpAuth())

const secureHttp2 = Fastify({ http2: true, https: {} })
await secureHttp2.register(mcpOAuth, options)
secureHttp2.get('/', { onRequest: secureHttp2.requireMcpAuth() }, async () => '')

// Any hook of a host checks plain HTTP: typed hooks, with callbacks and promises, and other guards.
declare const asynchronous: (request: FastifyRequest, reply: FastifyReply) => Promise<void>
declare const withCallback: onRequestHookHandler
declare const late: preHandlerHookHandler
declare const verify: (request: FastifyRequest) => Promise<unknown>
await http.register(fastifyJwt, { secret: 'x' })
http.requireMcpAuth({ or: asynchronous })
http.requireMcpAuth({ or: [asynchronous, withCallback, late, verify, guard] as const })
http.requireMcpAuth({ or: async request => await request.jwtVerify() })
http.requireMcpAuth({ or: (_request, _reply, done) => done(new Error('no')) })
// @ts-expect-error a hook is a function
http.requireMcpAuth({ or: 'authenticate' })

// @ts-expect-error a guard is not a handler of errors
http.setErrorHandler(guard)
// @ts-expect-error there is no such option
http.requireMcpAuth({ scope: ['a'] })
