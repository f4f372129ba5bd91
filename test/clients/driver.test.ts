import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { unknown, type ClientFacts } from './client.ts'
import { openClient, replay, type DriverOptions } from './driver.ts'
import { clients } from './index.ts'
import { kiro } from './kiro.ts'
import { assertSteps } from './outcome.ts'
import { driverOptions, startServer } from './server.ts'
import { windsurf } from './windsurf.ts'

// Documents of clients are at hosts that tests must not ask: test/integration/clients.test.ts.
const mcpUrl = await startServer({ after }, { clientIdMetadata: false })

for (const [id, facts] of Object.entries(clients)) {
  if (facts.registration === null) continue
  test(`${id} logs in, lists, calls, refreshes, steps up and signs out`, async () => {
    assertSteps(await replay(facts, mcpUrl, driverOptions), facts)
  })
}

for (const [id, facts] of Object.entries(clients)) {
  const { redirectUris, registration } = facts
  if (registration === null || redirectUris === unknown) continue
  for (const uri of redirectUris.slice(1)) {
    test(`${id} registers and logs in with its other redirect URI ${uri}`, async () => {
      assertSteps(await replay({ ...facts, redirectUris: [uri] }, mcpUrl, driverOptions), facts)
    })
  }
  const loopback = redirectUris.find(uri => uri.includes('{port}'))
  if (loopback === undefined) continue
  test(`${id} logs in again at another loopback port with the same client id`, async () => {
    const logins: URLSearchParams[] = []
    const moving: ClientFacts = { ...facts, redirectUris: [loopback], ports: 'ephemeral' }
    const client = openClient(moving, mcpUrl, {
      ...driverOptions,
      browser (url) {
        logins.push(url.searchParams)
        return driverOptions.browser(url)
      }
    })
    for (const step of ['register', 'log in', 'log in again'] as const) {
      const { outcome, problem } = await client.run(step)
      assert.equal(outcome, 'ok', problem)
    }
    const [first, second] = logins.map(params => Object.fromEntries(params))
    assert.equal(second?.['client_id'], first?.['client_id'])
    assert.notEqual(second?.['redirect_uri'], first?.['redirect_uri'])
  })
}

for (const [id, facts] of Object.entries(clients)) {
  const { oldTransport = unknown, registration } = facts
  if (registration === null || oldTransport === unknown) continue
  test(`${id} is told by 405 that there is no HTTP+SSE, and goes on when the proxy is back`, async () => {
    const [refusal] = oldTransport
    let isRefusing = true
    const client = openClient(facts, mcpUrl, {
      ...driverOptions,
      async fetch (url, init) {
        const isFirst = isRefusing && new Headers(init?.headers).has('authorization') &&
          String(init?.body).includes('"initialize"')
        if (!isFirst) return await fetch(url, init)
        isRefusing = false
        return new Response('refused', { status: refusal as number })
      }
    })
    await client.run('register')
    await client.run('log in')
    const { outcome, problem, requests } = await client.run('list')
    assert.equal(outcome, 'failed')
    assert.match(problem ?? '', /^initialize was answered with 4\d\d; old transport: .* with 405$/)
    assert.deepEqual(requests.map(({ method, status }) => [method, status]), [
      ['POST', refusal],
      ['GET', 405]
    ])
    assert.equal((await client.run('list')).outcome, 'ok')
  })
}

test('kiro logs in with values that are not percent-encoded', async () => {
  const { browser } = driverOptions
  const raw: DriverOptions = {
    ...driverOptions,
    browser: url => browser(new URL(url.href.replaceAll('%3A', ':').replaceAll('%2F', '/')))
  }
  assertSteps(await replay(kiro, mcpUrl, raw), kiro)
})

for (const id of ['sdk-1', 'vscode', 'librechat', 'python-sdk']) {
  test(`${id} goes on after its access token was refused`, async () => {
    const client = openClient(clients[id] as ClientFacts, mcpUrl, driverOptions)
    for (const step of ['register', 'log in', 'list'] as const) await client.run(step)
    assert.ok(client.tokens)
    client.tokens['access_token'] = 'expired'
    const { outcome, problem, requests } = await client.run('call')
    assert.equal(outcome, 'ok', problem)
    assert.deepEqual(requests.map(({ status }) => status).slice(0, 2), [401, 200])
  })
}

/** Facts of a client of somebody else, as a file of JSON has them. */
const foreign: ClientFacts = JSON.parse(JSON.stringify({
  ...windsurf,
  name: 'Foreign client',
  protocolVersions: ['2025-03-26'],
  beginsWith: 'metadata',
  opensStream: true,
  resourceMetadata: ['{mcp.origin}/.well-known/oauth-protected-resource{mcp.path}'],
  identification: ['registration'],
  registration: { redirect_uris: ['{redirectUri}'], client_name: 'Foreign client' },
  redirectUris: ['http://[::1]:{port}/cb?app=1'],
  ports: [4711],
  scope: [{ fixed: 'mcp:read' }],
  resource: { value: 'mcp', spelling: 'parsed', at: ['authorize'] },
  state: null,
  authorizationParameters: { audience: 'tools' },
  tokenAuthentication: ['client_secret_basic'],
  refresh: null,
  on401: ['stop'],
  on403: ['stop'],
  signOut: ['revoke access token', 'end session', 'forget']
}))

test('the facts of any other client are replayed as they are', async () => {
  const { steps, assumed } = await replay(foreign, mcpUrl, driverOptions)
  assert.deepEqual(
    steps.map(({ step, outcome, problem }) => [step, outcome, problem]),
    [
      ['register', 'ok', undefined],
      ['log in', 'ok', undefined],
      ['list', 'ok', undefined],
      ['call', 'ok', undefined],
      ['refresh', 'not done', 'The client never refreshes'],
      ['step up', 'not done', 'The client has no step-up'],
      ['sign out', 'ok', undefined],
      ['log in again', 'ok', undefined]
    ]
  )
  assert.ok(assumed.includes('pkce') && !assumed.includes('state'))
})

test('a step that a server refuses is reported with its reason and requests', async () => {
  const [register, ...others] = (await replay(
    { ...foreign, redirectUris: ['http://app.example/cb'], ports: null },
    mcpUrl,
    driverOptions
  )).steps
  assert.equal(register?.outcome, 'failed')
  assert.match(register.problem ?? '', /answered with 400 .*must use https/)
  assert.equal(register.requests.at(-1)?.status, 400)
  assert.deepEqual(new Set(others.map(({ outcome }) => outcome)), new Set(['not done']))
})

test('a failure that the facts explain ends no replay', async () => {
  const facts: ClientFacts = {
    ...foreign,
    on403: unknown,
    stepUpScope: 'login',
    cannot: { 'step up': 'It asks for the same scope again.' }
  }
  const { steps } = await replay(facts, mcpUrl, driverOptions)
  const stepUp = steps.find(({ step }) => step === 'step up')
  assert.equal(stepUp?.outcome, 'failed')
  assert.equal(stepUp.explained, facts.cannot?.['step up'])
  assert.equal(steps.at(-1)?.outcome, 'ok')
})
