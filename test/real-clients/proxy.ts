import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

// Which requests does a client send? A plain HTTP proxy that records them, without any secret.

export interface RecordedRequest {
  /** Name of the step in which it was sent. */
  step: string
  method: string
  path: string
  status: number
  /** Headers that are facts, and the scheme of `authorization`. */
  headers: Readonly<Record<string, string>>
  /** Parameters of the query or of a form. Those that are secrets are `{random}`. */
  params: Readonly<Record<string, string>>
  /** A JSON body. */
  json?: any
}

export interface RecordingProxy {
  origin: string
  requests: RecordedRequest[]
  /** Begins a step. */
  enter(step: string): void
  forwardTo(url: string): void
  close(): Promise<void>
}

/** Steps before the login, in which metadata is missing: they show where clients look for it. */
export const probes: Readonly<Record<string, RegExp>> = {
  'without metadata': /\/\.well-known\//,
  'without server metadata': /\/\.well-known\/(?!oauth-protected-resource)/
}

const factHeaders = ['accept', 'content-type', 'mcp-protocol-version']
const secretParams = [
  'code',
  'code_challenge',
  'code_verifier',
  'state',
  'refresh_token',
  'client_secret',
  'token'
]

/**
 * Listens on a port of loopback, in front of a server that is named later. At the step `refresh` it
 * makes the access tokens invalid that were used so far.
 */
export async function startProxy (): Promise<RecordingProxy> {
  let target = ''
  let step = ''
  const used = new Set<string>()
  let invalid = new Set<string>()
  const server = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy())
  })
  await new Promise<void>(resolve => {
    server.listen(0, 'localhost', resolve)
  })
  const proxy = {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    requests: [] as RecordedRequest[],
    enter (next: string) {
      step = next
      if (next === 'refresh') invalid = new Set(used)
    },
    forwardTo (url: string) {
      target = url
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
  return proxy

  async function forward (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const entry = record(request, body, step)
    proxy.requests.push(entry)
    if (probes[step]?.test(entry.path)) {
      entry.status = 404
      response.writeHead(404).end()
      return
    }
    const { authorization } = request.headers
    const headers = { ...request.headers }
    if (authorization?.startsWith('Bearer ')) {
      used.add(authorization)
      if (invalid.has(authorization)) headers.authorization = `${authorization}x`
    }
    const forwarded = send(new URL(request.url ?? '', target), { method: request.method, headers })
    response.on('close', () => forwarded.destroy())
    forwarded
      .on('error', () => response.destroy())
      .on('response', answer => {
        entry.status = answer.statusCode ?? 0
        const { 'www-authenticate': challenge } = answer.headers
        response.writeHead(entry.status, {
          ...answer.headers,
          ...challenge !== undefined && probes[step]?.test(metadataUrl(challenge)) &&
            { 'www-authenticate': challenge.replace(/ resource_metadata="[^"]*",?/, '') }
        })
        answer.pipe(response)
      })
      .end(body)
  }
}

function metadataUrl (challenge: string): string {
  return /resource_metadata="([^"]*)"/.exec(challenge)?.[1] ?? ''
}

function record ({ method = '', url = '', headers }: IncomingMessage, body: string, step: string) {
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  const type = headers['content-type'] ?? ''
  const isForm = type.startsWith('application/x-www-form-urlencoded')
  const scheme = headers.authorization?.split(' ')[0]
  const entry: RecordedRequest = {
    step,
    method,
    path: pathname,
    status: 0,
    headers: {
      ...Object.fromEntries(
        factHeaders.flatMap(name => {
          const { [name]: value } = headers
          return value === undefined ? [] : [[name, String(value)]]
        })
      ),
      ...scheme !== undefined && { authorization: scheme }
    },
    params: Object.fromEntries(
      [...isForm ? new URLSearchParams(body) : searchParams].map(([name, value]) => [
        name,
        secretParams.includes(name) ? '{random}' : value
      ])
    )
  }
  if (type.startsWith('application/json')) entry.json = JSON.parse(body)
  return entry
}
