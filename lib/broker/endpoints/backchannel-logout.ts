/** How does the provider say that a user has logged out? */

import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { issuerSkewSeconds, logoutTokenSeconds } from '../../limits.ts'
import { invalidRequest, required } from '../../oauth/parameters.ts'
import type { Logout } from '../../provider/logout.ts'
import { assertUnused, useOnce, type SingleUse } from '../../store/single-use.ts'
import { lazy } from '../../util/lazy.ts'
import type { Broker } from '../broker.ts'
import { sessionOf, userWithoutSession } from '../revocation.ts'

const load = lazy('backchannelLogout', () => import('../../provider/logout.ts'))
const verifiers = new WeakMap<Broker, (token: string, now: number) => Promise<Logout>>()

/**
 * `POST /oauth/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0): ends the logins of a
 * session of the user at the provider, or of all of them.
 */
export const backchannelLogoutEndpoint: Endpoint<Broker> = {
  name: 'backchannel-logout',
  methods: ['POST'],
  limit: 'token',
  body: 'form',
  isServed: ({ config }) => config.backchannelLogout,
  async handle (broker, request, reply) {
    const token = required(formOf(request), 'logout_token')
    const now = broker.now()
    const logout = await (await verifierOf(broker))(token, now)
    const use: SingleUse = {
      marks: broker.marks,
      kind: 'logout',
      id: logout.id,
      ttl: logoutTokenSeconds + 2 * issuerSkewSeconds,
      used: () => invalidRequest('The logout token was used before.')
    }
    await assertUnused(use)
    await useOnce([use], () => reply.raw.destroyed, () => end(broker, logout, now))
    const { subject, session } = logout
    const filter = session === undefined ? { subject } : { session: sessionOf(session) }
    broker.events.of(request)('grant.revoked', { by: 'provider', subject, filter })
    return reply.code(200).send()
  }
}

async function verifierOf (broker: Broker) {
  const { createLogoutVerifier } = await load()
  const { config: { provider }, discovery: { metadata }, log } = broker
  const clientId = provider.clientId as string
  const verify = verifiers.get(broker) ?? createLogoutVerifier({ metadata, clientId, log })
  verifiers.set(broker, verify)
  return verify
}

/** A session is one browser: the logins of the user in others go on, if their session is known. */
async function end ({ revocations }: Broker, { subject, session }: Logout, now: number) {
  const until = Math.round(now * 1000)
  if (session === undefined) return await revocations.revoke('subject', String(subject), until)
  await revocations.revoke('session', sessionOf(session), until)
  if (subject !== undefined) {
    await revocations.revoke('session', userWithoutSession(subject), until)
  }
}
