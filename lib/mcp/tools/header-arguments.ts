/** Which headers of a route may a client of a tool choose? */

import { connectionHeaders } from '../rpc/messages.ts'
import type { Members } from './members.ts'

/** Headers by which proxies, sessions and credentials are known. Never an argument. */
const reservedHeaders = new Set([
  ...connectionHeaders,
  ...('authorization cookie forwarded via x-real-ip content-type content-encoding accept-encoding ' +
    'x-http-method x-http-method-override x-method-override').split(' ')
])

/** Headers that are not about identity. */
const harmlessHeaders = new Set(
  ('idempotency-key if-match if-none-match if-modified-since if-unmodified-since prefer ' +
    'accept-language').split(' ')
)

/** Headers that every call has. */
const ownHeaders = new Set(['host', 'accept', 'user-agent', 'content-type', 'content-length'])

/**
 * Leaves only the headers that are arguments. Others come with the MCP request, or not at all.
 *
 * @param members the headers in the schema of the route
 * @throws {Error} with a sentence about the route, if it would never get a required header
 */
export function chooseHeaders (
  { properties, required, rest }: Members,
  { headers = [], headerArguments = [] }: {
    headers?: readonly string[]
    headerArguments?: true | readonly string[] | undefined
  }
): Members {
  const chosen: Members = { properties: new Map(), required: new Set(), rest }
  for (const header of new Set([...properties.keys(), ...required])) {
    const name = header.toLowerCase()
    if (headers.includes(name)) continue
    const isReserved = reservedHeaders.has(name) || /^(x-forwarded|proxy|sec)-/.test(name)
    const isAllowed = headerArguments === true || harmlessHeaders.has(name) ||
      headerArguments.some(header => header.toLowerCase() === name)
    if (isAllowed && !isReserved) {
      chosen.properties.set(name, properties.get(header) ?? { keyword: 'allOf', schemas: [] })
      if (required.has(header)) chosen.required.add(name)
    } else if (required.has(header) && !ownHeaders.has(name)) {
      throw new Error(
        `its header ${JSON.stringify(name)} is required, but is no argument. List it in ` +
          (isReserved ? '' : 'mcp.tools.headerArguments, or in ') +
          'headers if MCP clients send it'
      )
    }
  }
  return chosen
}
