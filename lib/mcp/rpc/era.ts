import type { McpRequest } from './types.ts'
import { type McpResponse, jsonResponse, rpcCode } from './types.ts'
import { messagesOf, metaOf } from './messages.ts'

/**
 * The revision that began the modern era: no handshake, no sessions, every request says what it
 * speaks.
 */
const modernSince = '2026-07-28'

/** Member of `_meta` by which a request of the modern era says so. */
const versionClaim = 'io.modelcontextprotocol/protocolVersion'

/**
 * The part of a message that names what it is about, by method (MCP 2026-07-28, Streamable HTTP,
 * "Standard Headers").
 */
const namedBy: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri'
}

/**
 * Member of the schema of a parameter that names the header in which clients repeat it, after
 * `Mcp-Param-`.
 */
const headerMember = 'x-mcp-header'

const decimal = /^-?\d+(?:\.\d+)?$/

type Asked = Pick<McpRequest, 'headers' | 'body'>

/**
 * Whether a request is one of the modern era: by the claim in its `_meta`, or by a version in its
 * header that no earlier era has.
 */
export function isModern ({ headers, body }: Asked): boolean {
  const version = headers['mcp-protocol-version']
  if (
    typeof version === 'string' && /^\d{4}-\d\d-\d\d$/.test(version) && version >= modernSince
  ) { return true }
  return messagesOf(body).some(message => Object.hasOwn(metaOf(message), versionClaim))
}

/**
 * The answer to a request of the modern era whose headers say something else than its body (400,
 * -32020), or `null`. What stands between the client and us may have decided by the headers; we
 * decide by the body. Headers that are missing are for the server to ask for, and those of earlier
 * eras mean nothing.
 */
export function headerMismatch (asked: Asked): McpResponse | null {
  if (!isModern(asked)) return null
  const { id = null, method, params } = Object(asked.body) as {
    id?: unknown
    method?: unknown
    params?: unknown
  }
  const name = typeof method === 'string' && Object.hasOwn(namedBy, method)
    ? (Object(params) as Record<string, unknown>)[namedBy[method] ?? '']
    : undefined
  const said = { 'mcp-method': method, ...(name !== undefined && { 'mcp-name': name }) }
  const wrong = Object.entries(said).some(([header, value]) => {
    const sent = asked.headers[header]
    return sent !== undefined && decoded(String(sent)) !== value
  })
  return wrong ? mismatch(id) : null
}

/**
 * The answer to a call of the modern era whose `Mcp-Param-…` headers do not repeat its arguments as
 * the input schema of the tool asks (400, -32020), or
 * `null` (MCP 2026-07-28, Streamable HTTP, "Custom Headers"). An argument that is missing or `null`
 * needs no header.
 */
export function parameterMismatch (asked: Asked, schema: unknown): McpResponse | null {
  const { id = null, params } = Object(asked.body) as { id?: unknown, params?: unknown }
  const { arguments: given } = Object(params) as { arguments?: unknown }
  return repeated(schema, given, asked.headers) ? null : mismatch(id)
}

function repeated (schema: unknown, given: unknown, headers: Asked['headers']): boolean {
  const { properties } = Object(schema) as { properties?: unknown }
  return Object.entries(Object(properties) as Record<string, unknown>).every(([name, schema]) => {
    const value = Object.hasOwn(Object(given), name)
      ? (given as Record<string, unknown>)[name]
      : null
    const { [headerMember]: header } = Object(schema) as { [headerMember]?: unknown }
    if (value === undefined || value === null) return true
    return typeof header === 'string' && Object(value) !== value
      ? says(headers[`mcp-param-${header.toLowerCase()}`], value)
      : repeated(schema, value, headers)
  })
}

/** Numbers are compared as such: 42.0 is 42. */
function says (sent: string | string[] | undefined, value: unknown): boolean {
  const text = sent === undefined ? null : decoded(String(sent))
  return text === String(value) ||
    (typeof value === 'number' && text !== null && decimal.test(text) && Number(text) === value)
}

function mismatch (id: unknown): McpResponse {
  return jsonResponse(400, {
    jsonrpc: '2.0',
    id,
    error: { code: rpcCode.headerMismatch, message: 'The headers do not say what the body says' }
  })
}

/**
 * A value beyond printable ASCII travels as `=?base64?…?=`. What cannot be decoded says nothing.
 */
function decoded (value: string): string | null {
  const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(value) ?? []
  if (encoded === undefined) return value
  const bytes = Buffer.from(encoded, 'base64')
  try {
    return bytes.toString('base64') === encoded
      ? new TextDecoder('utf-8', { fatal: true }).decode(bytes)
      : null
  } catch {
    return null
  }
}
