/** How do servers of earlier eras serve MCP 2026-07-28? */

import type { InitializeResult } from '@modelcontextprotocol/sdk/types.js'
import { LRUCache } from 'lru-cache'
import { maxDescriptionChars } from '../../limits.ts'
import type { Log } from '../../types.ts'
import { firstModernVersion, isModern } from '../rpc/era.ts'
import {
  type McpRequest,
  type RpcMessage,
  type RpcRequest,
  type ScopelessEndpoint,
  resourceNotFound,
  rpcCode
} from '../rpc/messages.ts'
import { isId, protocolVersions } from '../rpc/parse.ts'
import { sendInternalRequest } from '../rpc/responses.ts'
import { type Target, callHandler, webRequest } from './fetch.ts'

/**
 * Lets a server of earlier eras serve MCP 2026-07-28, if `@modelcontextprotocol/server` 2.x is
 * installed. That package implements the protocol, and each request becomes an internal request to
 * the server. Without it, modern clients get the list of supported versions.
 *
 * @param isShared whether the server is the same for all callers
 */
export function withModernEra (
  legacy: ScopelessEndpoint,
  urls: Target,
  log: Log,
  isShared: boolean
): ScopelessEndpoint {
  let modern: ReturnType<typeof modernHandler> | null = null
  return {
    ...legacy,
    versions: () => modern === null ? protocolVersions : [firstModernVersion, ...protocolVersions],
    async ready () {
      await legacy.ready()
      const sdk = await import('@modelcontextprotocol/server').catch(error => {
        if (error.code === 'ERR_MODULE_NOT_FOUND') return null
        throw error
      })
      if (sdk !== null) modern = modernHandler(sdk, legacy, urls, isShared)
      else log.info({}, disabled)
    },
    handle: request =>
      modern === null || !isModern(request) ? legacy.handle(request) : modern.handle(request),
    close: async () => await Promise.all([legacy.close(), modern?.close()])
  }
}

/** Members of `_meta` by which modern requests describe themselves. */
const ownPrefix = 'io.modelcontextprotocol/'

const serverInfoMember = `${ownPrefix}serverInfo`

const disabled = 'MCP 2026-07-28 is disabled: install @modelcontextprotocol/server to enable it'

/** The revision of the internal requests to the server. */
const legacyVersion = '2025-11-25'

/** Methods by capability, without subscriptions: earlier eras cannot keep one open. */
const methods = {
  tools: ['tools/list', 'tools/call'],
  prompts: ['prompts/list', 'prompts/get'],
  resources: ['resources/list', 'resources/templates/list', 'resources/read'],
  completions: ['completion/complete']
}

function modernHandler (
  { Server, ProtocolError, createMcpHandler }: typeof import('@modelcontextprotocol/server'),
  legacy: ScopelessEndpoint,
  urls: Target,
  isShared: boolean
) {
  /** The description of a shared server, once it has responded. */
  let known: InitializeResult | undefined
  /** Members of `_meta` that the SDK has accepted in a call. */
  const accepted = new LRUCache<string, true>({
    maxSize: maxDescriptionChars,
    sizeCalculation: (_value, text) => text.length
  })
  const requests = new WeakMap<Request, McpRequest>()
  /** Faults of the server. The SDK would send their messages to the client. */
  const faults = new WeakMap<McpRequest, { error: unknown }>()

  async function forward (
    request: McpRequest,
    method: string,
    params: Record<string, unknown>,
    notify?: (message: never) => Promise<void>
  ): Promise<unknown> {
    const { result, error } = await sendInternalRequest(legacy.handle, request, {
      method,
      params: legacyParams(params),
      headers: legacyHeaders(request),
      // The SDK refuses those of capabilities that its server does not have, such as logging.
      notify: ({ method, params }) => notify?.({ method, params } as never).catch(() => {})
    }).catch((error: unknown) => {
      faults.set(request, { error })
      throw error
    })
    if (result !== undefined) return result
    const { code, message, data } = error ??
      { code: rpcCode.internalError, message: 'The server did not respond' }
    throw new ProtocolError(code === resourceNotFound ? rpcCode.invalidParams : code, message, data)
  }

  const handler = createMcpHandler(async ({ requestInfo }) => {
    const request = requests.get(requestInfo as Request) as McpRequest
    const initialized = known ?? await forward(request, 'initialize', {
      protocolVersion: legacyVersion,
      capabilities: {},
      clientInfo: { name: 'fastify-mcp-oauth', version: '1.0.0' }
    }) as InitializeResult
    if (isShared) known = initialized
    const { serverInfo, capabilities, instructions } = initialized
    const served = Object.entries(methods).filter(([name]) => Object.hasOwn(capabilities, name))
    const server = new Server(serverInfo as never, {
      capabilities: Object.fromEntries(served.map(([name]) => [name, {}])),
      ...(instructions !== undefined && { instructions })
    })
    for (const method of served.flatMap(([, names]) => names)) {
      server.setRequestHandler(
        method as 'tools/list',
        async ({ params = {} }, { mcpReq }) =>
          await forward(request, method, params, mcpReq.notify) as never
      )
    }
    return server
  }, { legacy: 'reject' })

  return {
    close: handler.close,
    async handle (request: McpRequest) {
      const envelope = isShared ? envelopeOf(request) : null
      if (known && envelope !== null && accepted.has(envelope)) {
        return await legacy.handle(legacyCall(request, known))
      }
      const web = webRequest(request, urls)
      requests.set(web, request)
      const response = await callHandler(handler, web, request)
      const fault = faults.get(request)
      if (fault !== undefined && !request.cancellation.isCancelled) throw fault.error
      if (envelope !== null && response.status === 200) accepted.set(envelope, true)
      return response
    }
  }
}

/**
 * Returns the members of `_meta` that describe a call and its client, as text, or null unless the
 * request is a call whose other members are plain. The SDK need not look at such a call again.
 */
function envelopeOf ({ headers, body, wantsEmptyList }: McpRequest): string | null {
  const message: RpcMessage = Object(body)
  const { jsonrpc, id, method } = message
  const params: Record<string, unknown> = Object(message.params)
  const { name } = params
  const isList = wantsEmptyList && (name ?? params.arguments) === undefined
  const version = headers['mcp-protocol-version']
  const isPlain = typeof version === 'string' && jsonrpc === '2.0' &&
    method === (isList ? 'tools/list' : 'tools/call') &&
    headers['mcp-method'] === method && headers['mcp-name'] === name && isId(id) &&
    hasOnly(message, members) && hasOnly(params, parameters)
  if (!isPlain) return null
  const meta: Record<string, unknown> = Object(params._meta)
  let hasOthers = false
  for (const member in meta) {
    if (hasOwnPrefix(member)) continue
    const value = meta[member]
    if (member === 'progressToken' ? !isId(value) : typeof value !== 'string') return null
    hasOthers = true
  }
  const own = hasOthers
    ? Object.fromEntries(Object.entries(meta).filter(([member]) => hasOwnPrefix(member)))
    : meta
  return `${version} ${JSON.stringify(own)}`
}

const hasOwnPrefix = (member: string) => member.startsWith(ownPrefix)
const members = new Set(['jsonrpc', 'id', 'method', 'params'])
const parameters = new Set(['name', 'arguments', '_meta'])

function hasOnly (object: object, names: ReadonlySet<string>) {
  for (const name in object) if (!names.has(name)) return false
  return true
}

/** Makes the call of an earlier era, whose reply is written as one of the modern era. */
function legacyCall (request: McpRequest, { serverInfo }: InitializeResult): McpRequest {
  const { http, rawBody, authInfo, cancellation, within, wantsEmptyList } = request
  const { id, method, params } = request.body as RpcRequest
  const call = { id, method, params: legacyParams(Object(params)) }
  const headers = legacyHeaders(request)
  headers.accept = 'application/json, text/event-stream'

  function mapMessage (message: RpcMessage) {
    const { method, params, result } = message
    if (method !== undefined) {
      // The modern server has no logging. Other capabilities were checked by this one.
      return method === 'notifications/message' ? null : { jsonrpc: '2.0', method, params }
    }
    if (result === undefined) return message
    const { resultType = 'complete', _meta: meta } = result as Record<string, unknown>
    const _meta = { ...meta as object } as Record<string, unknown>
    _meta[serverInfoMember] ??= serverInfo
    message.result = wantsEmptyList
      ? { ...result as object, resultType, ttlMs: 0, cacheScope: 'private', _meta }
      : { ...result as object, resultType, _meta }
    return message
  }
  return {
    http,
    headers,
    hasOwnHeaders: true,
    body: { jsonrpc: '2.0', ...call },
    rawBody,
    authInfo,
    parsed: { requests: [call], notifications: [], batch: false },
    cancellation,
    mapMessage,
    within,
    ...(wantsEmptyList && { wantsEmptyList })
  }
}

/** Earlier eras do not have the members of `_meta` by which modern requests describe themselves. */
function legacyParams (params: Record<string, unknown>) {
  const legacy: Record<string, unknown> = {}
  for (const name in params) if (name !== '_meta') legacy[name] = params[name]
  const meta: Record<string, unknown> = Object(params._meta)
  for (const name in meta) {
    if (hasOwnPrefix(name)) continue
    Object.assign(legacy._meta ??= {}, { [name]: meta[name] })
  }
  return legacy
}

/** Earlier eras do not have the headers that repeat the body. */
function legacyHeaders ({ headers }: McpRequest) {
  const kept: McpRequest['headers'] = { 'mcp-protocol-version': legacyVersion }
  for (const name in headers) if (!name.startsWith('mcp-')) kept[name] = headers[name]
  return kept
}
