import { McpOAuthError } from '../errors.ts'
import { assertionType, subjectOf } from './client-assertion.ts'
import type { RequestParameters } from './parameters.ts'
import { single, verbatim } from './parameters.ts'

/**
 * How a client introduced itself at the token or revocation endpoint (RFC 6749 §2.3.1, RFC 7523
 * §2.2). Secret and assertion are unchecked.
 */
export type ClientAuthentication =
  | { clientId: string, method: 'none' }
  | { clientId: string, method: 'client_secret_basic' | 'client_secret_post', secret: string }
  | { clientId: string, method: 'private_key_jwt', assertion: string }

/**
 * Finds out who the client says it is. An empty secret is no secret (RFC 6749 §2.3.1).
 *
 * Throws `invalidRequest` for no `client_id`, anything sent twice, two methods at once, and half an
 * assertion; `invalidClient` for an `Authorization` header that is not well-formed `Basic`, a
 * `client_id` that contradicts it, assertions of another type, and those that name no one.
 */
export function parseClientAuthentication (
  authorization: string | undefined,
  params: RequestParameters
): ClientAuthentication {
  const clientId = single(params, 'client_id')
  const secret = verbatim(params, 'client_secret') ?? ''
  const assertion = single(params, 'client_assertion')
  const type = single(params, 'client_assertion_type')

  if ([authorization !== undefined, secret !== '', assertion ?? type].filter(Boolean).length > 1) {
    throw new McpOAuthError('invalidRequest', {
      description: 'A client must not use two authentication methods at once.'
    })
  }
  if (assertion !== undefined || type !== undefined) return asserted(assertion, type, clientId)
  if (authorization !== undefined) return basic(authorization, clientId)
  if (clientId === undefined) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The parameter client_id is missing.'
    })
  }
  return secret === ''
    ? { clientId, method: 'none' }
    : { clientId, method: 'client_secret_post', secret }
}

function asserted (
  assertion: string | undefined,
  type: string | undefined,
  asked: string | undefined
): ClientAuthentication {
  if (assertion === undefined || type === undefined) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The parameters client_assertion and client_assertion_type belong together.'
    })
  }
  const clientId = asked ?? subjectOf(assertion)
  if (type !== assertionType || clientId === undefined) throw new McpOAuthError('invalidClient')
  return { clientId, method: 'private_key_jwt', assertion }
}

function basic (authorization: string, asked: string | undefined): ClientAuthentication {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1] ?? ''
  const bytes = Buffer.from(encoded, 'base64')
  // Buffer skips what is not base64, so only a value that encodes back to itself was one.
  if (encoded === '' || bytes.toString('base64') !== encoded) {
    throw new McpOAuthError('invalidClient')
  }
  const text = decoded(() =>
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  )
  const colon = text.indexOf(':')
  if (colon < 1) throw new McpOAuthError('invalidClient')

  const [clientId, secret] = decoded(() =>
    [formDecoded(text.slice(0, colon)), formDecoded(text.slice(colon + 1))] as const
  )
  if (
    /\p{Cc}/u.test(clientId) || (asked !== undefined && asked !== clientId)
  ) { throw new McpOAuthError('invalidClient') }
  return secret === ''
    ? { clientId, method: 'none' }
    : { clientId, method: 'client_secret_basic', secret }
}

function formDecoded (text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

function decoded<T> (decode: () => T): T {
  try {
    return decode()
  } catch {
    throw new McpOAuthError('invalidClient')
  }
}

/**
 * The `Authorization` header of a client with a secret (RFC 6749 §2.3.1). Encoded like a form, but
 * for characters such as `-` and `~`, of which secrets are full: servers that decode find them as
 * they are, and so do the many that forget to.
 */
export function basicCredentials (clientId: string, secret: string): string {
  const encoded = [clientId, secret].map(part => encodeURIComponent(part).replaceAll('%20', '+'))
    .join(':')
  return `Basic ${btoa(encoded)}`
}
