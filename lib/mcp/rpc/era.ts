/** Does a request belong to MCP 2026-07-28 or later, and do its headers match its body? */

import { isUtf8 } from 'node:buffer'
import { maxBodyDepth } from '../../limits.ts'
import {
  type McpRequest,
  type McpResponse,
  type RpcMessage,
  messagesOf,
  metaOf,
  nameParameters,
  rpcCode,
  rpcFailure
} from './messages.ts'

/** The first revision of the modern era: no handshake, no sessions, a version in every request. */
export const firstModernVersion = '2026-07-28'

/** Member of `_meta` in which requests of the modern era state their version. */
export const versionMember = 'io.modelcontextprotocol/protocolVersion'

/** Member of a parameter's schema: the header that repeats the parameter, after `Mcp-Param-`. */
const headerMember = 'x-mcp-header'

type HeadersAndBody = Pick<McpRequest, 'headers' | 'body'>

/** Checks whether a request is modern, by the version in its `_meta` or in its header. */
export function isModern ({ headers, body }: HeadersAndBody) {
  const version = headers['mcp-protocol-version']
  const isModernVersion = typeof version === 'string' && /^\d{4}-\d\d-\d\d$/.test(version) &&
    version >= firstModernVersion
  return isModernVersion ||
    messagesOf(body).some(message => Object.hasOwn(metaOf(message), versionMember))
}

/**
 * Compares the standard headers of a modern request with its body. A proxy in front may decide by
 * the headers, whereas the server decides by the body. Missing headers are left to the server.
 *
 * @returns the response to a mismatch (400, -32020), or `null`
 */
export function headerMismatch (request: HeadersAndBody): McpResponse | null {
  if (!isModern(request)) return null
  const { id, method, params } = Object(request.body) as RpcMessage
  const parameter = nameParameters.get(method)
  const name: unknown = parameter && Object(params)[parameter]
  const { 'mcp-method': sentMethod, 'mcp-name': sentName } = request.headers
  const matches = (sentMethod === undefined || decode(String(sentMethod)) === method) &&
    (sentName === undefined || name === undefined || decode(String(sentName)) === name)
  return matches ? null : mismatch(id)
}

/**
 * Compares the `Mcp-Param-…` headers of a modern `tools/call` with its arguments (Streamable HTTP,
 * "Custom Headers"). An argument that is missing or `null` needs no header.
 *
 * @param schema the input schema of the tool
 * @returns the response to a mismatch (400, -32020), or `null`
 */
export function parameterMismatch (request: HeadersAndBody, schema: unknown): McpResponse | null {
  if (!mayHaveHeaders(schema)) return null
  const { id, params } = Object(request.body) as RpcMessage
  return repeatsArguments(schema, Object(params).arguments, request.headers) ? null : mismatch(id)
}

const withHeaders = new WeakMap<object, boolean>()

/** Whether a schema may have a header for a parameter: not found, if it is nested too deeply. */
function mayHaveHeaders (schema: unknown, depth = 0): boolean {
  if (typeof schema !== 'object' || schema === null) return false
  const known = withHeaders.get(schema) ?? (
    depth > maxBodyDepth ||
    Object.values(Object((schema as { properties?: object }).properties)).some(member =>
      Object.hasOwn(Object(member), headerMember) || mayHaveHeaders(member, depth + 1)
    )
  )
  withHeaders.set(schema, known)
  return known
}

function repeatsArguments (
  schema: unknown,
  args: unknown,
  headers: HeadersAndBody['headers']
): boolean {
  return Object.entries(Object(Object(schema).properties)).every(([name, schema]) => {
    const value: unknown = Object.hasOwn(Object(args), name) ? Object(args)[name] : null
    const header: unknown = Object(schema)[headerMember]
    if (value === undefined || value === null) return true
    return typeof header === 'string' && Object(value) !== value
      ? isHeaderFor(value, headers[`mcp-param-${header.toLowerCase()}`])
      : repeatsArguments(schema, value, headers)
  })
}

/** Numbers are compared as numbers: 42.0 is 42. */
function isHeaderFor (value: unknown, header: string | string[] | undefined) {
  const text = header === undefined ? null : decode(String(header))
  return text === String(value) ||
    (text !== null && /^-?\d+(?:\.\d+)?$/.test(text) && Number(text) === value)
}

function mismatch (id: unknown) {
  return rpcFailure(400, rpcCode.headerMismatch, 'The headers do not match the body', id)
}

/** Decodes `=?base64?…?=`, the form of values beyond printable ASCII; `null` if it is invalid. */
function decode (value: string) {
  if (!value.startsWith('=?')) return value
  const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(value) ?? []
  if (encoded === undefined) return value
  const bytes = Buffer.from(encoded, 'base64')
  const isValid = bytes.toString('base64') === encoded && isUtf8(bytes)
  return isValid ? new TextDecoder().decode(bytes) : null
}
