import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { faults, type Issuer } from './issuer.ts'

/** An introspection endpoint (RFC 7662) with a configurable response. */
export interface Introspection {
  issuer: string
  endpoint: string
  /** The issuer that publishes the endpoint; tests may change its metadata. */
  metadata: Record<string, unknown>
  /** The response for any token, or the fault. */
  response: unknown
  status: number
  fail: keyof typeof faults | null
  /** The requests it received, with their credentials. */
  requests: Array<{ authorization: string | undefined, form: URLSearchParams }>
}

export async function startIntrospection (t: TestContext): Promise<Introspection> {
  const server = createServer((request, response) => {
    const json = (document: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(
        typeof document === 'string' ? document : JSON.stringify(document)
      )
    if (request.url === '/.well-known/oauth-authorization-server') {
      json(running.metadata)
      return
    }
    if (request.method !== 'POST' || request.url !== '/introspect') {
      response.writeHead(404).end()
      return
    }
    text(request).then(form => {
      running.requests.push({
        authorization: request.headers.authorization,
        form: new URLSearchParams(form)
      })
      if (running.fail) faults[running.fail](response, { origin: running.issuer } as Issuer)
      else json(running.response, running.status)
    }).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const endpoint = `${issuer}/introspect`
  const running: Introspection = {
    issuer,
    endpoint,
    metadata: { issuer, introspection_endpoint: endpoint },
    response: {},
    status: 200,
    fail: null,
    requests: []
  }
  return running
}
