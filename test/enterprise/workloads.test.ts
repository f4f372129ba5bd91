import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { decodeJwt } from 'jose'
import { idJag, jwtBearer, startAssertionIssuer } from '../support/assertions.ts'
import { startFlow } from '../support/flow.ts'
import { isRefused, tokenOf } from '../support/id-jag.ts'
import { newKey, type KeyPair } from '../support/machines.ts'
import {
  actions,
  cloud,
  pod,
  startWorkloads,
  svid,
  type RunningWorkloads
} from '../support/workloads.ts'

const agent = { sub: 'system:serviceaccount:prod:agent' }
const now = () => Math.floor(Date.now() / 1000)

test('POST /oauth/token exchanges the token of a pod, without any client [WL-01 WL-02 WL-05]', async (t) => {
  const { exchange, call, platform, endpoint, ours, events, logs } = await startWorkloads(
    t,
    ({ issuer }) => [{ issuer, claims: agent, scopes: ['mcp:read'] }]
  )
  const { issuer } = platform
  const assertion = await platform.sign(pod(issuer, endpoint))
  const response = await exchange(assertion, { resource: ours.resource })
  const token = tokenOf(response)
  assert.deepEqual({ ...response.json() as object, access_token: null }, {
    access_token: null,
    token_type: 'Bearer',
    expires_in: 3600,
    scope: 'mcp:read'
  })
  assert.equal(response.headers['cache-control'], 'no-store')
  const { sub, client_id: client, aud, gty, 'kubernetes.io': copied } = decodeJwt(token)
  const subject = `${issuer}|${agent.sub}`
  assert.deepEqual([sub, client, aud, gty], [subject, subject, ours.resource, 'workload'])
  assert.equal(copied, undefined, 'no claim is copied')
  assert.equal((await call(token)).statusCode, 200)
  isRefused(await exchange(assertion), 400, 'invalid_grant')
  assert.equal((await call(token)).statusCode, 200)
  const told = events.filter(({ type }) => type.startsWith('token.'))
  assert.deepEqual(told.map(({ type }) => type), ['token.issued', 'token.refused'])
  const [issued = {}, refused = {}] = told as unknown as Array<Record<string, any>>
  assert.deepEqual([issued['subject'], issued['client']], [subject, undefined])
  assert.equal(refused['client'], undefined)
  const [, payload = '', signature = ''] = assertion.split('.')
  const written = logs.join('') + JSON.stringify(events)
  assert.ok(!written.includes(payload) && !written.includes(signature))
})

test('POST /oauth/token accepts tokens of four kinds of platforms [WL-06 WL-07]', async (t) => {
  const github = 'repo:acme/app:ref:refs/heads/*'
  const { exchange, platform, endpoint, issuer: ours } = await startWorkloads(
    t,
    ({ issuer }) => {
      const keys = { jwksUri: `${issuer}/keys`, scopes: ['mcp:read'] }
      const svids = { sub: 'spiffe://example.org/ns/*/sa/agent' }
      return [
        { issuer, claims: { sub: 'system:serviceaccount:*:agent' }, scopes: ['mcp:read'] },
        { issuer, claims: { sub: github, event_name: 'push' }, scopes: ['mcp:read'] },
        {
          issuer,
          claims: { sub: '113774264463038321964', email_verified: true },
          scopes: ['mcp:read'],
          audience: ['https://mcp.acme.example']
        },
        { issuer: 'spiffe://example.org', claims: svids, ...keys },
        { issuer: 'cluster.local', claims: agent, ...keys }
      ]
    }
  )
  const { issuer } = platform
  const rows: Record<string, [claims: object, header?: object]> = {
    'a pod': [pod(issuer, endpoint)],
    'a pod, for our issuer': [pod(issuer, ours)],
    'a pod of a cluster without a URL': [pod('cluster.local', endpoint)],
    'a workflow': [actions(issuer, endpoint), { typ: 'JWT' }],
    'a service account': [cloud(issuer, 'https://mcp.acme.example'), { typ: 'JWT' }],
    'an SVID without iss': [svid(endpoint), { typ: 'JWT' }],
    'an SVID with typ JOSE': [svid(endpoint, { exp: now() + 299 }), { typ: 'JOSE' }],
    'an SVID with iss': [svid(endpoint, { iss: 'spiffe://example.org' })]
  }
  for (const [name, [claims, header]] of Object.entries(rows)) {
    const assertion = await platform.sign(claims, header)
    const { iss = 'spiffe://example.org', sub } = decodeJwt(assertion)
    const reply = await exchange(assertion)
    assert.equal(reply.statusCode, 200, name)
    assert.equal(decodeJwt(tokenOf(reply)).sub, `${iss}|${sub}`, name)
    isRefused(await exchange(assertion), 400, 'invalid_grant')
  }
})

const attacker = newKey()
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const withPart = (at: number, change: (text: string) => string) => (valid: string) =>
  valid.split('.').map((text, index) => index === at ? change(text) : text).join('.')

interface Row {
  claims?: object
  header?: object
  key?: KeyPair
  change?: (valid: string, given: RunningWorkloads) => string
  params?: object
  headers?: object
  error?: string
  status?: number
}

const invalid = (given: RunningWorkloads): Record<string, Row> => ({
  'another issuer': { claims: { iss: 'https://evil.example' } },
  'an issuer with a slash': { claims: { iss: `${given.platform.issuer}/` } },
  'no issuer': { claims: { iss: undefined } },
  'several issuers': { claims: { iss: [given.platform.issuer] } },
  'a trust domain that is not listed': {
    claims: { iss: undefined, sub: 'spiffe://evil.example/ns/prod/sa/agent' }
  },
  'a trust domain with a port': {
    claims: { iss: undefined, sub: 'spiffe://example.org:1/ns/prod/sa/agent' }
  },
  'no subject': { claims: { sub: undefined } },
  'an empty subject': { claims: { sub: '' } },
  'a subject of another type': { claims: { sub: [agent.sub] } },
  'another subject': { claims: { sub: 'system:serviceaccount:prod:other' } },
  'a longer subject': { claims: { sub: `${agent.sub}:x` } },
  'a subject with a line end': { claims: { sub: `${agent.sub}\n` } },
  'a claim of another type': { claims: { trusted: 'true' } },
  'no such claim': { claims: { trusted: undefined } },
  'an inherited claim': {
    claims: { trusted: undefined, ...JSON.parse('{"__proto__":{"trusted":true}}') }
  },
  'another audience': { claims: { aud: 'https://wrong.example' } },
  'the resource as audience': { claims: { aud: given.ours.resource } },
  'one more audience': { claims: { aud: [given.endpoint, 'https://wrong.example'] } },
  'no audience': { claims: { aud: undefined } },
  'an empty audience': { claims: { aud: [] } },
  'an audience of another entry': { claims: { aud: 'only-for-others' } },
  'an end in the past': { claims: { exp: now() - 31, iat: now() - 600 } },
  'no end': { claims: { exp: undefined } },
  'an end that is no number': { claims: { exp: String(now() + 60) } },
  'a life of two days': { claims: { exp: now() + 172_800 } },
  'no time of issue': { claims: { iat: undefined } },
  'a time of issue in the future': { claims: { iat: now() + 120 } },
  'not yet valid': { claims: { nbf: now() + 120 } },
  'an empty jti': { claims: { jti: '' } },
  'a jti that is no text': { claims: { jti: 1 } },
  'a jti of 600 characters': { claims: { jti: 'x'.repeat(600) } },
  'the type of an access token': { header: { typ: 'at+jwt' } },
  'the type of a proof': { header: { typ: 'dpop+jwt' } },
  'the type of an identity assertion': { header: idJag, error: 'invalid_request' },
  'an unknown key': { key: attacker, header: { kid: 'x' } },
  'another key without an id': { key: attacker },
  'another key with a known id': { key: attacker, header: { kid: 'key-0' } },
  'the key in its header': { key: attacker, header: { jwk: attacker.jwk } },
  'a critical parameter': { change: withPart(0, () => part({ alg: 'ES256', crit: ['x'], x: 1 })) },
  'no algorithm': { change: valid => `${part({ alg: 'none' })}.${valid.split('.')[1]}.` },
  'HMAC with the public key': {
    change: (valid, { platform }) => {
      const signed = `${part({ alg: 'HS256', kid: 'key-0' })}.${valid.split('.')[1]}`
      const hmac = createHmac('sha256', JSON.stringify(platform.keys[0]?.jwk)).update(signed)
      return `${signed}.${hmac.digest('base64url')}`
    }
  },
  'other claims': { change: withPart(1, () => part({ sub: 'admin' })) },
  'no signature': { change: withPart(2, () => '') },
  'no JWT': { change: () => 'x' },
  'four parts': { change: valid => `${valid}.x` },
  'a padded signature': { change: withPart(2, text => `${text}=`) },
  'no assertion': { change: () => '', error: 'invalid_request' },
  'a scope that its entry lacks': { params: { scope: 'mcp:write' }, error: 'invalid_scope' },
  'an unknown scope': { params: { scope: 'wif.rejected' }, error: 'invalid_scope' },
  'another resource': { params: { resource: 'https://e.example/mcp' }, error: 'invalid_target' },
  'an unknown client with a secret': {
    params: { client_id: 'x', client_secret: 'y' },
    error: 'invalid_client',
    status: 401
  }
})

test('POST /oauth/token refuses invalid tokens of workloads, with one event each [WL-03 WL-04]', async (t) => {
  const given = await startWorkloads(t, ({ issuer }) => [
    { issuer, claims: { ...agent, trusted: true }, scopes: ['mcp:read'] },
    { issuer, claims: { sub: 'other' }, scopes: ['mcp:read'], audience: ['only-for-others'] },
    {
      issuer: 'spiffe://example.org',
      jwksUri: `${issuer}/keys`,
      claims: { sub: 'spiffe://*/ns/prod/sa/agent' },
      scopes: ['mcp:read']
    }
  ])
  const { exchange, platform, endpoint, events, logs } = given
  const descriptions = new Map<string, string>()
  for (const [name, row] of Object.entries(invalid(given))) {
    const { claims, header, key, change, params, headers, error = 'invalid_grant', status } = row
    const valid = pod(platform.issuer, endpoint, { trusted: true })
    const signed = await platform.sign({ ...valid, ...claims }, header, key)
    const sent = change ? change(signed, given) : signed
    events.length = 0
    const reply = await exchange(sent, params, headers)
    isRefused(reply, status ?? 400, error)
    const { error_description: description } = reply.json()
    if (error === 'invalid_grant') descriptions.set(description, name)
    assert.equal(reply.headers['cache-control'], 'no-store', name)
    const told = events.filter(({ type }) => type.startsWith('token.'))
    assert.deepEqual(told.map(({ type }) => type), ['token.refused'], name)
    assert.equal((told[0] as Record<string, any>)['error'], error, name)
    assert.ok(sent.length < 9 || !logs.join('').includes(sent), name)
  }
  assert.equal(descriptions.size, 1, 'one sentence for all')
  const assertion = await platform.sign(pod(platform.issuer, endpoint, { trusted: true }))
  for (const params of [{ scope: 'mcp:write' }, { resource: 'https://e.example/mcp' }]) {
    assert.equal((await exchange(assertion, params)).statusCode, 400)
  }
  tokenOf(await exchange(assertion))
})

test('POST /oauth/token issues scopes of the entry, or fewer, and names the grant [WL-05 WL-08]', async (t) => {
  const { exchange, platform, endpoint, app } = await startWorkloads(t, ({ issuer }) => [
    { issuer, claims: agent, scopes: ['mcp:read', 'mcp:write'] }
  ])
  const sign = () => platform.sign(pod(platform.issuer, endpoint))
  assert.equal((await exchange(await sign())).json().scope, 'mcp:read mcp:write')
  assert.equal((await exchange(await sign(), { scope: 'mcp:write' })).json().scope, 'mcp:write')
  const metadata = (await app.inject('/.well-known/oauth-authorization-server')).json()
  assert.ok(metadata.grant_types_supported.includes(jwtBearer))
  assert.equal(metadata.authorization_grant_profiles_supported, undefined)
})

test('POST /oauth/token refuses tokens of workloads without the option, which adds no grant [WL-08]', async (t) => {
  const { exchange, platform, endpoint, app } = await startWorkloads(t, () => [])
  const assertion = await platform.sign(pod(platform.issuer, endpoint))
  isRefused(await exchange(assertion), 400, 'unsupported_grant_type')
  const metadata = (await app.inject('/.well-known/oauth-authorization-server')).json()
  assert.ok(!metadata.grant_types_supported.includes(jwtBearer))
})

test('POST /oauth/token is 503 while the platform is unreachable, and succeeds later [WL-09]', async (t) => {
  const { exchange, platform, endpoint, events } = await startWorkloads(t, ({ issuer }) => [
    { issuer: 'cluster.local', jwksUri: `${issuer}/keys`, claims: agent, scopes: ['mcp:read'] }
  ])
  platform.isDown = true
  const assertion = await platform.sign(pod('cluster.local', endpoint))
  const reply = await exchange(assertion)
  isRefused(reply, 503, 'temporarily_unavailable')
  assert.ok(Number(reply.headers['retry-after']) > 0)
  isRefused(
    await exchange(await platform.sign(pod('cluster.local', endpoint, { exp: now() - 60 }))),
    400,
    'invalid_grant'
  )
  assert.equal(events.filter(({ type }) => type === 'token.refused').length, 1)
  platform.isDown = false
  // The next load waits for one second, and a quarter more.
  await new Promise(resolve => setTimeout(resolve, 1_300))
  tokenOf(await exchange(assertion))
})

test('two clusters with one name have keys of their own [WL-06]', async (t) => {
  const other = await startAssertionIssuer(t)
  const { exchange, platform, endpoint } = await startWorkloads(t, ({ issuer }) => [
    { issuer: 'cluster.local', jwksUri: `${issuer}/keys`, claims: agent, scopes: ['mcp:read'] },
    {
      issuer: 'cluster.local',
      jwksUri: `${other.issuer}/keys`,
      claims: agent,
      scopes: ['mcp:read', 'mcp:write']
    }
  ])
  for (const [cluster, scope] of [[platform, 'mcp:read'], [other, 'mcp:read mcp:write']] as const) {
    const reply = await exchange(await cluster.sign(pod('cluster.local', endpoint)))
    assert.equal(reply.json().scope, scope, reply.body)
  }
})

test('a token of a workload is accepted without registration, and can be revoked [WL-05]', async (t) => {
  const { exchange, call, platform, endpoint, app } = await startWorkloads(
    t,
    ({ issuer }) => [{ issuer, claims: agent, scopes: ['mcp:read'] }],
    { setupFakeDynamicRegistration: false }
  )
  const sign = () => platform.sign(pod(platform.issuer, endpoint))
  const token = tokenOf(await exchange(await sign()))
  assert.equal((await call(token)).statusCode, 200)
  await app.mcpOAuth.revoke({ subject: `${platform.issuer}|${agent.sub}` })
  assert.equal((await call(token)).statusCode, 401)
})

test('tools see that no person is there, and are listed as far as the token opens them [WL-12]', async (t) => {
  const callers: Array<Record<string, unknown> | undefined> = []
  for (const visible of [undefined, 'reachable', 'allowed'] as const) {
    const { exchange, call, platform, endpoint } = await startWorkloads(
      t,
      ({ issuer }) => [
        { issuer, claims: agent, scopes: ['mcp:read'] },
        { issuer, claims: { sub: 'admin' }, scopes: ['mcp:write', 'mcp:read'] }
      ],
      {
        mcp: {
          tools: visible === undefined ? true : { visible },
          toolScopes: { whoami: ['mcp:write'] },
          authorizeTool: ({ caller }) => {
            callers.push(caller?.claims)
            return true
          }
        }
      }
    )
    for (const [sub, names] of [[agent.sub, []], ['admin', ['whoami']]] as const) {
      const token = tokenOf(
        await exchange(
          await platform.sign(
            pod(platform.issuer, endpoint, { sub })
          )
        )
      )
      const reply = await call(token)
      const text = /^data: (.*)$/m.exec(reply.body)?.[1] ?? reply.body
      const { result } = JSON.parse(text) as { result: { tools: Array<{ name: string }> } }
      assert.deepEqual(result.tools.map(({ name }) => name), names, String(visible))
    }
  }
  assert.ok(callers.length > 0)
  assert.ok(callers.every(claims => claims?.['gty'] === 'workload'))
})

test('POST /oauth/token refuses a workload without its key, and one revoked since [WL-05]', async (t) => {
  const { app, exchange, platform, endpoint } = await startWorkloads(
    t,
    ({ issuer }) => [{ issuer, claims: agent, scopes: ['mcp:read'] }]
  )
  const { issuer } = platform
  const bound = await platform.sign(pod(issuer, endpoint, { cnf: { jkt: 'a'.repeat(43) } }))
  isRefused(await exchange(bound), 400, 'invalid_grant')
  const early = await platform.sign(pod(issuer, endpoint, { iat: now() - 5 }))
  await app.mcpOAuth.revoke({ subject: `${issuer}|${agent.sub}` })
  isRefused(await exchange(early), 400, 'invalid_grant')
  const later = await platform.sign(pod(issuer, endpoint, { iat: now() + 5 }))
  assert.equal((await exchange(later)).statusCode, 200)
})

test('POST /oauth/token tries the keys of both clusters of one name, while one is down [WL-07]', async (t) => {
  const other = await startAssertionIssuer(t)
  const { exchange, platform, endpoint } = await startWorkloads(t, ({ issuer }) => [
    { issuer: 'cluster.local', jwksUri: `${issuer}/keys`, claims: agent, scopes: ['mcp:read'] },
    {
      issuer: 'cluster.local',
      jwksUri: `${other.issuer}/keys`,
      claims: agent,
      scopes: ['mcp:read']
    }
  ])
  const send = async () =>
    (await exchange(await other.sign(pod('cluster.local', endpoint)))).statusCode
  assert.deepEqual([await send(), await send()], [200, 200])
  platform.isDown = true
  assert.equal(await send(), 200)
})

test('the start tells of scopes that one option alone has', async (t) => {
  const flow = await startFlow(t, {
    options: {
      requiredScopes: ['notes:read'],
      workloads: [{
        issuer: 'https://cluster.example',
        claims: agent,
        scopes: ['notes:read', 'notes:raed']
      }]
    }
  })
  const [line = '', ...others] = flow.logs.filter(line => line.includes('Only this option has'))
  assert.deepEqual(others, [])
  const { option, scopes } = JSON.parse(line)
  assert.deepEqual([option, scopes], ['workloads', ['notes:raed']])
})
