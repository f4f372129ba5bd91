import type { Call } from './slices.ts'

// The requests of the contenders. `$n` in a body becomes another number in every request.

export type Era = 'legacy' | 'modern'

const modernVersion = '2026-07-28'

/** A JSON-RPC request as a client of an era sends it. */
export function rpc (
  era: Era,
  method: string,
  params: Record<string, unknown> = {},
  client = 'bench'
): Call {
  if (era === 'legacy') {
    return {
      headers: { 'mcp-protocol-version': '2025-11-25' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    }
  }
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': modernVersion,
    'io.modelcontextprotocol/clientInfo': { name: client, version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {}
  }
  return {
    headers: {
      'mcp-protocol-version': modernVersion,
      'mcp-method': method,
      ...(typeof params['name'] === 'string' && { 'mcp-name': params['name'] })
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } })
  }
}

/** A call of the echo tool. */
export function echoCall (era: Era = 'legacy', text = 'hello', client?: string): Call {
  return {
    ...rpc(era, 'tools/call', { name: 'echo', arguments: { text } }, client),
    expected: `You said ${text.slice(0, 20)}`
  }
}
