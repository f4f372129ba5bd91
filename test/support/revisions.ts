/** The revisions of MCP, oldest first. */
export const revisions = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const

export type Revision = typeof revisions[number]

/** The metadata that every request of the modern era contains. */
export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {}
}

const nameMembers: Record<string, 'name' | 'uri'> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri'
}

/**
 * A request as a client of a revision sends it. The first one has no header for its version. A
 * header that is `undefined` is left out.
 */
export function rpc (
  revision: Revision,
  method: string,
  params: object = {},
  headers: Record<string, string | undefined> = {}
): RequestInit {
  const initialize = method === 'initialize'
    ? {
      protocolVersion: revision,
      capabilities: {},
      clientInfo: { name: 'client', version: '1.0.0' }
    }
    : {}
  const modern = revision === '2026-07-28'
  const member = nameMembers[method]
  const all: Record<string, string | undefined> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(revision !== '2025-03-26' && { 'mcp-protocol-version': revision }),
    ...(modern &&
      {
        'mcp-method': method,
        ...(member !== undefined && { 'mcp-name': (params as Record<string, string>)[member] })
      }),
    ...headers
  }
  return {
    method: 'POST',
    headers: Object.fromEntries(
      Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined)
    ),
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 5,
      method,
      params: {
        ...initialize,
        ...params,
        ...(modern && { _meta: { ...modernMeta, ...(params as { _meta?: object })._meta } })
      }
    })
  }
}

/** The message in a response, either its JSON body or the single event of a stream. */
export async function messageIn (response: Pick<Response, 'text'>): Promise<any> {
  const text = await response.text()
  return JSON.parse(
    text.startsWith('{') || text.startsWith('[') ? text : /^data: (.*)$/m.exec(text)?.[1] ?? 'null'
  )
}
