import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createProviderDiscovery } from '../../lib/provider/discovery.ts'
import type { ProviderDiscoveryOptions } from '../../lib/provider/discovery.ts'
import { startIssuer } from '../support/issuer.ts'
import type { faults, Issuer } from '../support/issuer.ts'

/** A provider client with its own clock, which logs to `lines`. */
async function setUp (
  t: TestContext,
  setup: Parameters<typeof startIssuer>[0] = {},
  options: Partial<ProviderDiscoveryOptions> = {}
) {
  const issuer = await startIssuer(setup)
  t.after(issuer.close)
  const state = { time: 0, lines: [] as string[] }
  const write = (details: object, message: string): void => {
    const { err, ...rest } = details as { err?: Error & { cause?: Error } }
    state.lines.push(`${message} ${JSON.stringify(rest)} ${err?.cause?.message ?? ''}`)
  }
  const log = { debug: write, info: write, warn: write, error: write }
  const provider = createProviderDiscovery({
    issuer: issuer.issuer,
    log,
    now: () => state.time,
    ...options
  })
  return { issuer, provider, state }
}

const total = (issuer: Issuer): number =>
  [...issuer.requests.values()].reduce((sum, count) => sum + count, 0)

for (
  const [name, metadataPath, requests] of [
    ['RFC 8414 inserted', '/.well-known/oauth-authorization-server/tenant', 1],
    ['OpenID Connect inserted', '/.well-known/openid-configuration/tenant', 2],
    ['OpenID Connect appended', '/tenant/.well-known/openid-configuration', 3]
  ] as const
) {
  test(`metadata() finds the document with the issuer ${name} [ASM-04]`, async (t) => {
    const { issuer, provider } = await setUp(t, { path: '/tenant', metadataPath })
    assert.equal((await provider.metadata()).token_endpoint, `${issuer.origin}/token`)
    assert.equal((await provider.metadata()).jwks_uri, issuer.jwksUri)
    assert.equal(total(issuer), requests)
  })
}

for (
  const fault of ['redirect', 'html', 'garbage', 'array', 'bomb', 'oversize', 'missing'] as const
) {
  test(`metadata() tries the next URL after a response with "${fault}"`, async (t) => {
    const { issuer, provider } = await setUp(t, {
      metadataPath: '/.well-known/openid-configuration'
    })
    issuer.fail.set('/.well-known/oauth-authorization-server', fault)
    assert.equal((await provider.metadata()).issuer, issuer.issuer)
    assert.equal(issuer.requests.get('/trap'), undefined)
  })
}

test('metadata() requests only metadataUrl if it is given', async (t) => {
  const issuer = await startIssuer({ metadataPath: '/custom' })
  t.after(issuer.close)
  const provider = createProviderDiscovery({
    issuer: issuer.issuer,
    metadataUrl: `${issuer.origin}/custom`
  })
  await provider.metadata()
  assert.deepEqual([...issuer.requests], [['/custom', 1]])
})

const outcomes: Array<[id: string, fault: keyof typeof faults, status: number]> = [
  ['U-01', 'error', 503],
  ['U-01', 'unavailable', 503],
  ['U-01', 'garbage', 502],
  ['U-01', 'null', 502],
  ['U-02 F-10', 'redirect', 502],
  ['U-04', 'oversize', 502],
  ['U-05', 'bomb', 502],
  ['U-06', 'reset', 503],
  ['U-06', 'resetMidBody', 503]
]
for (const [id, fault, status] of outcomes) {
  test(`metadata() is ${status} with Retry-After after one request with "${fault}" [${id}]`, async (t) => {
    const { issuer, provider, state } = await setUp(t)
    issuer.fail.set(issuer.metadataPath, fault)
    for (let i = 0; i < 3; i++) {
      await assert.rejects(provider.metadata(), {
        statusCode: status,
        retryAfter: 5,
        error: 'temporarily_unavailable'
      })
    }
    assert.equal(issuer.requests.get(issuer.metadataPath), 1)
    assert.equal(state.lines.length, 1)
  })
}

test('metadata() logs the response of every URL it tried [field:P5]', async (t) => {
  const { issuer, provider, state } = await setUp(t, { path: '/tenant', metadataPath: '/none' })
  issuer.fail.set('/tenant/.well-known/openid-configuration', 'html')
  await assert.rejects(provider.metadata(), { statusCode: 502 })
  const [line = ''] = state.lines
  assert.match(line, /oauth-authorization-server\/tenant: the response has status 404; /)
  assert.match(
    line,
    /tenant\/\.well-known\/openid-configuration: the response is not a JSON object$/
  )
})

test('metadata() succeeds after an unavailable provider has recovered [F-07]', async (t) => {
  const { issuer, provider, state } = await setUp(t)
  issuer.fail.set(issuer.metadataPath, 'unavailable')
  await assert.rejects(provider.metadata(), { statusCode: 503 })
  issuer.fail.clear()
  state.time += 1.3
  assert.equal((await provider.metadata()).issuer, issuer.issuer)
})

test('metadata() tries no further URL of an unavailable provider', async (t) => {
  const { issuer, provider } = await setUp(t, { metadataPath: '/.well-known/openid-configuration' })
  issuer.fail.set('/.well-known/oauth-authorization-server', 'unavailable')
  await assert.rejects(provider.metadata(), { statusCode: 503 })
  assert.equal(total(issuer), 1)
})

test('metadata() sends one request for a thousand callers [M-13]', async (t) => {
  const { issuer, provider } = await setUp(t)
  await Promise.all(Array.from({ length: 1_000 }, () => provider.metadata()))
  assert.equal(total(issuer), 1)
})

for (
  const [id, change, members] of [
    ['M-07 F-08', 'a hostile endpoint', { authorization_endpoint: 'javascript:canary' }],
    ['M-08 F-08', 'another issuer', { issuer: 'https://other.example' }],
    ['field:P1', 'a required member that is null', { jwks_uri: null }],
    ['field:P1', 'a required member that is missing', { token_endpoint: undefined }],
    ['F-08', 'a token endpoint at another origin', { token_endpoint: 'http://127.0.0.2:1/canary' }],
    ['F-08', 'keys at another origin', { jwks_uri: 'http://127.0.0.2:1/canary' }]
  ] as const
) {
  test(`metadata() keeps the last valid document for a day after ${change} [${id}]`, async (t) => {
    const { issuer, provider, state } = await setUp(t)
    const valid = await provider.metadata()
    Object.assign(issuer.metadata, members)
    state.time += 601
    assert.equal(await provider.metadata(), valid)
    state.time += 85_000
    assert.equal(await provider.metadata(), valid)
    assert.ok(state.lines.length > 0)
    assert.ok(!state.lines.join().includes('canary'), 'the value is not logged either')
  })
}

test('metadata() is 502 and logs both issuers if they differ [M-07 M-08 field:P5]', async (t) => {
  const { issuer, provider, state } = await setUp(t)
  issuer.metadata['issuer'] = `${issuer.issuer}/`
  await assert.rejects(provider.metadata(), { kind: 'providerMisbehaved', statusCode: 502 })
  assert.ok(
    state.lines.join().includes(
      `issuer is "${issuer.issuer}/", and the option issuer is "${issuer.issuer}"`
    )
  )
})

test('metadata() rejects endpoints at another origin while the process runs [F-08 M-09]', async (t) => {
  const { issuer, provider, state } = await setUp(t)
  await provider.metadata()
  delete issuer.metadata['token_endpoint']
  state.time += 601
  await provider.metadata()
  issuer.metadata['token_endpoint'] = 'http://127.0.0.2:1/token'
  for (const wait of [601, 86_400, 86_400]) {
    state.time += wait
    await provider.metadata().catch(() => {})
  }
  await assert.rejects(provider.metadata(), { kind: 'providerMisbehaved' })
})

test('metadata() accepts a change within the origin after ten minutes [F-08]', async (t) => {
  const { issuer, provider, state } = await setUp(t)
  await provider.metadata()
  issuer.metadata['token_endpoint'] = `${issuer.origin}/token/v2`
  state.time += 601
  assert.equal((await provider.metadata()).token_endpoint, `${issuer.origin}/token/v2`)
})

test('metadata() warns once of iss in authorization responses, with warnIss [M-14]', async (t) => {
  const { issuer, provider, state } = await setUp(t, {}, { warnIss: true })
  issuer.metadata['authorization_response_iss_parameter_supported'] = true
  await provider.metadata()
  state.time += 601
  await provider.metadata()
  assert.equal(state.lines.filter((line) => line.includes('iss')).length, 1)
})

test('metadata() leaves out optional members that are null, and logs them once [field:P1]', async (t) => {
  const { issuer, provider, state } = await setUp(t)
  Object.assign(issuer.metadata, {
    introspection_endpoint: null,
    userinfo_endpoint: '',
    revocation_endpoint: 'javascript:canary',
    scopes_supported: null
  })
  for (const time of [0, 601, 1_202]) {
    state.time = time
    const metadata = await provider.metadata()
    assert.equal(metadata.token_endpoint, `${issuer.origin}/token`)
    assert.ok(!('introspection_endpoint' in metadata || 'revocation_endpoint' in metadata))
  }
  assert.equal(state.lines.length, 1)
  for (const name of ['introspection', 'userinfo', 'revocation']) {
    assert.match(String(state.lines), new RegExp(`${name}_endpoint must`))
  }
  assert.ok(!state.lines.join().includes('canary'))
})
