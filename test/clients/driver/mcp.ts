import { objectOf, type Received, type Requester } from './http.ts'

const version = 'io.modelcontextprotocol/protocolVersion'
const clientCapabilities = 'io.modelcontextprotocol/clientCapabilities'
const clientInfo = 'io.modelcontextprotocol/clientInfo'

/** The first revision without `initialize`. */
export const modern = '2026-07-28'

/** One connection to an MCP server. */
export interface Connection {
  /** The negotiated version. */
  protocol: string | undefined
  session: string | undefined
}

/** A JSON-RPC request as the client of an era sends it. */
export function post (
  http: Requester,
  mcp: string,
  { protocol, session }: Connection,
  { method, params = {}, token, id, name }: {
    method: string
    params?: Record<string, unknown>
    token?: string | undefined
    /** Absent for notifications. */
    id?: number
    /** Name of the client. */
    name: string
  }
): Promise<Received> {
  const isModern = protocol !== undefined && protocol >= modern
  const meta = {
    [version]: protocol,
    [clientInfo]: { name, version: '1.0.0' },
    [clientCapabilities]: {}
  }
  return http.send(mcp, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...token !== undefined && { authorization: `Bearer ${token}` },
      ...protocol !== undefined && method !== 'initialize' && { 'mcp-protocol-version': protocol },
      ...session !== undefined && { 'mcp-session-id': session },
      ...isModern && { 'mcp-method': method },
      ...isModern && method === 'tools/call' && { 'mcp-name': String(params['name']) }
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      ...id !== undefined && { id },
      method,
      params: isModern ? { ...params, _meta: meta } : params
    })
  })
}

/** The parameters of `initialize`. */
export function initializeParams (protocol: string, name: string): Record<string, unknown> {
  return {
    protocolVersion: protocol,
    capabilities: {},
    clientInfo: { name, version: '1.0.0' }
  }
}

/**
 * The result of a response, as JSON or as an event stream.
 *
 * @throws {Error} for a response without a result
 */
export function resultOf (
  { status, headers, text }: Received,
  method: string
): Record<string, any> {
  const type = headers.get('content-type') ?? ''
  const messages = type.includes('text/event-stream')
    ? [...text.matchAll(/^data: ?(.*)$/gm)].map(([, data = '']) => objectOf(data))
    : [objectOf(text)]
  const message = messages.find(entry =>
    entry !== undefined && ('result' in entry || 'error' in entry)
  )
  if (status === 200 && message?.['result'] !== undefined) return message['result']
  const problem = message?.['error']?.['message'] ?? text.slice(0, 200)
  throw new Error(`${method} was answered with ${status} ${problem}`)
}
