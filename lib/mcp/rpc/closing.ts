/** Which messages end requests when the server closes? */
import { McpOAuthError } from '../../errors.ts'
import { type McpResponse, jsonResponse, messagesOf, rpcCode, rpcError } from './messages.ts'

/** The messages of a body that await a response. */
export function requestsIn (body: unknown) {
  return messagesOf(body).filter(({ id, method }) => id !== undefined && method !== undefined)
}

/** For a call that began before the server closed, and did not end in time. */
export const cancelled = new McpOAuthError('closing', {
  description: 'The server closed before this call ended; it may have taken effect.'
})

/** Makes the response to a body that arrives, or is not served in time, while the server closes. */
export function closingResponse (
  body: unknown,
  { message, retryAfter } = new McpOAuthError('closing')
): McpResponse {
  const requests = requestsIn(body)
  const [error, ...more] = (requests.length > 0 ? requests : [{ id: null }])
    .map(({ id }) => rpcError(id, rpcCode.unavailable, message))
  const response = jsonResponse(503, JSON.stringify(more.length > 0 ? [error, ...more] : error))
  response.headers['retry-after'] = String(retryAfter)
  return response
}

/** Makes the last event of a stream. Which requests of a batch have a response is unknown. */
export function closingEvent (body: unknown) {
  // Blank lines end an event that is not complete.
  return requestsIn(body).length === 1
    ? `\n\nevent: message\ndata: ${closingResponse(body, cancelled).body}\n\n`
    : ''
}
