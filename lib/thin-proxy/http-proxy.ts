/** How does a form reach the provider through @fastify/http-proxy? */
import { addAbortSignal, type Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { FastifyError, FastifyInstance, FastifyReply, RouteOptions } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { safeLogger } from '../host/safe-logger.ts'
import { createAgent, readBody } from '../http/fetch.ts'
import { withTimeout } from '../http/timeout.ts'
import { providerTokenMs } from '../limits.ts'
import type { Log } from '../types.ts'

/**
 * Adds a POST route whose handler can call {@link postForm}. Users chose @fastify/http-proxy for
 * the thin proxies. Here it neither parses nor retries, and its agent is ours: its own does not
 * verify certificates.
 */
export function addProxyRoute (scope: FastifyInstance, route: RouteOptions): void {
  scope.register(httpProxy, {
    prefix: route.url,
    config: route.config,
    handler: route.handler,
    upstream: '',
    httpMethods: ['POST'],
    routes: ['/'],
    proxyPayloads: false,
    undici: createAgent(),
    destroyAgent: true,
    disableCache: true,
    disableRequestLogging: true,
    replyOptions: { getUpstream: () => '' }
  } as never)
}

interface ProxiedResponse {
  statusCode: number
  stream: Readable
}

/**
 * Sends a form to the provider and reads the whole response. No header of the client is sent, and
 * none of the provider is passed on.
 *
 * @throws {McpOAuthError} `providerUnavailable`, `providerTimeout` or `providerMisbehaved`
 */
export async function postForm (
  reply: FastifyReply,
  url: string,
  headers: Record<string, string>,
  body: string
): Promise<{ status: number, text: string }> {
  // reply.from logs failed responses itself. A logger that throws must not fail the request.
  const { request } = reply
  request.log = Object.assign(Object.create(request.log), safeLogger(request.log as Log))
  const send = async (signal: AbortSignal) => {
    const { statusCode: status, stream } = await new Promise<ProxiedResponse>((resolve, reject) => {
      reply.from(url, {
        body,
        contentType: 'application/x-www-form-urlencoded',
        timeout: providerTokenMs,
        getUpstream: () => undefined,
        // The query of the provider's URL (a policy, a tenant), never that of the client.
        queryString: (own: string) => own.slice(1),
        retryDelay: () => null,
        rewriteRequestHeaders: (_request: unknown, sent: Record<string, string>) => ({
          ...headers,
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'fastify-mcp-oauth',
          'content-type': sent['content-type'],
          'content-length': sent['content-length']
        }),
        rewriteHeaders: () => ({}),
        onError: (_reply: unknown, { error }: { error: Error }) => reject(error),
        onResponse: (_request: unknown, _reply: unknown, response: ProxiedResponse) =>
          resolve(response)
      } as never)
    })
    return { status, text: (await readBody(addAbortSignal(signal, stream))).toString() }
  }
  try {
    return await withTimeout(send, {
      milliseconds: providerTokenMs,
      error: () => new McpOAuthError('providerTimeout')
    })
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    const isTimeout = (cause as FastifyError).statusCode === 504
    throw new McpOAuthError(isTimeout ? 'providerTimeout' : 'providerUnavailable', { cause })
  }
}
