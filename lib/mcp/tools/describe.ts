/** How does a client see the tool of a route: title, description, annotations? */

import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import { maxToolNameChars } from '../../limits.ts'
import type { Candidate } from './candidates.ts'

/** The properties of methods (RFC 9110 §9.2). */
const annotationsOf: Record<string, ToolAnnotations> = {
  GET: { readOnlyHint: true },
  PUT: { readOnlyHint: false, idempotentHint: true },
  DELETE: { readOnlyHint: false, destructiveHint: true, idempotentHint: true }
}

/** Describes a tool by its `config.mcp`, else by the schema, else by method and path. */
export function describe ({ method, label, config, schema }: Candidate) {
  const texts = [schema.summary, schema.description].map(text => String(text ?? ''))
  const [summary = ''] = texts
  const title = config.title ?? (summary.length <= maxToolNameChars ? summary : '')
  return {
    ...(title && { title }),
    description: config.description ?? (texts.filter(Boolean).join('\n\n') || label),
    annotations: { ...annotationsOf[method] ?? { readOnlyHint: false }, ...config.annotations }
  }
}
