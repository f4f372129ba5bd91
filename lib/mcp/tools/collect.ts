/** How do the routes of the app become tools that can be listed and called? */

import type { Tool } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance } from 'fastify'
import { startupError } from '../../errors.ts'
import { readsBrackets } from '../../host/internals.ts'
import { problemsOf, sentenceOf } from '../../options/check.ts'
import type { Config } from '../../options/config.ts'
import { RouteConfigSchema, type ToolOptions, toolOptionsOf } from '../../options/mcp.ts'
import type { Log } from '../../types.ts'
import { scopesMember } from '../access/tool-scopes.ts'
import { resultOf } from './answer.ts'
import { createCaller } from './call.ts'
import { type collectRoutes, scopesOf } from './candidates.ts'
import { createChoice, filterProblems, isNamed } from './choose.ts'
import { type Caller, injectTokensOf } from './in-process.ts'
import { type InputOptions, buildInput } from './input.ts'
import { type Built, type Named, describe, isAlias, nameOf, uniqueNames } from './names.ts'
import { buildOutput } from './output.ts'
import { parsePath } from './path.ts'
import { type Other, report } from './report.ts'
import { createResources } from './resources.ts'

/** Routes as tools. */
export type ToolCollection = ReturnType<typeof buildTools>

/**
 * Makes tools of routes, once all are known.
 *
 * @throws {McpOAuthError} `invalidTools` with every problem of options and of routes that are named
 *   explicitly; other unsuitable routes are logged
 */
export function buildTools (
  collected: ReturnType<typeof collectRoutes>,
  instance: FastifyInstance,
  root: FastifyInstance,
  { auth, headers, mcp }: Config,
  log: Log
) {
  const options = toolOptionsOf(mcp.tools)
  // The order of names must not depend on that of the registrations.
  const candidates = collected.flatMap(read => read())
    .map(candidate => ({ ...candidate, name: nameOf(candidate, options.name) }))
    .sort((a, b) => a.url.length - b.url.length || (a.label < b.label ? -1 : 1))
  const problems = [...filterProblems(candidates, options), ...candidates.flatMap(configProblems)]
  const reasonOf = createChoice(candidates, options)
  const { headerArguments, answerLimit } = options
  const inputOptions = { headerArguments, headers, brackets: readsBrackets(root) }
  const others: Other[] = []
  const resourceRoutes: Built[] = []
  const built: Built[] = []
  for (const candidate of candidates) {
    const reason = reasonOf(candidate)
    if (reason !== null) others.push({ candidate, reason })
    if (reason !== null && reason !== 'resource') continue
    try {
      const entry = buildTool(candidate, options, inputOptions)
      const alias = [...built, ...resourceRoutes].find(({ key, candidate: shorter }) =>
        key === entry.key && isAlias(shorter, candidate)
      )
      if (alias) {
        others.push({ candidate, reason: 'alias', detail: `alias of ${alias.candidate.label}` })
        continue
      }
      if (candidate.config.resource) resourceRoutes.push(entry)
      if (reason === null) built.push(entry)
    } catch (error) {
      const detail = (error as Error).message
      others.push({ candidate, reason: 'unsuitable', detail })
      if (isNamed(candidate, options)) problems.push(`${candidate.label}: ${detail}`)
    }
  }
  const callRoute = createCaller(instance, log, injectTokensOf(root), headers, answerLimit)
  const resources = createResources(resourceRoutes, callRoute, problems)
  const tools = uniqueNames(built, problems)
  if (problems.length > 0) throw startupError('invalidTools', ...problems)
  report(log, tools, others, {
    guards: auth !== false,
    secrets: options.select === 'all' && !(options.includeOperations ?? options.includeTags)
  })
  const routes = new Map(tools.map(entry => [entry.tool.name, entry]))
  return {
    /** The tools, by name. */
    tools: tools.map(({ tool }) => tool),
    /** The routes with a `config.mcp.resource`. */
    resources,
    /** Calls a tool. Resolves to `null` for an unknown name. */
    async call (name: string, args: Record<string, unknown>, caller: Caller) {
      const route = routes.get(name)
      return route ? await resultOf(route, callRoute(route, args, caller)) : null
    }
  }
}

function configProblems ({ mcp, label }: Named) {
  return (mcp === undefined ? [] : problemsOf(RouteConfigSchema, mcp)).map(problem =>
    sentenceOf(problem, {
      owner: `${label}: config.mcp`,
      advise: name =>
        name.startsWith('annotations.')
          ? 'Use title, or the hints of MCP'
          : 'Use name, title, description, annotations, scopes, public or resource'
    })
  )
}

function buildTool (candidate: Named, options: ToolOptions, inputOptions: InputOptions) {
  const { name, method, url, schema, scope, constraints } = candidate
  const scopes = scopesOf(candidate)
  const shared = scope.getSchemas()
  const path = parsePath(url)
  const input = buildInput(schema, path, shared, { ...inputOptions, method: String(method) })
  const described = describe(candidate)
  const { response } = schema
  const { description, outputSchema } = buildOutput({ ...described, response }, options, shared)
  const tool: Tool = {
    name,
    ...described,
    description,
    inputSchema: input.inputSchema,
    ...(outputSchema && { outputSchema: outputSchema as Tool['inputSchema'] }),
    ...(scopes && { _meta: { [scopesMember]: scopes } })
  }
  const listed = { ...tool, name: '', description: '' }
  const key = JSON.stringify([method, constraints, schema.operationId, listed])
  return { candidate, tool, path, input, outputSchema, key }
}
