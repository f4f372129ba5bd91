import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan
} from '@opentelemetry/sdk-trace-base'
import { boundedFetch } from '../../lib/http/fetch.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { loadTelemetry } from '../../lib/telemetry/spans.ts'
import { findCanary } from '../support/canaries.ts'
import { startFlow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { sendRequest } from '../support/requests.ts'
import { revisions, rpc } from '../support/revisions.ts'
import { toolServers } from '../support/tool-servers.ts'

// What reaches an exporter of the OpenTelemetry SDK?

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
// As the propagators of the SDK, of traceparent and baggage alone.
propagation.setGlobalPropagator({
  fields: () => ['traceparent', 'baggage'],
  inject (current, carrier, setter) {
    const span = trace.getSpanContext(current)
    const baggage = propagation.getBaggage(current)?.getAllEntries() ?? []
    if (span) setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`)
    if (baggage[0]) setter.set(carrier, 'baggage', `${baggage[0][0]}=${baggage[0][1].value}`)
  },
  extract (current, carrier, getter) {
    const [, traceId, spanId] = String(getter.get(carrier, 'traceparent')).split('-')
    const [name, value] = String(getter.get(carrier, 'baggage') ?? '').split('=')
    const found = spanId === undefined || traceId === undefined
      ? current
      : trace.setSpanContext(current, { traceId, spanId, traceFlags: 1, isRemote: true })
    return name && value
      ? propagation.setBaggage(found, propagation.createBaggage({ [name]: { value } }))
      : found
  }
})
beforeEach(() => exporter.reset())
after(() => provider.shutdown())

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const traceparent = `00-${traceId}-${parentId}-01`

async function spansNamed (name: string, count = 1): Promise<ReadableSpan[]> {
  const found = () => exporter.getFinishedSpans().filter(span => span.name === name)
  for (let waits = 0; found().length < count; waits++) {
    assert.ok(waits < 500, exporter.getFinishedSpans().map(span => span.name).join())
    await sleep(10)
  }
  return found()
}

const act = (how: string, meta: object = {}) => ({
  name: 'act',
  arguments: { how },
  _meta: { progressToken: 7, ...meta }
})

for (const [kind, create] of Object.entries(toolServers)) {
  test(`a call is a span below that of its client, with the attributes of MCP: ${kind}`, async (t) => {
    const { mcp, routes } = create(() => {})
    const { mcpUrl, token } = await startGuarded(t, { mcp }, routes ? { routes } : {})
    const authorization = `Bearer ${await token()}`
    const isRoute = kind === 'routes as tools'
    const failures: Record<string, string | undefined> = {
      fails: 'tool_error',
      throws: isRoute ? 'tool_error' : '-32042'
    }
    for (const revision of revisions) {
      exporter.reset()
      for (const how of ['ok', 'fails', 'throws', 'tells']) {
        const params = act(how, { traceparent })
        await sendRequest(mcpUrl, rpc(revision, 'tools/call', params, { authorization }))
      }
      const spans = await spansNamed('tools/call act', 4)
      for (const [index, how] of ['ok', 'fails', 'throws', 'tells'].entries()) {
        const span = spans[index] as ReadableSpan
        // The SDKs have another code for it in the modern era.
        const isOther = span.attributes['error.type'] === '-32603' && revision === '2026-07-28'
        const failure = failures[how] === '-32042' && isOther ? '-32603' : failures[how]
        assert.equal(span.kind, SpanKind.SERVER)
        assert.equal(span.spanContext().traceId, traceId)
        assert.equal(span.parentSpanContext?.spanId, parentId)
        assert.equal(span.status.code, failure ? SpanStatusCode.ERROR : SpanStatusCode.UNSET)
        assert.deepEqual({ ...span.attributes }, {
          'mcp.method.name': 'tools/call',
          'jsonrpc.request.id': '5',
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 'act',
          ...(revision !== '2025-03-26' && { 'mcp.protocol.version': revision }),
          'network.transport': 'tcp',
          'network.protocol.name': 'http',
          'network.protocol.version': '1.1',
          ...(failure && { 'error.type': failure }),
          ...(failure?.startsWith('-') && { 'rpc.response.status_code': failure })
        }, `${revision} ${how}`)
      }
    }
  })
}

test('a route that a tool calls gets the trace context of the call, also in a batch', async (t) => {
  const seen: Array<[unknown, unknown]> = []
  const { mcpUrl, token } = await startGuarded(t, { mcp: { tools: true } }, {
    routes: app =>
      app.get('/notes', { schema: { operationId: 'listNotes' } }, async ({ headers }) => {
        seen.push([headers['traceparent'], headers['baggage']])
        return 'notes'
      })
  })
  const authorization = `Bearer ${await token()}`
  const params = { name: 'listNotes', _meta: { traceparent, baggage: 'team=a' } }
  await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/call', params, { authorization }))
  await sendRequest(mcpUrl, rpc('2026-07-28', 'tools/call', params, { authorization }))
  const call = (id: number, _meta: object) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'listNotes', _meta }
  })
  const { body: _, ...init } = rpc('2025-03-26', 'ping', {}, { authorization })
  const body = JSON.stringify([call(1, { traceparent }), call(2, {}), call(3, { traceparent: 7 })])
  await sendRequest(mcpUrl, { ...init, body })
  const spans = await spansNamed('tools/call listNotes', 5)
  const ids = spans.map(span => span.spanContext())
    .map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`)
  assert.deepEqual(seen.map(([parent]) => parent).sort(), ids.sort())
  assert.deepEqual(seen.slice(0, 2).map(([, baggage]) => baggage), ['team=a', 'team=a'])
})

test('the span of the HTTP request is linked, and the parent of a call without a trace context', async (t) => {
  const { app, mcpUrl, token } = await startGuarded(t)
  const tracer = trace.getTracer('host')
  const ids: string[] = []
  const emit = app.server.emit.bind(app.server) as (...event: unknown[]) => boolean
  const traced = (...event: unknown[]) =>
    event[0] !== 'request'
      ? emit(...event)
      : tracer.startActiveSpan('POST', span => {
        ids.push(span.spanContext().spanId)
        return emit(...event)
      })
  Object.assign(app.server, { emit: traced })
  const authorization = `Bearer ${await token()}`
  for (const _meta of [{ traceparent }, {}]) {
    const params = { name: 'whoami', arguments: {}, _meta }
    // Its HTTP span has the header as its parent already.
    const headers = { authorization, traceparent: traceparent.replaceAll('1', '2') }
    await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/call', params, headers))
  }
  const [own, below] = await spansNamed('tools/call whoami', 2)
  assert.deepEqual(own?.links.map(link => link.context.spanId), [ids[0]])
  assert.equal(own?.parentSpanContext?.spanId, parentId)
  assert.deepEqual([below?.links, below?.parentSpanContext?.spanId], [[], ids[1]])
})

test('requests to the provider and the store are spans without secrets', async (t) => {
  const flow = await startFlow(t, { options: { store: memoryStore() } })
  const clientId = await flow.register()
  const { access_token: token, refresh_token: refresh } = await flow.tokens(clientId)
  await flow.call(token)
  await flow.token({ grant_type: 'refresh_token', refresh_token: refresh, client_id: clientId })
  const [exchange] = await spansNamed('POST')
  assert.equal(exchange?.kind, SpanKind.CLIENT)
  const { hostname, port, origin } = new URL(flow.provider.issuer)
  const { 'url.full': url, ...attributes } = exchange?.attributes ?? {}
  assert.ok(String(url).startsWith(origin) && !String(url).includes('?'))
  assert.deepEqual(attributes, {
    'http.request.method': 'POST',
    'server.address': hostname,
    'server.port': Number(port),
    'http.response.status_code': 200
  })
  const [mark] = await spansNamed('putIfAbsent')
  assert.deepEqual({ ...mark?.attributes }, {
    'db.system.name': 'custom',
    'db.operation.name': 'putIfAbsent'
  })
  const text = JSON.stringify(
    exporter.getFinishedSpans().map(({ name, attributes, status, events }) => [
      name,
      attributes,
      status,
      events
    ])
  )
  assert.equal(findCanary(text, flow.provider.canaries), undefined)
  for (const secret of [token, refresh]) assert.ok(!text.includes(secret.slice(-40)))
})

test('requests to a store that fails are spans with errors, without its messages', async (t) => {
  const failing = async () => {
    throw new Error('canary-of-an-address')
  }
  const store = { get: failing, put: failing, putIfAbsent: failing, system: 'etcd' }
  const flow = await startFlow(t, { options: { store } })
  const clientId = await flow.register()
  await assert.rejects(flow.tokens(clientId))
  const failed = exporter.getFinishedSpans().filter(({ attributes }) =>
    attributes['db.system.name'] === 'etcd'
  )
  assert.ok(failed.length > 0)
  for (const { status, attributes } of failed) {
    assert.deepEqual(status, { code: SpanStatusCode.ERROR })
    assert.equal(attributes['error.type'], 'storeUnavailable')
  }
})

test('the span of a request to the provider has its URL without the query, and how it failed', async () => {
  await loadTelemetry()
  const server = createServer((_request, response) => response.writeHead(503).end()).listen(0)
  const { port } = server.address() as AddressInfo
  const url = `http://localhost:${port}/userinfo`
  await boundedFetch(`${url}?access_token=canary-of-a-token`)
  await new Promise(resolve => server.close(resolve))
  await assert.rejects(boundedFetch(`${url}?access_token=canary-of-a-token`))
  const spans = await spansNamed('GET', 2)
  assert.deepEqual(
    spans.map(({ attributes }) => [attributes['url.full'], attributes['error.type']]),
    [
      [url, '503'],
      [url, 'providerUnavailable']
    ]
  )
})
