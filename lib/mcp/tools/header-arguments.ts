/** Which headers of a route may a client of a tool choose? */

import { connectionHeaders } from '../rpc/messages.ts'

/** Headers of proxies, sessions and credentials. Never an argument. */
const reservedHeaders = new Set([
  ...connectionHeaders,
  ...('authorization dpop cookie forwarded via x-real-ip content-type content-encoding accept-encoding ' +
    'x-http-method x-http-method-override x-method-override').split(' ')
])

/** Some servers read `_` as `-`, and each proxy has a name of its own for the address. */
function isReservedHeader (given: string) {
  const name = given.replaceAll('_', '-')
  return reservedHeaders.has(name) ||
    /^(x-forwarded|x-original|x-rewrite|proxy|sec)-|(^|-)(client|connecting|real)-ip$/.test(name)
}

/** Headers that are not about identity. */
const harmlessHeaders = new Set(
  ('idempotency-key if-match if-none-match if-modified-since if-unmodified-since prefer ' +
    'accept-language').split(' ')
)

/** Headers that every call has. */
const ownHeaders = new Set(['host', 'accept', 'user-agent', 'content-type', 'content-length'])

/**
 * Checks whether a header is an argument. Others come with the MCP request, or not at all.
 *
 * @throws {Error} with a sentence about the route, if it would never get a required header
 */
export function isHeaderArgument (
  header: string,
  isRequired: boolean,
  { headers = [], headerArguments = [] }: {
    headers?: readonly string[]
    headerArguments?: true | readonly string[] | undefined
  }
): boolean {
  const name = header.toLowerCase()
  if (headers.includes(name)) return false
  const isReserved = isReservedHeader(name)
  const isAllowed = headerArguments === true || harmlessHeaders.has(name) ||
    headerArguments.some(allowed => allowed.toLowerCase() === name)
  if (!isRequired || ownHeaders.has(name) || (isAllowed && !isReserved)) {
    return isAllowed && !isReserved
  }
  throw new Error(
    `the header ${JSON.stringify(name)} is required, but is no argument. List it in ` +
      (isReserved ? '' : 'mcp.tools.headerArguments, or in ') +
      'headers if MCP clients or your hooks send it'
  )
}
