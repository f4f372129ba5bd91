import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { acceptBody } from '../../lib/host/endpoint.ts'
import { isolatedScope } from '../../lib/host/isolate.ts'
import { McpOAuthError, type ErrorDetails, type ErrorKind } from '../../lib/errors.ts'
import { replyWithConsentPage, type ConsentPage } from '../../lib/pages/consent.ts'
import { replyWithErrorPage } from '../../lib/pages/errors.ts'

export const basePage: ConsentPage = {
  action: '/oauth/consent',
  sealed: 'sealed-request',
  client: { id: 'sealed-client', name: 'Night Owl' },
  redirectUri: 'https://owl.example/cb?x=1',
  scopes: ['openid', 'offline_access', 'tasks:read', 'tasks:write'],
  tools: [],
  resource: 'https://mcp.example/mcp',
  provider: 'login.example',
  consent: { name: 'Tasks', scopes: { 'tasks:read': 'Read your tasks' } }
}
export const onLoopback = { ...basePage, redirectUri: 'http://127.0.0.1:51234/cb' }

/** An error page that a test asks for. */
export interface ErrorQuery extends Pick<ErrorDetails, 'page' | 'description'> {
  step?: 'authorize' | 'consent' | 'callback'
  kind?: ErrorKind
  back?: string
}

/**
 * An app that shows a consent page at `/`, returns what its form sends, and shows error pages at
 * `/error`.
 */
export function serve (
  t: Pick<TestContext, 'after'>,
  page: ConsentPage,
  options: FastifyServerOptions = {}
): FastifyInstance {
  const app = Fastify(options)
  t.after(() => app.close())
  isolatedScope(app, '', scope => {
    acceptBody(scope, 'form')
    scope.get('/', (_request, reply) => replyWithConsentPage(reply, page))
    scope.get<{ Querystring: ErrorQuery }>('/error', ({ query }, reply) => {
      const { step = 'authorize', kind = 'invalidRequest', back, ...details } = query
      return replyWithErrorPage(page.consent, step, reply, new McpOAuthError(kind, details), {
        back
      })
    })
    scope.post(
      '/oauth/consent',
      async ({ body, headers }) => ({
        body,
        origin: headers.origin,
        site: headers['sec-fetch-site'],
        referer: headers.referer
      })
    )
  })
  return app
}
