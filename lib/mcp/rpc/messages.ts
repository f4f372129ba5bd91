/** A JSON-RPC message of a client, nothing of which is known yet. */
export interface AnyMessage {
  id?: unknown
  method?: unknown
  params?: unknown
}

/** The messages of a JSON-RPC body: one, or those of a batch. */
export function messagesOf (body: unknown): AnyMessage[] {
  return (Array.isArray(body) ? body : [body]).map(Object)
}

/** What a message says about itself. */
export function metaOf ({ params }: AnyMessage): Record<string, unknown> {
  const { _meta: meta } = Object(params) as { _meta?: unknown }
  return Object(meta)
}
