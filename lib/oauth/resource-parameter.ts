import { McpOAuthError } from '../errors.ts'
import type { RequestParameters } from './parameters.ts'
import { sameResource } from './url.ts'

/**
 * The `resource` parameter (RFC 8707 §2): `ours` in our own spelling if it names us, `undefined` if
 * it is absent or empty. Throws `invalidTarget` for any other resource, and for several.
 */
export function resourceOf (params: RequestParameters, ours: string): string | undefined {
  const values = params.get('resource')
  const value = values?.[0]
  if (
    values === undefined || value === undefined || (value === '' && values.length === 1)
  ) { return undefined }
  if (values.length > 1 || !sameResource(value, ours)) throw new McpOAuthError('invalidTarget')
  return ours
}
