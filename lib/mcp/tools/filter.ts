import type { ToolOptions } from '../../options/schema.ts'

/** What a filter looks at. */
export interface Operation {
  name: string
  tags: readonly string[]
}

/** Keeps the operations that pass every filter. One that matches nothing lets nothing pass. */
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

/**
 * Names in the filters that no route has: a mistyped exclusion would expose what it was meant to
 * hide.
 */
export function filterProblems (operations: readonly Operation[], options: ToolOptions): string[] {
  const names = new Set(operations.map(({ name }) => name))
  const tags = new Set(operations.flatMap((operation) => operation.tags))
  const filters = [['includeOperations', names], ['excludeOperations', names], [
    'includeTags',
    tags
  ], ['excludeTags', tags]] as const
  return filters.flatMap(([option, known]) => (
    (options[option] ?? []).filter((name) => !known.has(name)).map((name) =>
      `mcp.tools.${option}: no route has ${JSON.stringify(name)}`
    )
  ))
}
