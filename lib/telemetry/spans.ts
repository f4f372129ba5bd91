/** Which work has a span of OpenTelemetry, and of which trace is it a part? */
import type { Attributes, ProxyTracerProvider } from '@opentelemetry/api'

/** Here a tracer provider registers, whichever copy of the API it has. */
const registry = Symbol.for('opentelemetry.js.api.1')

let api: typeof import('@opentelemetry/api') | null = null

/** Loads the API if a tracer provider may be registered: it takes as long as half of a start. */
export async function loadTelemetry () {
  if (!(registry in globalThis)) return
  api ??= await import('@opentelemetry/api').catch(error => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return null
    throw error
  })
}

function findTracer () {
  const provider = api?.trace.getTracerProvider() as Partial<ProxyTracerProvider> | undefined
  return provider?.getDelegateTracer?.('fastify-mcp-oauth')
}

/** Whether spans reach a tracer provider. */
export const isTraced = () => findTracer() !== undefined

/** A span that has begun. */
export type Span = NonNullable<ReturnType<typeof startSpan>>

/**
 * Starts a span, null if there is no tracer provider.
 *
 * @param meta members with the trace context of the parent; the active span is then linked.
 *   Without one, the active span is the parent
 * @param headers those with the trace context of the parent, where no span is active
 */
export function startSpan (
  name: string,
  kind: 'SERVER' | 'CLIENT',
  attributes: Attributes,
  meta: object = {},
  headers: object = {}
) {
  const tracer = findTracer()
  if (api === null || tracer === undefined) return null
  const { context, propagation, trace, SpanKind, SpanStatusCode } = api
  const current = context.active()
  const around = trace.getSpanContext(current)
  const remote = [meta, ...around ? [] : [headers]].map(carrier =>
    propagation.extract(current, textsOf(carrier))
  )
    .find(extracted => trace.getSpanContext(extracted)?.spanId !== around?.spanId)
  const parent = remote ?? current
  const links = remote && around ? [{ context: around }] : []
  const span = tracer.startSpan(name, { kind: SpanKind[kind], attributes, links }, parent)
  const inside = trace.setSpan(parent, span)
  return {
    /** Runs work whose spans are children of this one. */
    run: <T>(work: () => T): T => context.with(inside, work),

    /** @param errorType of work that failed. Messages are left out: they may quote secrets */
    end (errorType?: string, more: Attributes = {}) {
      span.setAttributes({ ...more, ...(errorType && { 'error.type': errorType }) })
      if (errorType) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    }
  }
}

/** Runs a request to another system in a span. */
export async function inClientSpan<T> (
  name: string,
  attributes: () => Attributes,
  work: () => Promise<T>,
  describe: (result: T) => [errorType: string | undefined, more: Attributes] = () => [undefined, {}]
): Promise<T> {
  const span = isTraced() ? startSpan(name, 'CLIENT', attributes()) : null
  if (span === null) return await work()
  try {
    const result = await span.run(work)
    span.end(...describe(result))
    return result
  } catch (error) {
    const { kind, name = '_OTHER' } = Object(error)
    span.end(String(kind ?? name))
    throw error
  }
}

/** Adds the trace context to the headers of a request. */
export function addTraceContext (headers: Record<string, unknown>) {
  if (api !== null && isTraced()) api.propagation.inject(api.context.active(), headers)
}

/** Propagators expect texts, and clients choose the members. */
const textsOf = (carrier: object) =>
  Object.fromEntries(Object.entries(carrier).filter(([, value]) => typeof value === 'string'))
