/** Does the operator's `authorizeTool` allow a call, and which response has a refused one? */

import { McpOAuthError, quoted } from '../../errors.ts'
import { withTimeout } from '../../http/operations.ts'
import { authorizeToolMs } from '../../limits.ts'
import { problemOfScopes } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import {
  type McpRequest,
  type McpResponse,
  type RpcMessage,
  acceptedResponse,
  jsonResponse,
  messagesOf,
  rpcCode,
  rpcError
} from '../rpc/messages.ts'
import { isModern } from '../rpc/era.ts'
import type { ScopedTool } from './tool-list.ts'

/** A decision: a `reason` refuses the call, otherwise the caller needs the `scopes`. */
interface Decision {
  reason: string | null
  scopes: readonly string[]
}

const defaultReason = 'This call is not allowed.'
const allowed: Decision = { reason: null, scopes: [] }

/**
 * Creates the policy of the operator. None of its failures, and no unknown return value, allows a
 * call.
 *
 * @param authorizeTool the option `mcp.authorizeTool`. Default: every call is allowed
 */
export function createPolicy (authorizeTool: Config['mcp']['authorizeTool']) {
  /**
   * @param args of the call; `undefined` for a list
   * @throws {McpOAuthError} `policyUnavailable` if it fails, or takes longer than five seconds
   */
  return async (
    { name: tool, annotations = {} }: ScopedTool,
    args: Readonly<Record<string, unknown>> | undefined,
    { authInfo, http: request }: McpRequest
  ): Promise<Decision> => {
    if (authorizeTool === undefined) return allowed
    try {
      return decisionOf(
        await withTimeout(
          () =>
            authorizeTool({
              caller: authInfo ?? null,
              tool,
              annotations,
              arguments: args,
              request
            }),
          authorizeToolMs,
          () => new Error('authorizeTool timed out')
        )
      )
    } catch (thrown) {
      const place = args === undefined ? 'in a list, where arguments are undefined' : 'in a call'
      const reason = `mcp.authorizeTool failed for the tool ${quoted(tool)} ${place}`
      throw new McpOAuthError('policyUnavailable', { cause: new Error(reason, { cause: thrown }) })
    }
  }
}

function decisionOf (verdict: unknown): Decision {
  if (verdict === true) return allowed
  const { reason, scopes } = verdict === false ? { reason: '' } : Object(verdict)
  if (typeof reason === 'string') return { reason: reason || defaultReason, scopes: [] }
  if (reason === undefined && problemOfScopes(scopes) === null) return { reason: null, scopes }
  throw new TypeError('authorizeTool must return a boolean, { reason } or { scopes }')
}

/**
 * Responds to a body with a refused call by results that a model can read. None of its calls runs.
 *
 * @param decisions for the messages in the body that are calls
 * @returns `null` if all are allowed
 */
export function refuse (
  request: McpRequest,
  decisions: ReadonlyMap<RpcMessage, Decision>
): McpResponse | null {
  if ([...decisions.values()].every(({ reason }) => reason === null)) return null
  const replies = messagesOf(request.body).flatMap(message => {
    const { id, method } = message
    const reason = decisions.get(message)?.reason ?? null
    if (id === undefined || method === undefined) return []
    if (reason === null) {
      return rpcError(id, rpcCode.unavailable, 'A call of the same batch was refused, so none ran')
    }
    // Only tools have results with errors.
    if (method !== 'tools/call') return rpcError(id, rpcCode.unavailable, reason)
    const content = [{ type: 'text', text: reason }]
    const result = { content, isError: true, ...(isModern(request) && { resultType: 'complete' }) }
    return { jsonrpc: '2.0', id, result }
  })
  if (replies.length === 0) return acceptedResponse
  return jsonResponse(200, JSON.stringify(Array.isArray(request.body) ? replies : replies[0]))
}
