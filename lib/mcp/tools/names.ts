/** How are tools named and described, and which routes are one tool? */

import type { Tool, ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import { maxToolNameChars } from '../../limits.ts'
import type { ToolOptions } from '../../options/mcp.ts'
import { hash } from '../../util/hash.ts'
import type { Candidate } from './candidates.ts'
import type { Input } from './input.ts'
import { type PathPart, parsePath } from './path.ts'
import type { JsonSchema } from './references.ts'
import { slug, uniqueName } from './slug.ts'

/** A candidate with a name, which others may have too. */
export interface Named extends Candidate {
  name: string
}

/** A candidate that can be a tool or a resource. */
export interface Built {
  candidate: Named
  tool: Tool
  path: PathPart[]
  input: Input
  outputSchema: JsonSchema | undefined
  /** Equal for aliases. */
  key: string
}

/**
 * Names a tool by its `config.mcp`, the option `mcp.tools.name`, its operation id, or method and
 * path (`get_orders_by_id`).
 */
export function nameOf (candidate: Candidate, option: ToolOptions['name']) {
  const { method, url, operationId, config } = candidate
  const words = parsePath(url.replace(/\*$/, ':path'))
    .map(part => typeof part === 'string' ? part : `_by_${part.name}_`).join('')
  const given = slug(String(option?.({ method, url, operationId }) ?? operationId ?? ''))
  return config.name ?? fit(given || `${method.toLowerCase()}_${slug(words) || 'root'}`)
}

/** Shortens a name. Names that begin alike stay different. */
function fit (name: string) {
  if (name.length <= maxToolNameChars) return name
  return `${name.slice(0, maxToolNameChars - 9)}_${hash(name).slice(0, 8)}`
}

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

/**
 * Makes names unique by numbers: `job_2`. Names in `config.mcp` stay, and so does the first of
 * other equal names.
 *
 * @param problems gets a sentence for each name that is given twice
 */
export function uniqueNames (built: readonly Built[], problems: string[]): Built[] {
  const owners = new Map<string, Built>()
  const isGiven = ({ candidate: { config } }: Built) => Number(config.name !== undefined)
  for (const entry of built.toSorted((a, b) => isGiven(b) - isGiven(a))) {
    const { name, label } = entry.candidate
    const other = owners.get(name)?.candidate.label
    if (other !== undefined && isGiven(entry)) {
      problems.push(`${label}: config.mcp.name "${name}" is that of ${other} too. Rename one`)
    }
    owners.set(uniqueName(name, owners), entry)
  }
  return [...owners].sort(([a], [b]) => a < b ? -1 : 1).map(([name, entry]) => ({
    ...entry,
    tool: { ...entry.tool, name }
  }))
}

/**
 * Checks whether a route is another one under a longer URL: a plugin that is registered with a
 * prefix and without, or a handler that serves one operation id at several URLs.
 */
export function isAlias (a: Candidate, b: Candidate) {
  if (b.url === `${a.url}/`) return true
  const isPrefixed = a.url !== '/' && b.url.endsWith(a.url) && a.routePath === b.routePath
  if (!isPrefixed && a.operationId === undefined) return false
  // A plugin makes new functions for each registration. Without a schema, equal text is no proof:
  // routes of several files may read `() => service.list()`.
  const byText = isPrefixed && Object.keys(a.schema).length > 0
  const [ofA = [], ofB = []] = [a, b].map(({ handler, hooks }) =>
    [handler, ...hooks ?? []].map(code =>
      // Bound functions have no text of their own.
      byText && !String(code).includes('[native code]') ? String(code) : code
    )
  )
  return ofA.length === ofB.length && ofA.every((code, index) => code === ofB[index])
}
