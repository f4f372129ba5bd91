import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { McpOAuthError } from '../../lib/errors.ts'
import * as presets from '../../lib/providers/index.ts'

const tenantId = '11111111-2222-3333-4444-555555555555'

const valid: Record<keyof typeof presets, Record<string, unknown>> = {
  auth0: { domain: 'tenant.eu.auth0.com' },
  okta: { domain: 'acme.okta.com' },
  entra: { tenantId },
  google: { clientId: 'a', clientSecret: 'b' },
  github: { clientId: 'a', clientSecret: 'b' },
  keycloak: { url: 'https://id.example.com', realm: 'main' },
  cognito: { region: 'eu-central-1', userPoolId: 'eu-central-1_AbCdEf123' },
  workos: { domain: 'acme.authkit.app' },
  supabase: { domain: 'abcdefghijklmnopqrst.supabase.co' },
  clerk: { domain: 'clerk.example.com' },
  descope: { projectId: 'P2abc' },
  scalekit: { domain: 'acme.scalekit.com' },
  pingone: { environmentId: tenantId },
  onelogin: { domain: 'acme.onelogin.com' },
  zitadel: { domain: 'acme-a1b2c3.us1.zitadel.cloud' },
  authentik: { url: 'https://id.example.com', application: 'notes' },
  logto: { domain: 'acme.logto.app' },
  discord: { clientId: 'a', clientSecret: 'b' },
  huggingface: { clientId: 'a' },
  oidc: { issuer: 'https://id.example.com' }
}

/** Presets whose only setting is a host name. */
const ofDomain = ['supabase', 'clerk', 'scalekit', 'onelogin', 'zitadel', 'logto'] as const

/** Invalid values and their error messages, by setting. */
const invalid: Array<
  [preset: keyof typeof presets, setting: string, values: unknown[], reason: RegExp]
> = [
  [
    'auth0',
    'domain',
    ['https://canary.auth0.com', 'https://canary.auth0.com/'],
    /without https:\/\//
  ],
  ['auth0', 'domain', [
    undefined,
    '',
    1,
    null,
    'canary',
    'Canary.auth0.com',
    'canary.auth0.com/',
    'canary.auth0.com:443',
    'canary.auth0.com@evil.example',
    'a..b',
    '-a.b',
    'a.b\n',
    ['a.b'],
    `${'a'.repeat(64)}.b`
  ], /a host name such as 'tenant\.eu\.auth0\.com'/],
  ['auth0', 'audience', ['', 1], /not empty/],
  ['auth0', 'audience', [' ', 'canary ', '\ncanary'], /begins or ends with white space/],
  ['okta', 'domain', ['https://canary.okta.com'], /without https:\/\//],
  ['okta', 'domain', ['canary-admin.okta.com', 'canary-admin.oktapreview.com'], /without '-admin'/],
  ['okta', 'domain', ['canary.okta.com/oauth2/default', undefined], /host name/],
  [
    'okta',
    'authorizationServer',
    ['', 'a/b', '../canary', 1, null],
    /id of an authorization server/
  ],
  ['entra', 'tenantId', ['common', 'organizations', 'consumers'], /lets in users of every tenant/],
  ['entra', 'tenantId', [
    undefined,
    '',
    'canary.onmicrosoft.com',
    `${tenantId}/`,
    ` ${tenantId}`,
    1
  ], /not its domain/],
  ['google', 'clientId', [undefined, '', 1], /not empty/],
  ['google', 'clientSecret', [undefined, '', 1], /not empty/],
  ['github', 'clientId', [undefined, ''], /not empty/],
  ['github', 'clientSecret', [undefined, ''], /not empty/],
  ['keycloak', 'url', [
    'http://canary.example',
    'https://u:p@canary.example',
    'https://canary.example/?a',
    'canary.example',
    undefined,
    1
  ], /keycloak\.url: .*(?:It must|Give a URL)/],
  ['keycloak', 'realm', [undefined, '', 'a/b', '..', 'a b', 'a%2f', 'canary?'], /name of a realm/],
  [
    'cognito',
    'region',
    [undefined, 'eu', 'EU-central-1', 'eu-central-1.canary.example/', 1],
    /AWS region/
  ],
  [
    'cognito',
    'userPoolId',
    [undefined, 'canary', 'eu-central-1_a/..', 'eu-central-1_', 1],
    /id of a user pool such as/
  ],
  ['cognito', 'userPoolId', ['us-east-1_AbCdEf123'], /another region/],
  [
    'cognito',
    'domain',
    ['', 'https://canary.example', 'a/b', 'A', 1],
    /prefix of the Cognito domain/
  ],
  [
    'workos',
    'domain',
    [undefined, 'https://canary.authkit.app', 'canary'],
    /host name such as 'acme\.authkit\.app'/
  ],
  ...ofDomain.map(preset =>
    [
      preset,
      'domain',
      [undefined, '', 'canary', 'https://canary.example', 'canary.example/oidc', 'Canary.example'],
      /a host name such as '.+', in lower case, without https:\/\/ and without a path/
    ] as [typeof preset, string, unknown[], RegExp]
  ),
  [
    'descope',
    'projectId',
    [undefined, '', 'canary', 'Pcanary/..', 'P', 1],
    /id of a project such as 'P2abc'/
  ],
  ['descope', 'domain', ['', 'https://canary.example', null], /host name such as 'api\.descope/],
  [
    'pingone',
    'environmentId',
    [undefined, '', 'canary', `${tenantId}/as`, tenantId.replace('1', 'A'), 1],
    /id of your environment, a GUID/
  ],
  [
    'pingone',
    'domain',
    ['', 'login.canary.example', 'https://auth.pingone.eu', 'api.pingone.eu', 'eu', null],
    /With a custom domain give its issuer to oidc\(\)/
  ],
  [
    'authentik',
    'url',
    [undefined, 'canary.example', 'http://canary.example', 'https://canary.example/?a'],
    /authentik\.url: .*(?:It must|Give a URL)/
  ],
  ['authentik', 'application', [undefined, '', 'a/b', '..', 'a b', 1], /slug of an application/],
  ['discord', 'clientId', [undefined, ''], /not empty/],
  ['discord', 'clientSecret', [undefined, ''], /not empty/],
  ['huggingface', 'clientId', [undefined, ''], /not empty/],
  ['oidc', 'issuer', [
    undefined,
    'http://canary.example',
    'canary',
    'https://canary.example#a',
    'https://canary.example?a'
  ], /oidc\.issuer: .*(?:It must|Give a URL)/],
  ['oidc', 'offlineAccess', ['yes', 1, null], /true or false/],
  ['auth0', 'clientId', ['', 1], /not empty/],
  ['entra', 'clientSecret', ['', 1, null], /not empty/],
  ['auth0', 'client_id', ['canary'], /no such option/]
]

const call = (preset: keyof typeof presets, settings: unknown) =>
  (presets[preset] as (settings: unknown) => presets.Preset)(settings)

function errorOf (preset: keyof typeof presets, settings: unknown): McpOAuthError {
  try {
    call(preset, settings)
  } catch (error) {
    return error as McpOAuthError
  }
  return assert.fail(`${preset} takes ${JSON.stringify(settings)}`)
}

for (const [preset, setting, values, reason] of invalid) {
  test(`${preset}.${setting} is rejected: ${reason.source}`, () => {
    for (const value of values) {
      const { code, message } = errorOf(preset, { ...valid[preset], [setting]: value })
      assert.equal(code, 'FST_MCP_OAUTH_INVALID_OPTIONS')
      assert.ok(message.includes(`${preset}.${setting}: `), message)
      assert.match(message, reason)
      assert.doesNotMatch(message, /canary/i)
    }
  })
}

test('every preset accepts valid settings, and names those that are missing', () => {
  for (const [preset, settings] of Object.entries(valid) as Array<[keyof typeof presets, object]>) {
    assert.match(call(preset, settings).issuer, /^https:/)
    for (const empty of [undefined, null, {}]) {
      const { message } = errorOf(preset, empty)
      for (const setting of Object.keys(settings)) {
        assert.ok(message.includes(`${preset}.${setting}: `), message)
      }
    }
  }
})

test('every preset rejects a secret that is undefined', () => {
  for (const [preset, settings] of Object.entries(valid) as Array<[keyof typeof presets, object]>) {
    const { message } = errorOf(preset, {
      ...settings,
      clientId: 'server',
      clientSecret: undefined
    })
    assert.match(
      message,
      new RegExp(
        `${preset}\\.clientSecret: (?:undefined is given\\. ` +
          'Is the environment variable set\\?|missing. Give a string)'
      )
    )
    assert.equal(
      call(preset, { clientId: undefined, ...settings }).clientId,
      'clientId' in settings ? 'a' : undefined
    )
  }
})
