import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Broker } from '../../lib/broker/broker.ts'
import { authorizeEndpoint } from '../../lib/broker/endpoints/authorize.ts'
import { callbackEndpoint } from '../../lib/broker/endpoints/callback.ts'
import { consentEndpoint } from '../../lib/broker/endpoints/consent.ts'
import type { Endpoint } from '../../lib/host/endpoint.ts'
import { challenge } from '../support/credentials.ts'
import { clientId, log, redirectUri } from './config.ts'
import { logInAtProvider } from './provider.ts'
import type { Asked, Reply } from './requests.ts'
import type { World } from './world.ts'

// The browser of a user: its cookies, and its way through the endpoints of a login.

export type Browser = ReturnType<typeof createBrowser>

/** Lets an endpoint answer a request of a browser. */
async function answer (
  endpoint: Endpoint<Broker>,
  broker: Broker,
  { cookie, query = '', body }: { cookie: string, query?: string, body?: string }
): Promise<Reply> {
  const result: Reply & { cookies: string[] } = { status: 200, cookies: [] }
  const request = {
    headers: { cookie },
    raw: { url: `/oauth/${endpoint.name}?${query}` },
    body,
    log
  } as unknown as FastifyRequest
  const methods = {
    request,
    getHeader: () => undefined,
    code (status: number) {
      result.status = status
      return reply
    },
    header (name: string, value: string | string[]) {
      if (name === 'set-cookie') result.cookies.push(...[value].flat())
      return reply
    },
    headers: () => reply,
    send (text: string) {
      result.body = text
      return reply
    },
    redirect (location: string, status: number) {
      result.location = location
      return methods.code(status)
    }
  }
  const reply = methods as unknown as FastifyReply
  try {
    await endpoint.handle(broker, request, reply)
  } catch (error) {
    const handler = endpoint.errorHandler?.(broker)
    await handler?.call({} as FastifyInstance, error as never, request, reply)
  }
  if (result.status === 500) return { ...result, kind: 'internal' }
  if (result.status < 400) return result
  const { error_description: kind = '' } = JSON.parse(result.body ?? '{}') as Record<string, string>
  return { ...result, kind }
}

/** Creates the browser of a user of the provider. */
export function createBrowser (
  world: World,
  user: string,
  cookies: ReadonlyMap<string, string> = new Map()
) {
  const jar = new Map(cookies)

  function keep (line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (line.includes('Max-Age=0')) jar.delete(name)
    else jar.set(name, value)
  }

  async function visit (
    endpoint: Endpoint<Broker>,
    instance: number,
    asked: Asked,
    request: { query?: string, body?: string }
  ): Promise<Reply> {
    // When it arrives is a decision of the scheduler.
    await world.steps.arrival(instance, `${endpoint.name} of ${user}`)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const reply = await world.send(
      `${endpoint.name} at ${instance}`,
      instance,
      { user, ...asked },
      broker => answer(endpoint, broker, { cookie, ...request })
    )
    for (const line of reply.cookies ?? []) keep(line)
    return reply
  }

  return {
    jar,
    /** Keeps the cookie of a header. */
    keep,
    /** Opens the consent page. @returns its form */
    async authorize (instance: number, state: string): Promise<Reply & { form: string }> {
      const query = String(
        new URLSearchParams({
          response_type: 'code',
          client_id: clientId,
          redirect_uri: redirectUri,
          code_challenge: challenge,
          code_challenge_method: 'S256',
          scope: 'mcp:read',
          state
        })
      )
      const reply = await visit(authorizeEndpoint, instance, {}, { query })
      return { ...reply, form: /name="request" value="([^"]+)"/.exec(reply.body ?? '')?.[1] ?? '' }
    },
    /** Sends the form of the consent page. */
    consent: (instance: number, form: string, action: 'approve' | 'deny' = 'approve') =>
      visit(consentEndpoint, instance, { form, action }, {
        body: String(new URLSearchParams({ request: form, action }))
      }),
    /** Logs in at the provider. @returns the query of the callback */
    logIn: ({ location = '' }: Reply) => logInAtProvider(world.provider, location, user),
    /** Returns from the provider. The client whose login it was has the code. */
    async callback (instance: number, query: string): Promise<Reply & { code: string }> {
      const state = new URLSearchParams(query).get('state') ?? ''
      const reply = await visit(callbackEndpoint, instance, { state }, { query })
      const params = new URL(reply.location ?? redirectUri).searchParams
      const code = params.get('code') ?? ''
      if (code !== '') world.owners.set(code, String(params.get('state')).split(' ')[0] ?? '')
      return { ...reply, code }
    }
  }
}
