import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { acceptBody } from '../../lib/host/endpoint.ts'
import { isolatedScope } from '../../lib/host/isolate.ts'
import { replyWithConsentPage, type ConsentPage } from '../../lib/pages/consent.ts'

export const basePage: ConsentPage = {
  action: '/oauth/consent',
  sealed: 'sealed-request',
  client: { id: 'sealed-client', name: 'Night Owl' },
  redirectUri: 'https://owl.example/cb?x=1',
  scopes: ['openid', 'offline_access', 'tasks:read', 'tasks:write'],
  resource: 'https://mcp.example/mcp',
  provider: 'login.example',
  consent: { name: 'Tasks', scopes: { 'tasks:read': 'Read your tasks' } }
}
export const onLoopback = { ...basePage, redirectUri: 'http://127.0.0.1:51234/cb' }

/** An app that shows a consent page, and returns what its form sends. */
export function serve (t: TestContext, page: ConsentPage): FastifyInstance {
  const app = Fastify()
  t.after(() => app.close())
  isolatedScope(app, '', scope => {
    acceptBody(scope, 'form')
    scope.get('/', (_request, reply) => replyWithConsentPage(reply, page))
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
