/** Which name and attributes has the span of an MCP request (OpenTelemetry conventions)? */
import { startSpan } from '../telemetry/spans.ts'
import { type McpRequest, type RpcMessage, metaOf } from './rpc/messages.ts'

/** Starts the span of one request. Its parent is the trace context in `_meta` (SEP-414). */
export function startMcpSpan (
  { http, headers }: McpRequest,
  message: RpcMessage,
  hasSessions: boolean
) {
  const { id, method, params } = message
  const { name, uri, protocolVersion } = Object(params) as Record<string, unknown>
  const [tool, prompt] = ['tools/call', 'prompts/get'].map(of => method === of ? name : undefined)
  const session = hasSessions ? headers['mcp-session-id'] : undefined
  const version = [headers['mcp-protocol-version'], protocolVersion]
    .find(value => /^\d{4}-\d\d-\d\d$/.test(written(value)))
  // Names of any length and form would make too many kinds of spans.
  const target = [method, name].map(text =>
    /^[\w./-]{1,128}$/.test(written(text)) ? text : '_OTHER'
  )
  const attributes = {
    'mcp.method.name': target[0],
    'jsonrpc.request.id': id,
    'gen_ai.operation.name': tool && 'execute_tool',
    'gen_ai.tool.name': tool,
    'gen_ai.prompt.name': prompt,
    // A query may have secrets.
    'mcp.resource.uri': method === 'resources/read' ? written(uri).split('?', 1)[0] : undefined,
    'mcp.protocol.version': version,
    // Without the code that binds a session to its caller.
    'mcp.session.id': session && String(session).replace(/\.[^.]*$/, ''),
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'network.protocol.version': http.raw.httpVersion
  }
  const given = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, written(value).slice(0, 256)]]
  )
  const spanName = (tool ?? prompt) === undefined ? target[0] : target.join(' ')
  const all = Object.fromEntries(given)
  // SEP-414. Clients choose the members.
  const { traceparent, tracestate, baggage } = metaOf(message)
  const context = { traceparent, tracestate, baggage }
  return startSpan(String(spanName), 'SERVER', all, context, headers)
}

/** Callers send any JSON, also objects that cannot become a text. */
const written = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '_OTHER'
