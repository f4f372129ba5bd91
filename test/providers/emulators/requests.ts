import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Refusal, Rule } from './provider.ts'

// How are requests to an emulated provider read and refused?

export type Parameters = Readonly<Record<string, string>>

/** A request that is refused. */
export class Refused extends Error {
  readonly refusal: Refusal
  constructor (refusal: Refusal) {
    super(`${refusal.error}: ${refusal.description ?? ''}`)
    this.refusal = refusal
  }
}

export function refuse (refusal: Refusal): never {
  throw new Refused(refusal)
}

/**
 * Returns parameters, of which none may be sent twice (RFC 6749 §3.1, §3.2). Empty ones are absent.
 */
export function parametersOf (search: URLSearchParams): Parameters {
  const names = [...search.keys()]
  const repeated = names.find((name, index) => names.indexOf(name) !== index)
  if (repeated !== undefined) {
    refuse({ error: 'invalid_request', description: `${repeated} was sent twice`, at: 'page' })
  }
  return Object.fromEntries([...search].filter(([, value]) => value !== ''))
}

/** Reads the form in the body of a POST. */
export async function readForm (request: IncomingMessage): Promise<Parameters> {
  const body = await text(request)
  const type = request.headers['content-type'] ?? ''
  if (request.method !== 'POST') {
    refuse({ error: 'invalid_request', description: 'POST is required', status: 405 })
  }
  if (!type.startsWith('application/x-www-form-urlencoded')) {
    refuse({ error: 'invalid_request', description: 'a form is required' })
  }
  return parametersOf(new URLSearchParams(body))
}

/** Refuses a request that breaks a rule. */
export function checkRules (rules: readonly Rule[], parameters: Parameters): void {
  for (const { parameter, when = 'present', values, answer } of rules) {
    const value = parameters[parameter]
    const isMet = when === 'absent'
      ? value === undefined
      : value !== undefined &&
        (!values || values.includes(value) || value.split(' ').some(word => values.includes(word)))
    if (isMet) refuse(answer)
  }
}

/** The members of an error response. */
export function membersOf ({ error, description, members }: Refusal): Record<string, unknown> {
  return { error, ...description !== undefined && { error_description: description }, ...members }
}

export function statusOf ({ error, status }: Refusal): number {
  return status ?? (error === 'invalid_client' || error === 'invalid_token' ? 401 : 400)
}

export function sendJson (response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify(body))
}

/** A page of the provider: the login stops there. */
export function sendPage (response: ServerResponse, refusal: Refusal): void {
  const { error, description = '' } = refusal
  const shown = `${error} ${description}`.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  response.writeHead(statusOf(refusal), { 'content-type': 'text/html; charset=utf-8' })
    .end(`<!doctype html><title>Error</title><p>${shown}</p>`)
}
