/** Does the `resource` parameter name our resource? */

import { McpOAuthError } from '../errors.ts'
import type { RequestParameters } from './parameters.ts'
import { sameResource } from './url.ts'

/**
 * Returns `ours`, in our spelling, if the `resource` parameter (RFC 8707 §2) names it, or
 * `undefined` if the parameter is absent or empty.
 *
 * @throws {McpOAuthError} `invalidTarget` for any other resource, and for several
 */
export function resourceOf (params: RequestParameters, ours: string): string | undefined {
  const [value = '', second] = params.get('resource') ?? []
  if (second === undefined && value === '') return undefined
  if (second !== undefined || !sameResource(value, ours)) throw new McpOAuthError('invalidTarget')
  return ours
}
