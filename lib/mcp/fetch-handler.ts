import type { FetchHandler } from '../schemas/options.ts'
import { type McpCall, type ScopelessEndpoint, emptyAnswer, goneStatus } from './call.ts'

/** Headers that speak of the connection, or that the URL and the body of the new request say better. */
const connectionHeaders = new Set(['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'content-length', 'te', 'trailer', 'upgrade', 'expect'])

/**
 * Serves through a fetch-shaped handler. It sees `resource`, the configured URL, as the URL of every request: never one made from a
 * `Host` header. Where only listening tells the port, `resource` is a function, asked once per request. Protocol rules are the handler's.
 */
export function createFetchEndpoint (handler: FetchHandler, resource: string | (() => string)): ScopelessEndpoint {
  return {
    methods: ['POST', 'GET', 'DELETE'],

    async ready () {},

    async handle (call) {
      const { authInfo, body, signal } = call
      try {
        const response = await handler.fetch(webRequest(call, typeof resource === 'string' ? resource : resource()), {
          ...(authInfo !== undefined && { authInfo }),
          ...(body !== undefined && { parsedBody: body })
        })
        return { status: response.status, headers: answerHeaders(response), body: await answerBody(response) }
      } catch (error) {
        if (signal.aborted) return emptyAnswer(goneStatus)
        throw error
      }
    },

    async close () {
      await handler.close?.()
    }
  }
}

function webRequest ({ request, rawBody, signal }: McpCall, resource: string): Request {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name.startsWith(':') || connectionHeaders.has(name)) continue
    headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const init = { method: request.method, headers, signal }
  return new Request(resource, request.method === 'POST' ? { ...init, body: rawBody } : init)
}

function answerHeaders (response: Response): Record<string, string> {
  const headers: Record<string, string> = {}
  response.headers.forEach((value, name) => {
    if (!connectionHeaders.has(name)) headers[name] = value
  })
  if (isStream(response)) headers['x-accel-buffering'] = 'no'
  return headers
}

/** Only event streams have to be streamed; anything else is quicker as one string. */
async function answerBody (response: Response) {
  if (response.body === null) return null
  return isStream(response) ? response.body : await response.text()
}

function isStream (response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') === true
}
