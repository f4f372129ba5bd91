import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthEvent } from '../../lib/index.ts'
import { addPage } from '../support/applications.ts'
import { openBrowser, providerClient, secret, startFlow, type Flow } from '../support/flow.ts'

const path = '/account/applications'

async function start (t: Parameters<typeof startFlow>[0], options = {}) {
  return await startFlow(t, { options: { grantIndex: true, ...options }, routes: addPage })
}

async function login (flow: Flow, user: string, name = 'Desktop') {
  flow.provider.user = user
  return await flow.tokens(await flow.register({ client_name: name }), { browser: openBrowser() })
}

/** Its redirects are relative, unlike those of the endpoints. */
async function send ({ origin }: Flow, query: string, init: RequestInit) {
  const response = await fetch(origin + path + query, { redirect: 'manual', ...init })
  const { status, headers } = response
  return { status, headers, location: headers.get('location'), text: await response.text() }
}

const get = async (flow: Flow, user: string, query = '', headers = {}) =>
  await send(flow, query, { headers: { 'x-user': user, ...headers } })

const post = async (flow: Flow, user: string, form: string, headers = {}) =>
  await send(flow, '', {
    method: 'POST',
    headers: {
      'x-user': user,
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'text/html',
      ...headers
    },
    body: new URLSearchParams({ form }).toString()
  })

const formsIn = (page: string) =>
  [...page.matchAll(/name="form" value="([^"]+)"/g)].map(([, form = '']) => form)

test('the page lists the applications of its user, and removes one of them', async (t) => {
  const events: McpOAuthEvent[] = []
  const flow = await start(t, { onEvent: (event: McpOAuthEvent) => events.push(event) })
  const { access_token: token } = await login(flow, 'alice', '<b>Desktop</b>')
  await login(flow, 'bob', 'Editor')
  const page = await get(flow, 'alice')
  assert.equal(page.status, 200)
  assert.match(page.text, /&#60;b&#62;Desktop/)
  assert.doesNotMatch(page.text, /Editor|<script/)
  assert.match(
    String(page.headers.get('content-security-policy')),
    /default-src 'none'.*frame-ancestors 'none'/
  )
  assert.match(String(page.headers.get('cache-control')), /no-store/)
  const [form = ''] = formsIn(page.text)
  const reply = await post(flow, 'alice', form)
  assert.equal(reply.status, 303)
  assert.equal(reply.location, `?removed=${form}`)
  const after = await get(flow, 'alice', `?removed=${form}`)
  assert.match(after.text, /role="status">The access of .*Desktop.* was removed/)
  assert.deepEqual(formsIn(after.text), [])
  assert.equal((await flow.call(token)).status, 401)
  const [revoked] = events.filter(({ type }) => type === 'grant.revoked')
  assert.equal(revoked?.subject, 'alice')
  assert.equal(revoked.type === 'grant.revoked' && revoked.by, 'user')
})

test('nobody but the user of a form can send it, and only from the page', async (t) => {
  const flow = await start(t)
  const { access_token: token } = await login(flow, 'alice')
  const [form = ''] = formsIn((await get(flow, 'alice')).text)
  for (
    const [user, headers] of [
      ['bob', {}],
      ['alice', { 'sec-fetch-site': 'cross-site' }],
      ['alice', { 'sec-fetch-site': 'same-site' }],
      ['alice', { origin: 'https://evil.example' }]
    ] as const
  ) {
    assert.equal((await post(flow, user, form, headers)).status, 403, JSON.stringify(headers))
  }
  // A form that has expired, or was changed, leads to a new one.
  const stale = await post(flow, 'alice', `${form.slice(0, -4)}AAAA`)
  assert.deepEqual([stale.status, stale.location], [303, '?'])
  const forged = await get(flow, 'bob', `?removed=${form}`)
  assert.doesNotMatch(forged.text, /role="status"/)
  assert.equal((await flow.call(token)).status, 200)
  const other = { 'sec-fetch-site': 'same-origin', origin: flow.base }
  assert.equal((await post(flow, 'alice', form, other)).status, 303)
  assert.equal((await flow.call(token)).status, 401)
})

test('the hooks of the host run before the page, and a user without a subject gets 403', async (t) => {
  const flow = await start(t)
  for (const method of ['GET', 'POST']) {
    const reply = await send(flow, '', { method })
    assert.deepEqual([reply.status, reply.location], [302, '/login'])
  }
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, {
    issuer: flow.provider.issuer,
    ...providerClient,
    secret,
    setupProxies: true,
    grantIndex: true
  })
  const values = { '/a': null, '/b': undefined, '/c': '', '/d': 7 }
  for (const [prefix, value] of Object.entries(values)) {
    await app.register(app.mcpOAuth.connectedApplications({ subject: () => value }), { prefix })
  }
  for (const url of Object.keys(values)) assert.equal((await app.inject(url)).statusCode, 403)
})

test('the page is shown in the language of its reader', async (t) => {
  const flow = await start(t)
  await login(flow, 'alice')
  const page = await get(flow, 'alice', '', { 'accept-language': 'ar' })
  assert.match(page.text, /<html lang="ar" dir="rtl">/)
  assert.equal(page.headers.get('content-language'), 'ar')
})

test('connectedApplications() needs a function, and grantIndex', async (t) => {
  const flow = await startFlow(t, { options: { grantIndex: true } })
  const { connectedApplications } = flow.app.mcpOAuth
  assert.throws(() => connectedApplications({} as never), {
    message: /connectedApplications\.subject/
  })
  const other = await startFlow(t)
  assert.throws(() => other.app.mcpOAuth.connectedApplications({ subject: () => 'alice' }), {
    message: /connectedApplications: grants have no index\. Set grantIndex: true/
  })
})

test('the page is guarded by the hook of the app inside requireMcpAuth({ or })', async (t) => {
  const flow = await startFlow(t, {
    options: { grantIndex: true },
    routes: async (app) => {
      const authenticate = async ({ headers }: { headers: Record<string, unknown> }) => {
        if (headers['x-signature'] !== 'valid') {
          throw Object.assign(new Error('no session'), { statusCode: 401 })
        }
      }
      await app.register(async (scope) => {
        scope.addHook('onRequest', app.requireMcpAuth({ or: authenticate }))
        await addPage(scope)
      })
    }
  })
  assert.equal((await get(flow, 'alice')).status, 401)
  assert.equal((await get(flow, 'alice', '', { 'x-signature': 'valid' })).status, 200)
})

test('an application without scopes has no list of them', async (t) => {
  const flow = await start(t, { requiredScopes: [], mcp: undefined })
  await login(flow, 'alice')
  const { text } = await get(flow, 'alice')
  assert.match(text, /Desktop/)
  assert.doesNotMatch(text, /class="ticks"/)
})
