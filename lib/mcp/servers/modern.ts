/** How do servers of earlier eras serve MCP 2026-07-28? */

import type { InitializeResult } from '@modelcontextprotocol/sdk/types.js'
import { LRUCache } from 'lru-cache'
import { maxDescriptionChars } from '../../limits.ts'
import type { Log } from '../../types.ts'
import { isModern } from '../rpc/era.ts'
import {
  type McpRequest,
  type RpcMessage,
  type ScopelessEndpoint,
  resourceNotFound,
  rpcCode
} from '../rpc/messages.ts'
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
  const { jsonrpc, id, method, params, ...more } = Object(body)
  const { name, arguments: args, _meta, ...others } = Object(params)
  const isList = wantsEmptyList && (name ?? args) === undefined
  const isPlain = jsonrpc === '2.0' && method === (isList ? 'tools/list' : 'tools/call') &&
    headers['mcp-method'] === method && headers['mcp-name'] === name &&
    (isString(id) || Number.isSafeInteger(id)) &&
    Object.keys(more).length + Object.keys(others).length === 0
  if (!isPlain) return null
  const { progressToken = 0, ...meta } = Object(_meta)
  const isKnown = Object.values(without(ownPrefix, meta)).every(isString) &&
    (isString(progressToken) || Number.isSafeInteger(progressToken))
  const described = Object.entries(meta).filter(([member]) => member.startsWith(ownPrefix))
  return isKnown ? JSON.stringify([headers['mcp-protocol-version'], described]) : null
}

const isString = (value: unknown) => typeof value === 'string'

/** Makes the call of an earlier era, whose reply is written as one of the modern era. */
function legacyCall (request: McpRequest, { serverInfo }: InitializeResult): McpRequest {
  const message = request.body as RpcMessage
  return {
    ...request,
    headers: { ...legacyHeaders(request), accept: 'application/json, text/event-stream' },
    body: { ...message, params: legacyParams(Object(message.params)) },
    parsed: undefined,
    mapMessage (message) {
      const { method, params } = message
      if (method !== undefined) {
        // The modern server has no logging. Other capabilities were checked by this one.
        return method === 'notifications/message' ? null : { jsonrpc: '2.0', method, params }
      }
      if (message.result === undefined) return message
      const { resultType = 'complete', _meta } = message.result as Record<string, unknown>
      const own = { ...Object(_meta) }
      own[serverInfoMember] ??= serverInfo
      const more = request.wantsEmptyList ? { ttlMs: 0, cacheScope: 'private' } : {}
      const result = { ...Object(message.result), resultType, ...more, _meta: own }
      return { ...message, result }
    }
  }
}

/** Earlier eras do not have the members of `_meta` by which modern requests describe themselves. */
function legacyParams ({ _meta: meta, ...others }: Record<string, unknown>) {
  const _meta = without(ownPrefix, Object(meta))
  return { ...others, ...(Object.keys(_meta).length > 0 && { _meta }) }
}

/** Earlier eras do not have the headers that repeat the body. */
function legacyHeaders ({ headers }: McpRequest) {
  return { ...without('mcp-', headers), 'mcp-protocol-version': legacyVersion }
}

function without<T extends object> (prefix: string, members: T): T {
  const kept = Object.entries(members).filter(([name]) => !name.startsWith(prefix))
  return Object.fromEntries(kept) as T
}
