/** Which routes of the app are resources, and how is one read? (MCP, "Resources") */

import type { ReadResourceResult } from '@modelcontextprotocol/sdk/types.js'
import type { RouteCall, RpcMessage } from '../rpc/messages.ts'
import { explain, mediaTypeOf, textOf } from './answer.ts'
import type { createCaller } from './call.ts'
import { scopesOf } from './candidates.ts'
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
  const resources = routes.flatMap((entry, order) => {
    try {
      const { label, config: { resource } } = entry.candidate
      const template = templateOf(entry)
      // Names of arguments do not tell URIs apart.
      const key = String(resource).replace(/\{\w+\}/g, '{}')
      const other = labels.get(key)
      if (other) throw new Error(`${other} has the same URI. Give one of them another`)
      labels.set(key, label)
      return [{ ...entry, resource, template, order }]
    } catch (error) {
      problems.push(`${entry.candidate.label}: config.mcp.resource: ${(error as Error).message}`)
      return []
    }
  })
  const byUri = new Map(resources.map(entry => [entry.resource, entry]))
  // An app may have a thousand templates, and a batch fifty URIs that match none.
  const byStart = new Map<string, typeof resources>()
  for (const entry of resources) {
    const { start } = entry.template
    byStart.set(start, [...byStart.get(start) ?? [], entry])
  }
  const lengths = new Set([...byStart.keys()].map(({ length }) => length))
  const find = (uri: unknown) => {
    if (typeof uri !== 'string') return undefined
    // A fixed URI has precedence over templates, which may match it too.
    return byUri.get(uri) ??
      [...lengths].flatMap(length => byStart.get(uri.slice(0, length)) ?? [])
        .sort((a, b) => a.order - b.order)
        .find(({ template }) => template.match(uri))
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
    scopes: resources.flatMap(({ candidate }) => scopesOf(candidate) ?? []),
    /** The call that a message amounts to: that of the route whose resource it reads. */
    callOf ({ method, params }: RpcMessage): RouteCall | null {
      const { uri } = Object(params)
      const found = method === 'resources/read' ? find(uri) : undefined
      return found ? { tool: found.tool, arguments: found.template.match(uri) ?? {} } : null
    },
    /**
     * Reads a resource. Resolves to `null` if there is none at the URI.
     *
     * @throws {CallError} with a sentence about the response of the route
     */
    async read (uri: string, caller: Caller): Promise<ReadResourceResult | null> {
      const found = find(uri)
      const values = found?.template.match(uri)
      if (!found || !values) return null
      const answer = await call(found, values, caller)
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
