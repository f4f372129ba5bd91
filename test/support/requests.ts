import { once } from 'node:events'
import { connect } from 'node:net'
import { request } from 'undici'
import { loopbackUri, verifier } from './credentials.ts'

export type Params = Record<string, string | undefined> | string

/** A query or a form; members that are `undefined` are left out. */
export function query (params: Params): string {
  if (typeof params === 'string') return params
  return Object.entries(params).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`]
  ).join('&')
}

/** A POST with a JSON body. */
export function json (body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body)
  }
}

/** A POST with a form. */
export function form (params: Params, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: query(params)
  }
}

/** What tests read of a response. */
export type Received = Pick<Response, 'status' | 'headers' | 'url' | 'ok' | 'text' | 'json'>

/**
 * Requests a URL without following redirects, and reads the whole body. It costs much less than
 * `fetch`, and tests make thousands of requests.
 */
export async function sendRequest (url: string | URL, init: RequestInit = {}): Promise<Received> {
  const { method = 'GET', headers: sent = {}, body, signal } = init
  const { statusCode: status, headers: received, body: stream } = await request(url, {
    method: method as 'GET',
    headers: sent as Record<string, string>,
    ...body && { body: body as string },
    ...signal && { signal }
  })
  const headers = new Headers()
  for (const [name, value] of Object.entries(received)) {
    for (const line of [value ?? []].flat()) headers.append(name, line)
  }
  const text = await stream.text()
  return {
    status,
    headers,
    url: String(url),
    ok: status >= 200 && status < 300,
    text: async () => text,
    json: async () => JSON.parse(text)
  }
}

/** A valid token request with an authorization code. */
export function redeem (
  clientId: string,
  code: string,
  more: Record<string, string | undefined> = {}
): Record<string, string | undefined> {
  return {
    grant_type: 'authorization_code',
    client_id: clientId,
    code,
    code_verifier: verifier,
    redirect_uri: loopbackUri,
    ...more
  }
}

/** A valid token request with a refresh token. */
export function renew (
  clientId: string,
  refreshToken: string,
  more: Record<string, string | undefined> = {}
): Record<string, string | undefined> {
  return { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken, ...more }
}

/** The claims of a JWT, unchecked. */
export function claimsOf (token: string): Record<string, any> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/**
 * Sends bytes unchanged, since `fetch` refuses much of what attackers send.
 *
 * @returns all that is received until the server ends the connection.
 */
export async function raw (port: number, request: string): Promise<string> {
  let received = ''
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('utf8').on('data', chunk => {
    received += String(chunk)
  }).on('error', () => {})
  // The socket stays open: Node's server ignores requests on half-closed connections.
  socket.write(request)
  await once(socket, 'close')
  return received
}
