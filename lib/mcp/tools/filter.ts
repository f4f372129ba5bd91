/** Which routes become tools, and are their names and filters valid? */

import type { ToolOptions } from '../../options/mcp.ts'

/** A route as the filters see it. */
export interface Operation {
  name: string
  tags: readonly string[]
  /** Method and URL, for error messages. */
  label: string
}

/** Keeps the operations that pass every filter. An empty include list excludes everything. */
export function filterOperations<T extends Operation> (
  operations: readonly T[],
  options: ToolOptions
): T[] {
  const { includeOperations, excludeOperations = [], includeTags, excludeTags = [] } = options
  return operations.filter(({ name, tags }) => (
    (includeOperations === undefined || includeOperations.includes(name)) &&
    (includeTags === undefined || tags.some((tag) => includeTags.includes(tag))) &&
    !excludeOperations.includes(name) &&
    !tags.some((tag) => excludeTags.includes(tag))
  ))
}

/** Finds names in the filters that no route has: a mistyped exclusion would expose its route. */
export function filterProblems (operations: readonly Operation[], options: ToolOptions): string[] {
  const names = operations.map(({ name }) => name)
  const tags = operations.flatMap((operation) => operation.tags)
  const known = {
    includeOperations: names,
    excludeOperations: names,
    includeTags: tags,
    excludeTags: tags
  }
  return Object.entries(known).flatMap(([option, values]) =>
    (options[option as keyof typeof known] ?? [])
      .filter((value) => !values.includes(value))
      .map((value) => `mcp.tools.${option}: no route has ${JSON.stringify(value)}`)
  )
}

/** Finds names that are invalid for tools, or used twice. */
export function nameProblems (operations: readonly Operation[]): string[] {
  const first = new Map<string, string>()
  return operations.flatMap(({ name, label }) => {
    const quoted = JSON.stringify(name)
    if (!/^[A-Za-z0-9_.-]{1,128}$/.test(name)) {
      return [`${label}: ${quoted} is not a tool name (1 to 128 of A-Z a-z 0-9 _ - .)`]
    }
    const other = first.get(name)
    first.set(name, label)
    return other === undefined ? [] : [`${label} and ${other} are both named ${quoted}`]
  })
}
