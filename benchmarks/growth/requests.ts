import Fastify, { type FastifyInstance } from 'fastify'
import { type McpOAuthOptions, mcpOAuth } from '../../lib/index.ts'
import { createEchoServer } from '../contenders/echo-server.ts'
import { echoCall } from '../frame/calls.ts'
import { audience, startIssuer } from '../frame/issuer.ts'

// The apps of the measurements, and their requests, which are injected.

export const { issuer, mint } = await startIssuer('ES256')

export interface Request {
  url: string
  headers?: Record<string, string>
  body: string
  status?: number
}

/** Sends a request some times, and returns the CPU time of one in microseconds. */
export async function send (
  app: FastifyInstance,
  count: number,
  next: (index: number) => Request
): Promise<number> {
  const before = process.cpuUsage()
  for (let index = 0; index < count; index++) {
    const { url, headers, body, status = 200 } = next(index)
    const { statusCode } = await app.inject({
      method: 'POST',
      url,
      headers: {
        host: 'localhost',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers
      },
      payload: body
    })
    if (statusCode !== status) throw new Error(`${url}: ${statusCode}`)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

export const call = (token: string, prefix = ''): Request => ({
  url: `${prefix}/mcp`,
  headers: { ...echoCall().headers, authorization: `Bearer ${token}` },
  body: echoCall().body ?? ''
})

/** An app with an `McpServer` in each prefix, and a route `POST /guarded`. */
export async function start (
  options: Partial<McpOAuthOptions> = {},
  prefixes = ['']
): Promise<FastifyInstance> {
  const app = Fastify()
  for (const prefix of prefixes) {
    await app.register(mcpOAuth, {
      issuer,
      audience,
      prefix,
      mcp: { server: createEchoServer() },
      ...options
    } as McpOAuthOptions)
  }
  if (prefixes.length === 1) {
    app.post('/guarded', { onRequest: app.requireMcpAuth() }, async () => 'done')
  }
  await app.ready()
  return app
}
