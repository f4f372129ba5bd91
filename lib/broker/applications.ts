/** How does a page of the host's app list the grants of its user, and end one? */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import type { ApplicationsOptions, UserGrant } from '../guard/grants.ts'
import { acceptBody, formOf, queryOf } from '../host/endpoint.ts'
import { isolatedScope } from '../host/isolate.ts'
import { applicationFormSeconds, maxConsentFormBytes, maxGrantPages } from '../limits.ts'
import { parameters, single } from '../oauth/parameters.ts'
import { replyWithApplications } from '../pages/applications.ts'
import { pageErrorHandler } from '../pages/errors.ts'
import type { Broker } from './broker.ts'
import type { createGrantIndex } from './grant-index.ts'

/** Sealed into the form of a grant: it ends that grant only, and for its own user only. */
interface Removal {
  subject: string
  grant: string
  name: string | null
}

type Grants = ReturnType<typeof createGrantIndex>

/**
 * Serves the page in a scope of the host's app that is isolated from it. The host's hooks run
 * before: they log its user in.
 */
export function serveApplications (
  instance: FastifyInstance,
  broker: Broker,
  grants: Grants,
  subjectOf: ApplicationsOptions['subject']
) {
  const { config: { consent }, events, revocation, sealer } = broker
  const open = async (value: string | undefined) =>
    await sealer.open('removal', value ?? '', broker.now()) as unknown as Removal | null

  async function show (request: FastifyRequest, reply: FastifyReply) {
    const subject = await subjectIn(request)
    const listed = await grantsOf(grants, subject)
    const applications = await Promise.all(listed.map(async grant => {
      const removal: Removal = { subject, grant: grant.grant, name: grant.client.name }
      const form = await sealer.seal('removal', removal, applicationFormSeconds, broker.now())
      return { ...grant, form }
    }))
    const removal = await open(single(parameters(queryOf(request)), 'removed'))
    const isRemoved = removal?.subject === subject &&
      !listed.some(({ grant }) => grant === removal.grant)
    return await replyWithApplications(
      reply,
      consent,
      applications,
      isRemoved ? removal.name : undefined
    )
  }

  async function remove (request: FastifyRequest, reply: FastifyReply) {
    const subject = await subjectIn(request)
    const form = single(formOf(request), 'form') ?? ''
    const removal = await open(form)
    // A page that was open for too long: its next form is new.
    if (removal === null) return reply.redirect('?', 303)
    if (removal.subject !== subject) throw forbidden('the form is that of another user')
    if (!isSameOrigin(request)) throw forbidden('the form was sent from another page')
    const grant = await grants.find(removal.grant)
    if (grant?.subject === subject) {
      await revocation.revokeGrant(grant.grant, broker.now())
      const { client } = grant
      events.of(request)('grant.revoked', { by: 'user', subject, client, grant: grant.grant })
    }
    return reply.redirect(`?removed=${form}`, 303)
  }

  async function subjectIn (request: FastifyRequest) {
    const subject = await subjectOf(request)
    if (typeof subject !== 'string' || subject === '') throw forbidden('subject() returned no user')
    return subject
  }

  isolatedScope(instance, instance.prefix, scope => {
    acceptBody(scope, 'form')
    const route = {
      url: '/',
      // No `mcpOAuth`, whose routes the hooks of the app may skip: these need them.
      config: { mcp: false as const, cors: false },
      bodyLimit: maxConsentFormBytes,
      errorHandler: pageErrorHandler('consent')(broker)
    }
    scope.route({ ...route, method: 'GET', handler: show })
    scope.route({ ...route, method: 'POST', handler: remove })
  })
}

/** Returns the grants of a user, those of the latest logins first. */
async function grantsOf ({ list }: Grants, subject: string) {
  const grants: UserGrant[] = []
  let cursor: string | null | undefined
  for (let pages = 0; pages < maxGrantPages && cursor !== null; pages++) {
    const page = await list({ subject, ...cursor && { cursor } })
    grants.push(...page.grants)
    cursor = page.cursor
  }
  return grants
}

/** As far as the browser tells. Other sites cannot read the form, so its value is a proof, too. */
function isSameOrigin ({ headers, host }: FastifyRequest) {
  const { origin = 'null', 'sec-fetch-site': site } = headers
  if (site !== undefined) return site === 'same-origin'
  return origin === 'null' || (URL.canParse(origin) && new URL(origin).host === host)
}

const forbidden = (reason: string) =>
  new McpOAuthError('accessDenied', { page: 'otherBrowser', cause: new Error(reason) })
