import { createHash, randomBytes } from 'node:crypto'
import type { Fleet, Reply, Sent } from './fleet.ts'

/** A login that failed, and its step. */
export class Stuck extends Error {
  readonly step: string
  /** Whether an instance was killed during the request, after it may have used up a code. */
  readonly cut: boolean
  constructor (step: string, why: string, cut: boolean) {
    super(`${step}: ${why}`)
    this.step = step
    this.cut = cut
  }
}

export interface Tokens {
  access_token: string
  refresh_token: string
}

/**
 * A user with a browser and a newly registered MCP client, whose requests alternate between the
 * instances.
 */
export interface Visitor {
  /** Registers the client, consents and signs in. Resolves to the request that redeems the code. */
  signIn(): Promise<Sent>
  /** @throws Stuck if the answer has no tokens */
  tokens(sent: Sent): Promise<Tokens>
  refreshRequest(tokens: Tokens): Sent
  /** Calls the tool `whoami`; resolves to the subject of the token. */
  whoami(tokens: Tokens): Promise<string | null>
}

const redirectUri = 'http://127.0.0.1:4711/callback'
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

export function visitor (fleet: Fleet, user: string): Visitor {
  let instance = Math.round(Math.random())
  let clientId = ''
  const cookies = new Map<string, string>()

  async function send (step: string, expected: number, sent: Sent): Promise<Reply> {
    const cookie = [...cookies].map(pair => pair.join('=')).join('; ')
    const reply = await fleet.send({
      ...sent,
      headers: { ...sent.headers, ...(cookie !== '' && { cookie }) }
    }, instance)
    instance = 1 - reply.instance
    for (const line of reply.headers['set-cookie'] ?? []) keep(line)
    if (reply.status !== expected) {
      throw new Stuck(step, `${reply.status} ${textOf(reply.body)}`, reply.cut)
    }
    return reply
  }

  function keep (line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (/;\s*max-age=0/i.test(line)) cookies.delete(name)
    else cookies.set(name, value)
  }

  function tokenRequest (parameters: Record<string, string>): Sent {
    return {
      method: 'POST',
      path: '/oauth/token',
      headers: form,
      body: String(
        new URLSearchParams({
          ...parameters,
          client_id: clientId,
          resource: `${fleet.publicUrl}/mcp`
        })
      )
    }
  }

  return {
    async signIn () {
      const registration = JSON.stringify({
        redirect_uris: [redirectUri],
        client_name: user,
        grant_types: ['authorization_code', 'refresh_token']
      })
      clientId = JSON.parse(
        (await send('register', 201, {
          method: 'POST',
          path: '/oauth/register',
          headers: json,
          body: registration
        })).body
      ).client_id

      const verifier = randomBytes(32).toString('base64url')
      const state = randomBytes(8).toString('hex')
      const asked = new URLSearchParams({
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        state,
        code_challenge_method: 'S256',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        resource: `${fleet.publicUrl}/mcp`
      })
      const page = await send('authorize', 200, {
        method: 'GET',
        path: `/oauth/authorize?${asked}`
      })
      const request = /name="request" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
      const consented = await send('consent', 303, {
        method: 'POST',
        path: '/oauth/consent',
        headers: { ...form, origin: fleet.publicUrl, 'sec-fetch-site': 'same-origin' },
        body: String(new URLSearchParams({ request, action: 'approve' }))
      })

      const atProvider = await fetch(consented.headers.location ?? '', {
        redirect: 'manual',
        headers: { cookie: `user=${user}` }
      })
      const back = new URL(atProvider.headers.get('location') ?? '')
      if (back.origin !== fleet.publicUrl) {
        throw new Stuck('provider', String(atProvider.status), false)
      }
      const returned = await send('callback', 302, {
        method: 'GET',
        path: back.pathname + back.search
      })
      const result = new URL(returned.headers.location ?? '').searchParams
      if (result.get('state') !== state || result.get('iss') !== fleet.publicUrl) {
        throw new Stuck('callback', 'wrong state or iss', false)
      }
      return tokenRequest({
        grant_type: 'authorization_code',
        code: result.get('code') ?? '',
        redirect_uri: redirectUri,
        code_verifier: verifier
      })
    },
    tokens: async (sent) => JSON.parse((await send('token', 200, sent)).body),
    refreshRequest: ({ refresh_token: token }) =>
      tokenRequest({ grant_type: 'refresh_token', refresh_token: token }),
    async whoami ({ access_token: token }) {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'whoami', arguments: {} }
      })
      const reply = await send('call', 200, {
        method: 'POST',
        path: '/mcp',
        headers: { ...json, authorization: `Bearer ${token}` },
        body
      })
      return /\\?"subject\\?":\s*\\?"([\w-]+)/.exec(reply.body)?.[1] ?? null
    }
  }
}

function textOf (body: string): string {
  return body.replace(/<style[\s\S]*?<\/style>|<[^>]*>|\s+/g, ' ').slice(0, 200)
}
