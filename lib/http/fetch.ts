import { request } from 'undici'
import { McpOAuthError } from '../errors.ts'
import { createAgent } from './agent.ts'
import { jsonObject } from './json.ts'

/** Bounds and contents of one outbound request. */
export interface FetchOptions {
  /** Defaults to `'GET'`. */
  method?: 'GET' | 'POST'
  headers?: Readonly<Record<string, string>>
  body?: string
  /** Milliseconds for connection, headers and body together. Defaults to 5,000. */
  timeout?: number
  /** Bytes of body that are read at most. Defaults to 524,288. */
  maxBytes?: number
  /** Gives up earlier. */
  signal?: AbortSignal
}

/** What came back. A redirect is an answer like any other: it is never followed. */
export interface FetchResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

const agent = createAgent()

/**
 * Asks a server the operator named: bounded in time and bytes, no redirects, no compression (a
 * compressed answer could unpack to gigabytes).
 *
 * @throws {McpOAuthError} `providerTimeout`, `providerMisbehaved` (too large, compressed) or
 *   `providerUnavailable` (everything else)
 */
export async function boundedFetch (
  url: string,
  options: FetchOptions = {}
): Promise<FetchResponse> {
  const { method = 'GET', headers = {}, body = null, timeout = 5_000, maxBytes = 524_288, signal } =
    options
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
  }, timeout)
  try {
    const answer = await request(url, {
      method,
      headers: {
        accept: 'application/json',
        'user-agent': 'fastify-mcp-oauth',
        ...headers,
        'accept-encoding': 'identity'
      },
      body,
      dispatcher: agent,
      signal: signal ? AbortSignal.any([late.signal, signal]) : late.signal
    })
    const encoding = answer.headers['content-encoding'] ?? 'identity'
    const chunks: Uint8Array[] = encoding === 'identity'
      ? await read(answer.body, maxBytes)
      : refuse(answer.body, 'the answer is compressed')
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: new TextDecoder().decode(Buffer.concat(chunks))
    }
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    throw new McpOAuthError(late.signal.aborted ? 'providerTimeout' : 'providerUnavailable', {
      cause
    })
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Asks for a JSON object. The content type does not matter: many servers get it wrong.
 *
 * @throws {McpOAuthError} those of {@link boundedFetch}, and those of {@link objectOf}
 */
export async function fetchJson (
  url: string,
  options?: FetchOptions
): Promise<Readonly<Record<string, unknown>>> {
  return objectOf(await boundedFetch(url, options))
}

/**
 * The JSON object in an answer with status 200.
 *
 * @throws {McpOAuthError} `providerUnavailable` for a 5xx, else `providerMisbehaved`
 */
export function objectOf ({ status, text }: FetchResponse): Readonly<Record<string, unknown>> {
  if (status !== 200) {
    throw new McpOAuthError(status >= 500 ? 'providerUnavailable' : 'providerMisbehaved', {
      cause: new Error(`answered with status ${status}`)
    })
  }
  const object = jsonObject(text)
  if (object === null) {
    throw new McpOAuthError('providerMisbehaved', {
      cause: new Error('the answer is not a JSON object')
    })
  }
  return object
}

type Body = AsyncIterable<Uint8Array> & {
  destroy(): unknown
  on(event: 'error', listener: () => void): unknown
}

async function read (body: Body, maxBytes: number): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) refuse(body, 'the answer is too large')
    chunks.push(chunk)
  }
  return chunks
}

function refuse (body: Body, reason: string): never {
  // Destroying a body under way raises an error on it that nobody else would hear.
  body.on('error', () => {})
  body.destroy()
  throw new McpOAuthError('providerMisbehaved', { cause: new Error(reason) })
}
