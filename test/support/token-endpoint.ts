import { randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

/** A response of a token endpoint, or one that waits. */
interface Answer {
  status?: number
  body: object | string
  headers?: Record<string, string>
  until?: Promise<unknown>
}

/** A token endpoint on a socket that gives out tokens for an API. */
export interface TokenEndpoint {
  url: string
  requests: Array<{ headers: IncomingHttpHeaders, params: Record<string, string> }>
  /** Replaces the successful response. */
  answer: Answer | undefined
  /** Lifetime of its tokens, in seconds. */
  lifetime: number
  /** The tokens that it gave out. */
  issued: string[]
  close(): void
}

export async function startTokenEndpoint (t: TestContext): Promise<TokenEndpoint> {
  const server = createServer((request, response) => {
    text(request).then(async body => {
      const params = Object.fromEntries(new URLSearchParams(body))
      endpoint.requests.push({ headers: request.headers, params })
      const token = `canary-exchanged-${randomBytes(12).toString('hex')}`
      const { status = 200, body: answer, headers, until } = endpoint.answer ??
        { body: granted(token, endpoint.lifetime) }
      if (endpoint.answer === undefined) endpoint.issued.push(token)
      await until
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    })
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  t.after(close)
  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth2/v2.0/token`,
    requests: [],
    answer: undefined,
    lifetime: 3269,
    issued: [],
    close
  }
  return endpoint
}

/** The successful response of Entra, which has no `issued_token_type`. */
function granted (token: string, lifetime: number) {
  return {
    token_type: 'Bearer',
    scope: 'api://calendar/Events.Read',
    expires_in: lifetime,
    ext_expires_in: lifetime,
    access_token: token
  }
}

/** An error of Entra, as its token endpoint sends it. */
export function entraError (
  error: string,
  code: number,
  more: object = {},
  status = 400
): Answer {
  return {
    status,
    body: {
      error,
      error_description: `AADSTS${code}: canary-upstream-text.\r\nTrace ID: 0f3a`,
      error_codes: [code],
      timestamp: '2026-11-29 14:00:00Z',
      trace_id: '0f3a',
      correlation_id: '1b2c',
      ...more
    }
  }
}
