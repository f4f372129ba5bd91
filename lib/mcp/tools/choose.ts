/** Which routes become tools, and why do the others not? */

import type { ToolOptions } from '../../options/mcp.ts'
import type { Named } from './names.ts'

/** Creates a function that returns why a route is no tool, `null` if it is one. */
export function createChoice (candidates: readonly Named[], options: ToolOptions) {
  const proxies = new Set(candidates.filter(isBareWildcard).map(({ handler }) => handler))
  return (candidate: Named) => {
    const { mcp, config, schema, handler } = candidate
    if (mcp === false) return 'config.mcp: false'
    if (schema.hide === true) return 'hidden'
    if (isBareWildcard(candidate)) return 'wildcard without schema'
    // A tool would carry the caller's token to the host behind the proxy.
    if (proxies.has(handler)) return 'proxy'
    if (config.resource && !config.name) return 'resource'
    if (options.select === 'marked' && mcp === undefined) return 'not marked'
    const passes = filtersOf(options).every(({ name, has, values }) =>
      values.some(value => has(candidate, value)) !== name.startsWith('exclude')
    )
    if (!passes) return 'filtered out'
    return candidate.isOlder ? 'older than the plugin' : null
  }
}

const describing = 'operationId summary description params querystring query body response'

/** A wildcard that has no description serves a proxy, files, or a page for all URLs. */
function isBareWildcard ({ url, schema }: Named) {
  return url.endsWith('*') && !describing.split(' ').some(member => schema[member] !== undefined)
}

type Filter = (candidate: Named, value: string) => boolean

const hasOperation: Filter = ({ name, operationId }, value) => [name, operationId].includes(value)
const hasTag: Filter = ({ schema: { tags } }, value) => Array.isArray(tags) && tags.includes(value)

/** The options that filter routes, and whether a route has a value of one. */
const filters: Record<string, Filter> = {
  includeOperations: hasOperation,
  excludeOperations: hasOperation,
  includeTags: hasTag,
  excludeTags: hasTag,
  methods: ({ method }, value) => method === value.toUpperCase(),
  paths: ({ url }, value) => `${url}/`.startsWith(value.replace(/\/*$/, '/'))
}

function filtersOf (options: ToolOptions) {
  return Object.entries(options).flatMap(([name, values]) => {
    const has = filters[name]
    return has ? [{ name, has, values: values as readonly string[] }] : []
  })
}

/** Finds values in the filters that no route has: a mistyped exclusion would expose its route. */
export function filterProblems (candidates: readonly Named[], options: ToolOptions) {
  return filtersOf(options).flatMap(({ name, has, values }) =>
    values
      .filter(value => !candidates.some(candidate => has(candidate, value)))
      .map(value =>
        `mcp.tools.${name}: no route has ${JSON.stringify(value)}. ` +
        'Correct it, or add the route after await app.register(mcpOAuth, …)'
      )
  )
}

/** Checks whether an option or the route itself demands this tool. */
export function isNamed (candidate: Named, { includeOperations = [] }: ToolOptions) {
  return candidate.mcp === true || candidate.config.name !== undefined ||
    includeOperations.some(name => hasOperation(candidate, name))
}
