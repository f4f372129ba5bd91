import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProviderMetadata } from '../../lib/oauth/provider-metadata.ts'

const issuer = 'https://id.example.com/tenant'
const valid = {
  issuer,
  authorization_endpoint: 'https://id.example.com/authorize?flow=1',
  token_endpoint: 'https://id.example.com/token',
  jwks_uri: 'https://id.example.com/jwks',
  scopes_supported: ['openid', 'offline_access']
}

function assertRejected (
  document: unknown,
  reason: RegExp,
  expected: Parameters<typeof parseProviderMetadata>[1] = { issuer }
): void {
  assert.throws(
    () => parseProviderMetadata(document, expected),
    (error: Error & { kind?: string }) => {
      assert.equal(error.kind, 'providerMisbehaved')
      assert.match((error.cause as Error).message, reason)
      return true
    }
  )
}

test('parseProviderMetadata copies only the members that we use [M-10 ASM-13]', () => {
  const poisoned = JSON.parse(
    JSON.stringify({
      ...valid,
      client_secret: 'canary',
      registration_endpoint: 'https://evil.example/',
      signed_metadata: 'canary',
      mtls_endpoint_aliases: { token_endpoint: 'canary' },
      pushed_authorization_request_endpoint: 'https://id.example.com/par',
      pad: 'x'.repeat(1_000_000)
    }).replace('{', '{"__proto__":{"token_endpoint":"canary"},')
  )
  const copy = parseProviderMetadata(poisoned, { issuer })
  assert.deepEqual(copy, { ...valid, authorization_response_iss_parameter_supported: false })
  assert.ok(Object.isFrozen(copy) && Object.isFrozen(copy.scopes_supported))
})

test('parseProviderMetadata returns the iss flag as true only for true', () => {
  for (const [flag, expected] of [[true, true], ['true', false], [1, false], [undefined, false]]) {
    const document = { ...valid, authorization_response_iss_parameter_supported: flag }
    assert.equal(
      parseProviderMetadata(document, { issuer }).authorization_response_iss_parameter_supported,
      expected
    )
  }
})

const hostile: unknown[] = [
  'javascript:alert(1)',
  'file:///etc/passwd',
  'data:text/html,x',
  'http://id.example.com/authorize',
  'https://u:p@id.example.com/',
  'https://@id.example.com/',
  'https://a$(calc)/',
  'https://id.example.com/ x',
  'https://id.example.com/"',
  "https://id.example.com/'",
  'https://id.example.com/`id`',
  'https://id.example.com/\n',
  'https://id.example.com/#x',
  `https://id.example.com/${'x'.repeat(5_000)}`,
  '/authorize',
  '//id.example.com/',
  '',
  null,
  [],
  ['https://id.example.com/'],
  {},
  1,
  'http://localhost/authorize',
  'http://127.0.0.1/authorize',
  'http://169.254.169.254/latest/meta-data'
]
for (const member of ['authorization_endpoint', 'token_endpoint', 'jwks_uri']) {
  test(`parseProviderMetadata rejects a hostile ${member} [M-07 SS-04]`, () => {
    for (const value of hostile) {
      assertRejected(
        { ...valid, [member]: value },
        new RegExp(`^The metadata of the provider are invalid: ${member} must`)
      )
    }
  })
}

for (
  const member of ['revocation_endpoint', 'introspection_endpoint', 'userinfo_endpoint'] as const
) {
  test(`parseProviderMetadata drops a hostile ${member}, and says so [M-07 field:P1]`, () => {
    for (const value of hostile) {
      const told: string[][] = []
      const ignored = (problems: string[]): void => {
        told.push(problems)
      }
      const document = { ...valid, [member]: value }
      assert.deepEqual(parseProviderMetadata(document, { issuer, ignored }), {
        ...valid,
        authorization_response_iss_parameter_supported: false
      })
      assert.match(String(told), new RegExp(`^${member} must`))
      assertRejected(document, new RegExp(`${member} must`), { issuer, required: [member] })
    }
  })
}

test('parseProviderMetadata does not repeat the rejected value in its error [M-07]', () => {
  try {
    parseProviderMetadata({ ...valid, token_endpoint: 'javascript:canary' }, { issuer })
    assert.fail()
  } catch (error) {
    assert.ok(!`${error} ${(error as Error).cause}`.includes('canary'))
  }
})

test('parseProviderMetadata requires the configured issuer, and names both [M-08 ASM-05 field:P5]', () => {
  for (
    const other of [
      `${issuer}/`,
      issuer.toUpperCase(),
      'https://id.example.com',
      'https://id.example.com/other',
      [issuer],
      null,
      undefined
    ]
  ) {
    const both = `issuer is ${
      JSON.stringify(other) ?? 'nothing'
    }, and the option issuer is "${issuer}"`
    assertRejected({ ...valid, issuer: other }, new RegExp(both.replace(/[[\].]/g, '\\$&')))
  }
  for (const document of [null, undefined, 'x', 1, [], {}]) assertRejected(document, /issuer/)
})

test('parseProviderMetadata accepts endpoints at other origins, http only for http issuers [M-09]', () => {
  const google = { ...valid, token_endpoint: 'https://oauth2.googleapis.com/token' }
  assert.equal(
    parseProviderMetadata(google, { issuer }).token_endpoint,
    'https://oauth2.googleapis.com/token'
  )
  const local = 'http://localhost:4000'
  const document = { issuer: local, token_endpoint: 'http://127.0.0.1:4000/token' }
  assert.equal(
    parseProviderMetadata(document, { issuer: local }).token_endpoint,
    'http://127.0.0.1:4000/token'
  )
  assertRejected(
    { issuer: local, token_endpoint: 'http://example.com/token' },
    /token_endpoint must/,
    {
      issuer: local
    }
  )
})

test('parseProviderMetadata checks authorizeUrl like the endpoint it replaces', () => {
  const authorizeUrl = 'https://login.example.com/start'
  assert.equal(
    parseProviderMetadata({ ...valid, authorization_endpoint: 'javascript:x' }, {
      issuer,
      authorizeUrl
    })
      .authorization_endpoint,
    authorizeUrl
  )
})

test('parseProviderMetadata drops lists that are not lists of strings [U-01 field:P1]', () => {
  for (const list of ['openid', [1], [null], {}, null, '']) {
    const { scopes_supported: dropped, ...others } = parseProviderMetadata(
      { ...valid, scopes_supported: list },
      {
        issuer,
        ignored: problems =>
          assert.deepEqual(problems, ['scopes_supported must be a list of strings'])
      }
    )
    assert.equal(dropped, undefined)
    assert.equal(others.token_endpoint, valid.token_endpoint)
  }
})
