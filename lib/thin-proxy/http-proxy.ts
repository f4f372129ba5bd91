/** How does a form reach the provider through @fastify/http-proxy? */
import { addAbortSignal, type Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, RouteOptions } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { safeLogger } from '../host/safe-logger.ts'
import { createAgent } from '../http/fetch.ts'
import { withTimeout } from '../http/timeout.ts'
import { maxProviderTokenBytes, providerTokenMs } from '../limits.ts'
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

/**
 * Sends a form to the provider and reads the whole response. No header of the client is sent, and
 * none of the provider is passed on.
 *
 * @throws {McpOAuthError} `providerUnavailable`, `providerTimeout` or `providerMisbehaved`
 */
export function postForm (
  reply: FastifyReply,
  url: string,
  headers: Record<string, string>,
  body: string
): Promise<{ status: number, text: string }> {
  // reply.from logs failed responses itself. A logger that throws must not fail the request.
  const { request } = reply
  request.log = Object.assign(Object.create(request.log), safeLogger(request.log as Log))
  const send = (signal: AbortSignal) =>
    new Promise<{ status: number, text: string }>((resolve, reject) => {
      reply.from(url, {
        body,
        contentType: 'application/x-www-form-urlencoded',
        timeout: providerTokenMs,
        getUpstream: () => undefined,
        // The query of the provider's URL (a policy, a tenant), never that of the client.
        queryString: (own: string) => own.slice(1),
        retryDelay: () => null,
        rewriteRequestHeaders: () => ({
          ...headers,
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'fastify-mcp-oauth',
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': String(Buffer.byteLength(body))
        }),
        rewriteHeaders: () => ({}),
        onError: (_reply: unknown, { error }: { error: Error & { statusCode?: number } }) => {
          const kind = error.statusCode === 504 ? 'providerTimeout' : 'providerUnavailable'
          reject(new McpOAuthError(kind, { cause: error }))
        },
        onResponse: (
          _request: unknown,
          _reply: unknown,
          { statusCode: status, stream }: { statusCode: number, stream: Readable }
        ) => {
          resolve(textOf(addAbortSignal(signal, stream)).then(text => ({ status, text })))
        }
      } as never)
    })
  return withTimeout(send, {
    milliseconds: providerTokenMs,
    error: () => new McpOAuthError('providerTimeout')
  })
}

async function textOf (stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxProviderTokenBytes) break
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new McpOAuthError('providerUnavailable', { cause })
  }
  if (bytes <= maxProviderTokenBytes) return Buffer.concat(chunks).toString()
  throw new McpOAuthError('providerMisbehaved', {
    cause: new Error('The response of the token endpoint is too large')
  })
}
