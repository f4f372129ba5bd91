/** How do we request a server that the operator configured? */
import type { Readable } from 'node:stream'
import type { request } from 'undici'
import { failure, McpOAuthError } from '../errors.ts'
import {
  connectTimeoutMs,
  maxConnections,
  maxResponseBrackets,
  maxResponseBytes,
  requestTimeoutMs
} from '../limits.ts'
import { inClientSpan } from '../telemetry/spans.ts'
import { jsonObject } from '../util/json.ts'
import { lazy } from '../util/lazy.ts'
import { withTimeout } from './operations.ts'

/** Contents and timeout of one request. */
interface FetchOptions {
  /** Defaults to `'GET'`. */
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string | null
  /** Milliseconds for connection, headers and body together. Defaults to 5,000. */
  timeout?: number
}

/** A response. A redirect is one, too: it is not followed. */
export interface FetchResponse {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

/** Headers of our requests. Without compression: a response could expand to gigabytes. */
export const requestHeaders = {
  accept: 'application/json',
  'accept-encoding': 'identity',
  'user-agent': 'fastify-mcp-oauth'
}

/**
 * Loads undici at the first request: that takes half as long as starting a bare app. Its agent
 * serves all apps, as verifiers are created before there is an app. It holds nothing alive: idle
 * connections do not keep the process running, and close after four seconds.
 */
export const loadClient = lazy('undici', async () => {
  const { Agent, Client, request } = await import('undici')

  /**
   * Creates an agent that ignores proxy variables and a replaced global dispatcher, and checks
   * certificates. A connection has one request at a time: a response cannot be taken for another.
   */
  const createAgent = () =>
    new Agent({
      connections: maxConnections,
      pipelining: 1,
      // NODE_TLS_REJECT_UNAUTHORIZED=0 is not obeyed: our credentials are in these requests.
      connect: { timeout: connectTimeoutMs, rejectUnauthorized: true }
    })
  return { Client, request, createAgent, agent: createAgent() }
})

/**
 * Requests a URL with bounded time and size, without redirects and compression.
 *
 * @throws {McpOAuthError} `providerTimeout`, `providerMisbehaved` (too large, compressed) or
 *   `providerUnavailable` (all other failures)
 */
export async function boundedFetch (
  url: string,
  options: FetchOptions = {}
): Promise<FetchResponse> {
  const { method = 'GET' } = options
  return await inClientSpan(
    method,
    () => {
      const { origin, pathname, hostname, port, protocol } = new URL(url)
      return {
        'http.request.method': method,
        'server.address': hostname,
        'server.port': Number(port) || (protocol === 'http:' ? 80 : 443),
        // Without the query, which may have tokens.
        'url.full': origin + pathname
      }
    },
    () => fetchInTime(url, options),
    (
      { status }
    ) => [status >= 400 ? `${status}` : undefined, { 'http.response.status_code': status }]
  )
}

async function fetchInTime (
  url: string,
  { method = 'GET', headers, body = null, timeout = requestTimeoutMs }: FetchOptions
): Promise<FetchResponse> {
  try {
    const { agent: dispatcher } = await loadClient()
    const send = (signal: AbortSignal) =>
      sendRequest(url, {
        method,
        headers: { ...requestHeaders, ...headers, 'accept-encoding': 'identity' },
        body,
        dispatcher,
        signal
      })
    return await withTimeout(
      send,
      timeout,
      () => failure('providerTimeout', `no response in ${timeout} ms`)
    )
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    throw certificateFault(cause, url) ?? new McpOAuthError('providerUnavailable', { cause })
  }
}

/** Says what to do about a certificate of a company's own authority, the usual one in tests. */
function certificateFault (cause: unknown, url: string) {
  const { code } = Object(cause) as { code?: unknown }
  if (!/SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|UNTRUSTED/.test(String(code))) return null
  const reason = `the certificate of ${new URL(url).host} is not from a known authority. ` +
    'Start Node.js with NODE_EXTRA_CA_CERTS, the file of its authority'
  return new McpOAuthError('providerUnavailable', {
    // Time does not mend it.
    statusCode: 502,
    description: 'The certificate of the authorization provider is not trusted.',
    cause: new Error(reason, { cause })
  })
}

/** Sends a request and reads the whole response. */
export async function sendRequest (
  url: string,
  options: Parameters<typeof request>[1],
  decoder = new TextDecoder()
): Promise<FetchResponse> {
  const client = await loadClient()
  const { statusCode: status, headers, body } = await client.request(url, options)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') discard(body, 'the response is compressed')
  const text = decoder.decode(await readBody(body))
  // Parsing such a text occupies the process for seconds.
  if (text.split(/[[{]/, maxResponseBrackets + 1).length > maxResponseBrackets) {
    throw failure('providerMisbehaved', 'the response has too many brackets')
  }
  return { status, headers, text }
}

/**
 * Requests a JSON object. The content type does not matter: many servers send a wrong one.
 *
 * @throws {McpOAuthError} those of {@link boundedFetch} and {@link objectOf}
 */
export async function fetchJson (url: string, options?: FetchOptions) {
  return objectOf(await boundedFetch(url, options))
}

/**
 * Returns the JSON object in a response with status 200.
 *
 * @throws {McpOAuthError} `providerUnavailable` for a 429 or 5xx, else `providerMisbehaved`
 */
export function objectOf ({ status, text }: FetchResponse) {
  const object = status === 200 ? jsonObject(text) : null
  if (object !== null) return object
  throw failure(
    status >= 500 || status === 429 ? 'providerUnavailable' : 'providerMisbehaved',
    status === 200 ? 'the response is not a JSON object' : `the response has status ${status}`
  )
}

/**
 * Reads a body of bounded size.
 *
 * @throws {McpOAuthError} `providerMisbehaved` if it is too large
 */
export async function readBody (body: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > maxResponseBytes) discard(body, 'the response is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function discard (body: Readable, reason: string): never {
  // Destroying an unfinished body emits an error, which would be uncaught.
  body.on('error', () => {})
  body.destroy()
  throw failure('providerMisbehaved', reason)
}
