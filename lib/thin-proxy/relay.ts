import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Log } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { safeLogger } from '../host/safe-logger.ts'

/** Milliseconds the provider has for its whole answer, and the bytes it may have. */
const timeout = 5_000
const maxBytes = 512 * 1024

/**
 * How @fastify/http-proxy is set up: one method, one URL, no retries, bodies that were read and
 * checked before, and an agent of ours, because its own does not check certificates.
 */
export function relayOptions (
  agent: object
): {
  upstream: string
  httpMethods: string[]
  routes: string[]
  proxyPayloads: boolean
  replyOptions: object
} & Record<string, unknown> {
  return {
    upstream: '',
    httpMethods: ['POST'],
    routes: ['/'],
    proxyPayloads: false,
    undici: agent,
    destroyAgent: true,
    disableCache: true,
    disableRequestLogging: true,
    replyOptions: { getUpstream: () => '' }
  }
}

/** What the provider said. */
export interface RelayedAnswer {
  status: number
  text: string
}

/**
 * Sends a form to the provider and reads the whole answer; nothing of either side's headers crosses
 * over.
 *
 * @throws McpOAuthError `providerUnavailable`, `providerTimeout` or `providerMisbehaved`
 */
export function relay (
  reply: FastifyReply,
  url: string,
  headers: Record<string, string>,
  body: string
): Promise<RelayedAnswer> {
  return new Promise((resolve, reject) => {
    let stream: Readable | undefined
    const timer = setTimeout(() => {
      stream?.destroy()
      reject(new McpOAuthError('providerTimeout'))
    }, timeout)
    const settle = (result: RelayedAnswer | McpOAuthError) => {
      clearTimeout(timer)
      if (result instanceof McpOAuthError) reject(result)
      else resolve(result)
    }
    // It writes of failing answers to the log by itself, where nobody would catch what that throws.
    const { request } = reply
    request.log = Object.assign(Object.create(request.log), safeLogger(request.log as Log))
    reply.from(url, {
      // A fresh object each time: it is written to.
      body,
      contentType: 'application/x-www-form-urlencoded',
      timeout,
      getUpstream: () => undefined as never,
      // The provider's own query (a policy, a tenant), never the client's.
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
      onError: (_reply: unknown, { error }: { error: Error }) => settle(faultOf(error)),
      onResponse: (
        _request: unknown,
        _reply: unknown,
        answer: { statusCode: number, stream: Readable }
      ) => {
        stream = answer.stream
        readAll(stream).then(
          text => settle({ status: answer.statusCode, text }),
          (error: unknown) =>
            settle(
              error instanceof McpOAuthError
                ? error
                : new McpOAuthError('providerUnavailable', { cause: error })
            )
        )
      }
    } as never)
  })
}

async function readAll (stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) {
      throw new McpOAuthError('providerMisbehaved', {
        cause: new Error('the answer of the token endpoint is too large')
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** reply-from names a refused connection an internal error; what happened is in the cause. */
function faultOf (error: Error & { statusCode?: number }): McpOAuthError {
  return new McpOAuthError(error.statusCode === 504 ? 'providerTimeout' : 'providerUnavailable', {
    cause: error
  })
}
