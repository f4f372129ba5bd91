import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { introspectionVerifier, jwtVerifier, type TokenVerifier } from '../../lib/index.ts'
import { buildApp } from '../support/app.ts'
import { startFlow } from '../support/flow.ts'
import { callerIn, startGuarded, whoami, whoamiCall } from '../support/guarded.ts'
import { startIntrospection } from '../support/introspection.ts'
import { startIssuer } from '../support/issuer.ts'
import { sendRequest, type Received } from '../support/requests.ts'

async function call (url: string, token: string): Promise<Received> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${token}`
  }
  return await sendRequest(url, { method: 'POST', headers, body: JSON.stringify(whoamiCall) })
}

async function prmOf (mcpUrl: string): Promise<Record<string, unknown>> {
  const { origin, pathname } = new URL(mcpUrl)
  return await (await sendRequest(`${origin}/.well-known/oauth-protected-resource${pathname}`))
    .json() as Record<string, unknown>
}

test('several issuers are published, and each is trusted for its own tokens only [PRM-10 PRM-02 J-08]', async (t) => {
  const [one, two, foreign] = await Promise.all([startIssuer(), startIssuer(), startIssuer()])
  for (const issuer of [one, two, foreign]) t.after(issuer.close)
  const opaque = await startIntrospection(t)
  const { mcpUrl } = await buildApp(t, {
    tokens: [
      jwtVerifier({ issuer: one.issuer }),
      jwtVerifier({ issuer: two.issuer }),
      introspectionVerifier({ issuer: opaque.issuer, clientId: 'server', clientSecret: 'secret' })
    ],
    mcp: { server: whoami() }
  })
  assert.deepEqual((await prmOf(mcpUrl))['authorization_servers'], [
    one.issuer,
    two.issuer,
    opaque.issuer
  ])
  for (const issuer of [one, two]) {
    assert.deepEqual(
      (await callerIn(await call(mcpUrl, await issuer.mint({ aud: mcpUrl, sub: issuer.issuer }))))[
        'subject'
      ],
      issuer.issuer
    )
  }
  opaque.response = { active: true, aud: mcpUrl, sub: 'opaque' }
  assert.equal((await callerIn(await call(mcpUrl, 'opaque')))['subject'], 'opaque')
  for (
    const forged of [
      await one.mint({ aud: mcpUrl }, { key: two.key }),
      await one.mint({ aud: mcpUrl, iss: two.issuer }),
      await foreign.mint({ aud: mcpUrl })
    ]
  ) {
    const rejected = await call(mcpUrl, forged)
    assert.equal(rejected.status, 401)
    assert.match(rejected.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
  }
  assert.equal(opaque.requests.length, 1, 'it receives no JWTs of other issuers')
})

test('an unavailable issuer does not affect the tokens of another one [PRM-10 F-01]', async (t) => {
  const [one, two] = await Promise.all([startIssuer(), startIssuer()])
  for (const issuer of [one, two]) t.after(issuer.close)
  const { mcpUrl } = await buildApp(t, {
    tokens: [jwtVerifier({ issuer: one.issuer }), jwtVerifier({ issuer: two.issuer })],
    mcp: { server: whoami() }
  })
  one.fail.set('/jwks', 'error')
  const unavailable = await call(mcpUrl, await one.mint({ aud: mcpUrl }))
  assert.deepEqual([unavailable.status, unavailable.headers.get('retry-after')], [503, '5'])
  assert.equal((await call(mcpUrl, await two.mint({ aud: mcpUrl }))).status, 200)
})

test('a broker with tokens: jwtVerifier() also accepts the tokens of that issuer [PRM-10]', async (t) => {
  const other = await startIssuer()
  t.after(other.close)
  const flow = await startFlow(t, { options: { tokens: jwtVerifier({ issuer: other.issuer }) } })
  const prm = await flow.send('/.well-known/oauth-protected-resource/mcp')
  assert.deepEqual(prm.json()['authorization_servers'], [flow.base, other.issuer])
  const { access_token: own } = await flow.tokens(await flow.register())
  assert.equal((await flow.call(own)).status, 200)
  assert.equal(
    (await flow.call(await other.mint({ aud: flow.resource, scope: 'mcp:read' }))).status,
    200
  )
  assert.equal((await flow.call(await other.mint({ aud: flow.resource, scope: '' }))).status, 403)
  assert.equal(
    (await flow.call(await other.mint({ aud: flow.resource, iss: flow.base, scope: 'mcp:read' })))
      .status,
    401
  )
})

test('the debug log has the result of each verifier in order, and no token [RS-21]', async (t) => {
  const lines: string[] = []
  const app = Fastify({
    logger: {
      level: 'debug',
      stream: {
        write: (line: string) => {
          lines.push(line)
        }
      }
    }
  })
  const apiKeys: TokenVerifier = async () => null
  const issuer = await startIssuer()
  t.after(issuer.close)
  const guarded = await startGuarded(t, {
    tokens: [apiKeys, jwtVerifier({ issuer: issuer.issuer })]
  }, { app })
  const results = () =>
    lines.splice(0).map(line => JSON.parse(line)).filter(({ msg }) =>
      msg === 'A verifier checked an access token'
    ).map(({ verifier, outcome, reason, reqId }) => ({
      verifier,
      outcome,
      reason,
      reqId: typeof reqId
    }))
  const unknown = { verifier: 'apiKeys', outcome: 'unknown', reason: undefined, reqId: 'string' }
  const token = await issuer.mint({ aud: guarded.mcpUrl })
  await guarded.call(token)
  assert.deepEqual(results(), [unknown, {
    verifier: issuer.issuer,
    outcome: 'valid',
    reason: undefined,
    reqId: 'string'
  }])
  await guarded.call(`${token.slice(0, -4)}AAAA`)
  assert.deepEqual(results(), [unknown, {
    verifier: issuer.issuer,
    outcome: 'invalid',
    reason: 'The access token was rejected: signature verification failed',
    reqId: 'string'
  }])
  await guarded.call('something else')
  assert.deepEqual(results(), [])
  await guarded.call('opaque')
  assert.deepEqual(results(), [unknown, { ...unknown, verifier: issuer.issuer }])
  assert.doesNotMatch(lines.join(''), new RegExp(token.split('.')[2] ?? ''))
})

test('the log, but not the response, has rejected audiences, issuers and origins', async (t) => {
  const lines: string[] = []
  const app = Fastify({
    logger: {
      level: 'info',
      stream: {
        write: (line: string) => {
          lines.push(line)
        }
      }
    }
  })
  const { mcpUrl, issuer } = await startGuarded(t, { allowedOrigins: ['https://app.example'] }, {
    app
  })
  const rejections = [
    await call(mcpUrl, await issuer.mint({ aud: ['https://canary.example', 'b'] })),
    await call(mcpUrl, await issuer.mint({ aud: mcpUrl, iss: `${issuer.issuer}/` })),
    await call(mcpUrl, 'opaque'),
    await call(mcpUrl, 'undefined'),
    await sendRequest(mcpUrl, { method: 'POST', headers: { origin: 'https://canary.example' } })
  ]
  assert.deepEqual(rejections.map(({ status }) => status), [401, 401, 401, 401, 403])
  for (const rejection of rejections) {
    assert.doesNotMatch(
      await rejection.text() + rejection.headers.get('www-authenticate'),
      /canary/
    )
  }
  const reasons = lines.map(line => (JSON.parse(line) as { reason?: string }).reason ?? '').filter(
    reason => reason !== ''
  )
  const unknown = 'no verifier recognizes the access token: '
  assert.deepEqual(reasons, [
    'The access token was rejected: its audience is ["https://canary.example","b"], ' +
    `not ${mcpUrl}. Let the provider issue tokens for that, or set audience`,
    `${unknown}its issuer is "${issuer.issuer}/", and expected is ${issuer.issuer}. ` +
    'Compare them byte by byte',
    `${unknown}it is opaque, or inactive. Use introspectionVerifier for opaque tokens of a provider, or the broker`,
    `${unknown}it is the text "undefined": the client has lost its token. Let it check the token response`,
    'the Origin: "https://canary.example"'
  ])
})

test('many invalid tokens of one address are one warning with it, others and expired ones none', async (t) => {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const app = Fastify({ trustProxy: true, logger: { level: 'warn', stream } })
  const { mcpUrl, issuer } = await startGuarded(t, {}, { app })
  const send = async (address: string, count: number, expired = '') => {
    for (let at = 0; at < count; at++) {
      const authorization = `Bearer ${expired || `canary${at}`}`
      const headers = { authorization, 'x-forwarded-for': address }
      assert.equal((await sendRequest(mcpUrl, { method: 'POST', headers })).status, 401)
    }
  }
  const now = Math.floor(Date.now() / 1000)
  // Of one address, 100 of these are within one minute of the clock.
  await send('203.0.113.7', 210)
  await send('203.0.113.8', 40)
  await send('203.0.113.9', 210, await issuer.mint({ aud: mcpUrl, iat: now - 900, exp: now - 300 }))
  await send('a text of the client', 210)
  const warnings = lines.map(line => JSON.parse(line)).filter(({ msg }) => msg.startsWith('One'))
  assert.ok(warnings.length === 1 || warnings.length === 2, lines.join())
  for (const { address, msg } of warnings) {
    assert.equal(address, '203.0.113.7')
    assert.match(msg, /^One address sent 100 invalid access tokens in a minute/)
  }
  assert.doesNotMatch(lines.join(), /canary/)
})

test('a token from the future is one warning of the clock, which names whose other clock it is', async (t) => {
  const lines: string[] = []
  const app = Fastify({
    logger: { level: 'warn', stream: { write: line => lines.push(line) } }
  })
  const { mcpUrl, issuer } = await startGuarded(t, {}, { app })
  const iat = Math.floor(Date.now() / 1000) + 900
  for (const sub of ['a', 'b']) await call(mcpUrl, await issuer.mint({ aud: mcpUrl, iat, sub }))
  assert.equal(lines.length, 1)
  assert.match(String(lines[0]), /differs from that of the issuer of a token. Compare both/)

  const flow = await startFlow(t)
  const token = (await flow.tokens(await flow.register()))['access_token'] as string
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() - 900_000 })
  await flow.call(token)
  t.mock.timers.reset()
  assert.match(flow.logs.join(''), /differs from that of another instance of this server/)
})
