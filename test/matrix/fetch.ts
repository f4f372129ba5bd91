import { Agent, request, type Dispatcher } from 'undici'

// How do thousands of logins stay cheap? By a fetch without streams, for text only.

const direct = new Agent()

/**
 * A fetch that follows no redirects, and whose responses have status, headers and text.
 *
 * @param dispatcherOf the connection for a URL, or null for a direct one
 */
export function createFetch (
  dispatcherOf: (url: string) => Dispatcher | null
): typeof fetch {
  const plainFetch = async (input: string | URL, init: RequestInit = {}) => {
    const { method = 'GET', headers, body, signal } = init
    const form = body instanceof URLSearchParams
    const send = async () =>
      await request(input, {
        dispatcher: dispatcherOf(String(input)) ?? direct,
        method: method as Dispatcher.HttpMethod,
        headers: {
          ...form && { 'content-type': 'application/x-www-form-urlencoded' },
          ...headers as Record<string, string>
        },
        body: body == null ? null : String(body),
        signal: signal ?? null
      })
    // The server may have closed a connection that was kept alive (RFC 9112 §9.3.1), as after its
    // restart: then it has not read the request.
    const { statusCode, headers: received, body: content } = await send().catch(
      (error: unknown) => {
        if (Object(error).code !== 'UND_ERR_SOCKET') throw error
        return send()
      }
    )
    // The driver ends streams when it knows the status.
    content.on('error', () => {})
    const pairs = Object.entries(received).flatMap(([name, value = '']) =>
      [value].flat().map((text): [string, string] => [name, text])
    )
    return {
      status: statusCode,
      ok: statusCode >= 200 && statusCode < 300,
      headers: new Headers(pairs),
      text: () => content.text()
    }
  }
  return plainFetch as unknown as typeof fetch
}
