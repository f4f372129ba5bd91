import assert from 'node:assert/strict'
import type { Emulator } from '../../providers/emulators/emulator.ts'
import type { ProviderFacts, TokenFault } from '../../providers/emulators/provider.ts'
import { membersOf, statusOf } from '../../providers/emulators/requests.ts'
import { challenge, verifier } from '../../support/credentials.ts'
import { emulatedClient } from '../../support/emulated.ts'
import { form, query, sendRequest } from '../../support/requests.ts'

// Requests of a client at an emulated provider, without our broker.

export const redirectUri = 'https://client.example/callback'

type Parameters = Record<string, string | undefined>

/** A response of the token or revocation endpoint. */
export interface Answer {
  status: number
  body: Record<string, any>
}

/** How a login ended: at the client, or on a page of the provider. */
export interface LoginEnd {
  location: URL | null
  status: number
  text: string
}

export function endpointOf ({ metadata, endpoints }: ProviderFacts, name: string): string {
  const url = { ...metadata?.document, ...endpoints }[`${name}_endpoint`]
  assert.ok(typeof url === 'string', name)
  return url
}

/** A valid authorization request. */
export function validRequest ({ authorization, refresh }: ProviderFacts): Parameters {
  const { known } = authorization.scopes
  const usual = ['openid', 'profile', 'email', 'offline_access']
  const scope = usual.filter(name => known === 'any' || known.includes(name))
  const { parameters = {} } = typeof refresh.issued === 'string' ? {} : refresh.issued
  return {
    response_type: 'code',
    client_id: emulatedClient.clientId,
    redirect_uri: redirectUri,
    scope: scope.join(' ') || undefined,
    state: 'a-state',
    nonce: 'a-nonce',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...parameters
  }
}

export async function authorize (
  facts: ProviderFacts,
  changes: Parameters | string = {}
): Promise<LoginEnd> {
  const parameters = typeof changes === 'string'
    ? query(validRequest(facts)) + changes
    : query({ ...validRequest(facts), ...changes })
  const response = await sendRequest(
    `${endpointOf(facts, 'authorization')}?${parameters}`
  )
  const location = response.headers.get('location')
  return {
    location: location === null ? null : new URL(location),
    status: response.status,
    text: await response.text()
  }
}

export async function codeOf (facts: ProviderFacts, changes: Parameters = {}): Promise<string> {
  const { location, text } = await authorize(facts, changes)
  const code = location?.searchParams.get('code')
  assert.ok(code, location?.href ?? text)
  return code
}

/** The first method of client authentication that the provider supports. */
function authenticated ({ token }: ProviderFacts, secret: string) {
  const { clientId } = emulatedClient
  return token.authentication[0] === 'client_secret_basic'
    ? {
      headers: {
        authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
      },
      parameters: {}
    }
    : { headers: {}, parameters: { client_id: clientId, client_secret: secret } }
}

async function send (
  facts: ProviderFacts,
  endpoint: string,
  more: Parameters,
  secret: string
): Promise<Answer> {
  const { headers, parameters } = authenticated(facts, secret)
  const response = await sendRequest(
    endpointOf(facts, endpoint),
    form({ ...parameters, ...more }, { accept: 'application/json', ...headers })
  )
  return { status: response.status, body: JSON.parse(await response.text()) }
}

export const redeem = (
  facts: ProviderFacts,
  code: string,
  more: Parameters = {},
  secret: string = emulatedClient.clientSecret
): Promise<Answer> =>
  send(facts, 'token', {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    ...more
  }, secret)

export const refreshAt = (facts: ProviderFacts, token: string): Promise<Answer> =>
  send(
    facts,
    'token',
    { grant_type: 'refresh_token', refresh_token: token },
    emulatedClient.clientSecret
  )

export const revokeAt = (facts: ProviderFacts, token: string): Promise<Answer> =>
  send(facts, 'revocation', { token }, emulatedClient.clientSecret)

/** Logs in. Returns the token response. */
export async function tokensOf (facts: ProviderFacts): Promise<Record<string, any>> {
  const { status, body } = await redeem(facts, await codeOf(facts))
  assert.equal(status, 200, JSON.stringify(body))
  assert.ok(body['access_token'], JSON.stringify(body))
  return body
}

/** Asserts that a token request was refused in the way of the provider. */
export function isRefused ({ facts }: Emulator, { status, body }: Answer, fault: TokenFault): void {
  const shown = `${fault}: ${JSON.stringify(body)}`
  assert.equal(body['access_token'], undefined, shown)
  const refusal = facts.token.faults[fault]
  if (refusal === undefined) {
    assert.equal(typeof body['error'], 'string', shown)
    return
  }
  assert.deepEqual(body, JSON.parse(JSON.stringify(membersOf(refusal))))
  assert.equal(status, statusOf(refusal), shown)
}
