/** Which routes of the app are resources, and how is one read? (MCP, "Resources") */

import type { ReadResourceResult } from '@modelcontextprotocol/sdk/types.js'
import type { RouteCall, RpcMessage } from '../rpc/messages.ts'
import { explain, mediaTypeOf, textOf } from './answer.ts'
import type { createCaller } from './call.ts'
import type { Caller } from './in-process.ts'
import type { Built } from './names.ts'
import { CallError } from './request.ts'
import { parseUriTemplate } from './uri-template.ts'

/**
 * Creates the resources of routes with a `config.mcp.resource`, a URI or a template of URIs.
 *
 * @param problems receives a sentence about each route whose URI does not fit its arguments
 */
export function createResources (
  routes: readonly Built[],
  call: ReturnType<typeof createCaller>,
  problems: string[]
) {
  const labels = new Map<string, string>()
  const resources = routes.flatMap(entry => {
    try {
      const { label, config: { resource } } = entry.candidate
      const template = templateOf(entry)
      // Names of arguments do not tell URIs apart.
      const key = String(resource).replace(/\{\w+\}/g, '{}')
      const other = labels.get(key)
      if (other) throw new Error(`${other} has the same URI. Give one of them another`)
      labels.set(key, label)
      return [{ ...entry, resource, template }]
    } catch (error) {
      problems.push(`${entry.candidate.label}: config.mcp.resource: ${(error as Error).message}`)
      return []
    }
  })
  const byUri = new Map(resources.map(entry => [entry.resource, entry]))
  const find = (uri: unknown) => {
    if (typeof uri !== 'string') return undefined
    // A fixed URI has precedence over templates, which may match it too.
    const exact = byUri.get(uri)
    for (const entry of exact ? [exact, ...resources] : resources) {
      const values = entry.template.match(uri)
      if (values !== null) return { ...entry, values }
    }
    return undefined
  }
  const list = <Uri extends 'uri' | 'uriTemplate'>(areTemplates: boolean, uri: Uri) =>
    resources.filter(({ template }) => (template.names.length > 0) === areTemplates)
      .map(({ candidate: { name, schema }, tool: { title, description }, resource }) => ({
        ...{ [uri]: resource } as Record<Uri, string>,
        name,
        title,
        description,
        mimeType: [schema.produces].flat().find(type => typeof type === 'string')
      }))
  return {
    list: list(false, 'uri'),
    templates: list(true, 'uriTemplate'),
    scopes: resources.flatMap(({ candidate: { config } }) => config.scopes ?? []),
    /** The call that a message amounts to: that of the route whose resource it reads. */
    callOf ({ method, params }: RpcMessage): RouteCall | null {
      const found = method === 'resources/read' ? find(Object(params).uri) : undefined
      return found ? { tool: found.tool, arguments: found.values } : null
    },
    /**
     * Reads a resource. Resolves to `null` if there is none at the URI.
     *
     * @throws {CallError} with a sentence about the response of the route
     */
    async read (uri: string, caller: Caller): Promise<ReadResourceResult | null> {
      const found = find(uri)
      if (found === undefined) return null
      const answer = await call(found, found.values, caller)
      if (answer.status === 404) return null
      if (answer.status >= 300 || answer.body === null) {
        throw new CallError(explain(answer, found.input))
      }
      const text = textOf(answer)
      const content = text === null ? { blob: answer.body.toString('base64') } : { text }
      return { contents: [{ uri, mimeType: mediaTypeOf(answer), ...content }] }
    }
  }
}

function templateOf ({ candidate: { config, method }, input }: Built) {
  // Clients read a resource without asking: nothing may change.
  if (method !== 'GET') throw new Error('only a GET route can be a resource. Remove it')
  const template = parseUriTemplate(String(config.resource))
  const { names } = template
  const stray = names.find(name => !/path|wildcard|query/.test(input.places.get(name)?.in ?? ''))
  if (stray !== undefined) {
    const known = [...input.places.keys()].join(', ')
    throw new Error(
      `{${stray}} is no argument of its path or query. Use ${known || 'a URI without {}'}`
    )
  }
  const missing = input.inputSchema.required?.find(argument => !names.includes(argument))
  if (missing !== undefined) {
    throw new Error(`it lacks {${missing}}, which the route requires. Add it to the URI`)
  }
  return template
}
