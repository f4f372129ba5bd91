/** Which log lines at start-up list the tools, and warn of likely mistakes? */

import { routeGuards } from '../../guard/hooks.ts'
import { maxListedNames } from '../../limits.ts'
import type { Log } from '../../types.ts'
import type { Built, Named } from './names.ts'

/** A route that is no tool. */
export interface Other {
  candidate: Named
  reason: string
  detail?: string
}

/**
 * Logs which routes are tools, counts the others by reason, and warns of likely mistakes.
 *
 * @param checks.guards whether routes should have guards
 * @param checks.secrets whether routes are tools that no option names
 */
export function report (
  log: Log,
  tools: readonly Built[],
  others: readonly Other[],
  checks: { guards: boolean, secrets: boolean }
) {
  const counts: Record<string, number> = {}
  for (const { candidate: { label }, reason, detail = reason } of others) {
    counts[reason] = (counts[reason] ?? 0) + 1
    log.debug({ reason }, `${label} is no tool: ${detail}`)
  }
  log.info(
    { tools: tools.length, others: counts },
    `Made tools of ${tools.length} ${tools.length === 1 ? 'route' : 'routes'}: ` +
      `${listed(tools.map(({ tool }) => tool.name)) || 'none'}. Other routes: ` +
      (Object.entries(counts).map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none')
  )
  const toolsWith = (holds: (tool: Built) => boolean) =>
    tools.filter(holds).map(({ tool, candidate }) => `${tool.name} (${candidate.label})`)
  const othersFor = (wanted?: string) =>
    others.filter(({ reason, detail = reason }) => detail === wanted)
      .map(({ candidate }) => candidate.label)
  const warn = (message: string, routes: readonly string[]) => {
    if (routes.length > 0) log.warn({}, `${message}: ${listed(routes)}`)
  }
  const unsuitable = others.filter(({ reason }) => reason === 'unsuitable')
  for (const detail of new Set(unsuitable.map(({ detail }) => detail))) {
    warn(
      `Routes cannot be tools (${detail}). Mend them, or set config.mcp to false`,
      othersFor(detail)
    )
  }
  warn(
    'Routes added before await app.register(mcpOAuth, …) are no tools. Add them after it',
    othersFor('older than the plugin')
  )
  warn(
    'Tools with equal names got a number. Give their routes different operation ids',
    toolsWith(({ tool, candidate }) => tool.name !== candidate.name)
  )
  warn(
    'Tools may expose credentials or internals. Set config.mcp of their routes to true or false',
    toolsWith(tool => checks.secrets && tool.candidate.mcp === undefined && isSensitive(tool))
  )
  warn(
    'Routes of tools have no guard over plain HTTP. Add onRequest: app.requireMcpAuth(), or set config.mcp.public',
    toolsWith(({ candidate: { hooks, config } }) =>
      checks.guards && !config.public && hooks?.some(isGuard) === false
    )
  )
  if (tools.length === 0) {
    const remedies = [
      'Add routes after await app.register(mcpOAuth, …)',
      ...(counts['not marked'] ? ['mark them with config: { mcp: true }'] : []),
      ...(counts['filtered out'] ? ['relax the filters of mcp.tools'] : [])
    ]
    log.warn({}, `No route is a tool. ${remedies.join(', or ')}`)
  }
}

function listed (names: readonly string[]) {
  const more = names.length - maxListedNames
  return names.slice(0, maxListedNames).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

const sensitive =
  /\b(tokens?|passw\w*|secrets?|credentials?|(api)?keys?|internal|admin|metrics|debug)\b/i

/** Checks the words of the path, and the names of members in the schemas. */
function isSensitive ({ candidate, tool }: Built) {
  const words = [candidate.url, ...JSON.stringify(tool).match(/"[^"]+":(?=\{)/g) ?? []].join()
  const spaced = words.replace(/_|([a-z])(?=[A-Z])/g, '$1 ')
  return sensitive.test(spaced.replace(/\b(public|vrf) keys?|key deposit/gi, ''))
}

/** Hooks that refuse requests for other reasons than their caller, and ours for tool calls. */
const harmless = /rateLimit|csrf|inProcessRequests/
const guarding =
  /auth|jwt|verif|token|user(?!-?a)|login|permi|-key|api.?key|40[13]|guard|protect|require|admin|throw|check|native/i

/** Checks whether a hook may refuse callers, by the words in its code. */
function isGuard (hook: unknown) {
  if (routeGuards.has(Object(hook))) return true
  const code = `${Object(hook).name} ${String(hook)}`
  return guarding.test(code) && !harmless.test(code)
}
