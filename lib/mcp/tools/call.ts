/** How does a tool call its route in this process? */

import type { FastifyInstance } from 'fastify'
import type { Log } from '../../types.ts'
import { addTraceContext } from '../../telemetry/spans.ts'
import { connectionHeaders } from '../rpc/messages.ts'
import { decodeBody } from './coding.ts'
import {
  type Caller,
  type InProcessCall,
  type InjectTokens,
  injectTokenHeader
} from './in-process.ts'
import { requestLocally } from './local-http.ts'
import type { Built } from './names.ts'
import { CallError, buildRequest, encodeFiles } from './request.ts'

/** The response of a route. */
export interface Answer {
  status: number
  headers: Readonly<Record<string, unknown>>
  /** `null` if it exceeds the limit. */
  body: Buffer | null
  /** Path and query of the request. */
  url: string
}

/** Headers of the connection or the body of the MCP request, which the call does not share. */
const neverForwarded = new Set([
  ...connectionHeaders,
  'proxy-authorization',
  'content-type',
  'content-encoding',
  'accept-encoding',
  injectTokenHeader
])

/**
 * Creates a function that calls routes of the app. Their own hooks, validation and serialization
 * run, and no response is read beyond the limit.
 *
 * @param forwarded lower-case names of the headers that routes get from the MCP request
 * @param answerLimit bytes of a response
 */
export function createCaller (
  instance: FastifyInstance,
  log: Log,
  tokens: InjectTokens,
  forwarded: readonly string[],
  answerLimit: number
) {
  let hasWarned = false
  /** @throws {CallError} with a sentence about the arguments, or the response */
  return async (
    { candidate: { method, label, mark, constraints }, tool: { name }, path, input }: Built,
    args: Record<string, unknown>,
    caller: Caller
  ): Promise<Answer> => {
    const { version } = Object(constraints)
    const { url, headers, body } = buildRequest(path, input, args)
    for (const name of forwarded) {
      const value = caller.headers[name]
      if (value !== undefined && !neverForwarded.has(name)) headers[name] = value
    }
    addTraceContext(headers)
    const call: InProcessCall = {
      headers: caller.headers,
      remoteAddress: caller.remoteAddress,
      proof: caller.proof,
      cancellation: caller.cancellation,
      progress: caller.progress,
      tool: name,
      mark
    }
    const answer: Answer = { status: 0, headers: {}, body: null, url }
    try {
      const sent = body instanceof FormData ? await encodeFiles(body) : body
      headers.accept ??= 'application/json, */*;q=0.5'
      headers['user-agent'] ??= 'fastify-mcp-oauth'
      headers.host = caller.headers.host ?? 'localhost'
      if (typeof version === 'string') headers['accept-version'] = version
      if (sent) headers['content-type'] = sent.type
      if (sent?.content.length) {
        headers['content-length'] = String(Buffer.byteLength(sent.content))
      }
      const response = await tokens.run(call, token => {
        // Objects are slower once another member than the last one was deleted.
        headers[injectTokenHeader] = token
        const { remoteAddress } = caller
        const body = sent && sent.content
        const request = { method: String(method), url, headers, remoteAddress, body }
        return requestLocally(instance, request, answerLimit)
      })
      answer.status = response.status
      answer.headers = response.headers
      answer.body = response.body
      if (!response.isComplete && response.body !== null) call.failure ??= 'broken'
      const { headers: { 'content-encoding': coding }, body: encoded } = answer
      if (coding !== undefined && encoded !== null && encoded.length > 0) {
        const content = await decodeBody(encoded, coding, answerLimit)
        if (content !== undefined) {
          const { 'content-encoding': _coding, ...others } = answer.headers
          Object.assign(answer, { headers: others, body: content })
        }
      }
    } catch {
      call.failure ??= 'broken'
    }
    const { status, headers: { 'www-authenticate': challenge } } = answer
    // The guards of the plugin name their metadata.
    if (status === 401 && !hasWarned && !/resource_metadata/.test(String(challenge))) {
      hasWarned = true
      log.warn(
        { tool: name, route: label },
        `${label} refused the call of a tool with a 401 of its own: a guard of the app does not ` +
          'accept access tokens. Put that guard inside requireMcpAuth({ or })'
      )
    }
    if (caller.cancellation.isCancelled) throw caller.cancellation.signal.reason
    if (call.failure === 'broken') throw new CallError('The route ended the connection.')
    if (call.failure === 'stray') {
      throw new CallError('The path belongs to another route, or to none.')
    }
    return answer
  }
}
