/** Which metadata document is published for `customOAuthMetadata`? */

import { problemOfServerUrl } from './url.ts'

/**
 * Completes a metadata document that the operator wrote (RFC 8414 §2). Members that are `undefined`
 * or `null` are left out, unknown members are kept, and missing ones get their defaults. The grant
 * `authorization_code` is a default only where there is an authorization endpoint.
 *
 * @returns the document, and its problems, each with the name of its member; the types of known
 *   members are checked by `OAuthMetadataSchema`
 */
export function customMetadata (
  written: Readonly<Record<string, unknown>>
): { document: Record<string, unknown>, problems: string[] } {
  const members = Object.fromEntries(
    Object.entries(written).filter(([name, value]) =>
      (value ?? null) !== null && name !== '__proto__'
    )
  )
  const hasAuthorization = members['authorization_endpoint'] !== undefined
  const document: Record<string, unknown> = {
    scopes_supported: ['openid', 'profile', 'email'],
    response_types_supported: ['code'],
    grant_types_supported: [
      ...hasAuthorization ? ['authorization_code'] : [],
      'client_credentials'
    ],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    ...members
  }
  const problems = Object.entries(document).flatMap(([name, value]) => {
    const problem = problemOfMember(name, value)
    return problem === null ? [] : [`${name} ${problem}`]
  })
  for (const name of ['issuer', 'token_endpoint']) {
    if (document[name] === undefined) problems.push(`${name} is required`)
  }
  const grants = document['grant_types_supported']
  if (!hasAuthorization && Array.isArray(grants) && grants.includes('authorization_code')) {
    problems.push(
      'authorization_endpoint is required when grant_types_supported names authorization_code'
    )
  }
  return { document, problems }
}

function problemOfMember (name: string, value: unknown): string | null {
  if (name === 'issuer') return problemOfServerUrl(value, { query: false })
  if (/_(?:endpoint|uri)$/.test(name)) return problemOfServerUrl(value)
  if (Array.isArray(value) && value.length === 0) return 'must not be empty; leave it out instead'
  return isJson(value) ? null : 'must be a JSON value'
}

function isJson (value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isJson)
  return value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
}
