import type { McpCall } from './call.ts'
import { type McpAnswer, jsonAnswer, rpcCode } from './call.ts'

/** The revision that began the modern era: no handshake, no sessions, every request says what it speaks. */
const modernSince = '2026-07-28'

/** Member of `_meta` by which a request of the modern era says so. */
const versionClaim = 'io.modelcontextprotocol/protocolVersion'

/** The part of a message that names what it is about, by method (MCP 2026-07-28, Streamable HTTP, "Standard Headers"). */
const namedBy: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }

type Asked = Pick<McpCall, 'headers' | 'body'>

/** Whether a request is one of the modern era: by the claim in its `_meta`, or by a version in its header that no earlier era has. */
export function isModern ({ headers, body }: Asked): boolean {
  const version = headers['mcp-protocol-version']
  if (typeof version === 'string' && /^\d{4}-\d\d-\d\d$/.test(version) && version >= modernSince) return true
  return (Array.isArray(body) ? body : [body]).some(message => {
    const { params } = Object(message) as { params?: unknown }
    const { _meta: meta } = Object(params) as { _meta?: unknown }
    return Object.hasOwn(Object(meta), versionClaim)
  })
}

/**
 * The answer to a request of the modern era whose headers say something else than its body (400, -32020), or `null`. What stands between the client and
 * us may have decided by the headers; we decide by the body. Headers that are missing are for the server to ask for, and those of earlier eras mean nothing.
 */
export function headerMismatch (asked: Asked): McpAnswer | null {
  if (!isModern(asked)) return null
  const { id = null, method, params } = Object(asked.body) as { id?: unknown, method?: unknown, params?: unknown }
  const name = typeof method === 'string' && Object.hasOwn(namedBy, method) ? (Object(params) as Record<string, unknown>)[namedBy[method] ?? ''] : undefined
  const said = { 'mcp-method': method, ...(name !== undefined && { 'mcp-name': name }) }
  const wrong = Object.entries(said).some(([header, value]) => {
    const sent = asked.headers[header]
    return sent !== undefined && decoded(String(sent)) !== value
  })
  return wrong ? jsonAnswer(400, { jsonrpc: '2.0', id, error: { code: rpcCode.headerMismatch, message: 'The headers do not say what the body says' } }) : null
}

/** A name beyond printable ASCII travels as `=?base64?…?=`. What cannot be decoded is no name. */
function decoded (value: string): string | null {
  const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(value) ?? []
  if (encoded === undefined) return value
  const bytes = Buffer.from(encoded, 'base64')
  try {
    return bytes.toString('base64') === encoded ? new TextDecoder('utf-8', { fatal: true }).decode(bytes) : null
  } catch {
    return null
  }
}
