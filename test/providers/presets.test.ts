import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createProviderLogin } from '../../lib/provider/login.ts'
import { optionProblems } from '../../lib/options/rules.ts'
import { parseProviderMetadata } from '../../lib/oauth/provider-metadata.ts'
import {
  auth0,
  authentik,
  clerk,
  cognito,
  descope,
  discord,
  entra,
  github,
  google,
  huggingface,
  keycloak,
  logto,
  oidc,
  okta,
  onelogin,
  pingone,
  scalekit,
  supabase,
  workos,
  zitadel
} from '../../lib/providers/index.ts'
import type * as presets from '../../lib/providers/index.ts'
import { vendorOf } from '../matrix/selection.ts'
import { loginSecrets } from '../support/credentials.ts'
import { providers as emulated } from './emulators/index.ts'

const client = { clientId: 'our-id', clientSecret: 'canary-secret' }
const tenantId = '11111111-2222-3333-4444-555555555555'
const environmentId = 'abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6'

interface Expected {
  preset: presets.Preset
  metadataUrl: string | undefined
  login: string
  token: string
  parameters: Record<string, string | null>
}

const refreshing = { scope: 'openid profile email offline_access', prompt: null }
const withoutOfflineAccess = { scope: 'openid profile email', prompt: null }

/** Every preset but that for any provider. */
const providers: Record<Exclude<keyof typeof presets, 'oidc'>, Expected> = {
  auth0: {
    preset: auth0({
      domain: 'tenant.eu.auth0.com',
      audience: 'https://api.example.com',
      ...client
    }),
    metadataUrl: 'https://tenant.eu.auth0.com/.well-known/openid-configuration',
    login: 'https://tenant.eu.auth0.com/authorize',
    token: 'https://tenant.eu.auth0.com/oauth/token',
    parameters: { ...refreshing, audience: 'https://api.example.com' }
  },
  okta: {
    preset: okta({ domain: 'acme.okta.com', ...client }),
    metadataUrl: 'https://acme.okta.com/oauth2/default/.well-known/openid-configuration',
    login: 'https://acme.okta.com/oauth2/default/v1/authorize',
    token: 'https://acme.okta.com/oauth2/default/v1/token',
    parameters: { ...refreshing, audience: null }
  },
  entra: {
    preset: entra({ tenantId, ...client }),
    metadataUrl:
      `https://login.microsoftonline.com/${tenantId}/v2.0/.well-known/openid-configuration`,
    login: `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/authorize`,
    token: `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`,
    parameters: { ...refreshing, resource: null }
  },
  google: {
    preset: google(client),
    metadataUrl: 'https://accounts.google.com/.well-known/openid-configuration',
    login: 'https://accounts.google.com/o/oauth2/v2/auth',
    token: 'https://oauth2.googleapis.com/token',
    parameters: {
      scope: 'openid profile email',
      access_type: 'offline',
      prompt: 'consent',
      audience: null
    }
  },
  github: {
    preset: github(client),
    metadataUrl: undefined,
    login: 'https://github.com/login/oauth/authorize',
    token: 'https://github.com/login/oauth/access_token',
    parameters: { scope: null, nonce: null, prompt: null }
  },
  keycloak: {
    preset: keycloak({ url: 'https://id.example.com/', realm: 'main', ...client }),
    metadataUrl: 'https://id.example.com/realms/main/.well-known/openid-configuration',
    login: 'https://id.example.com/realms/main/protocol/openid-connect/auth',
    token: 'https://id.example.com/realms/main/protocol/openid-connect/token',
    parameters: withoutOfflineAccess
  },
  cognito: {
    preset: cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_AbCdEf123', ...client }),
    metadataUrl:
      'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123/.well-known/openid-configuration',
    login: 'https://notes.auth.eu-central-1.amazoncognito.com/oauth2/authorize',
    token: 'https://notes.auth.eu-central-1.amazoncognito.com/oauth2/token',
    parameters: withoutOfflineAccess
  },
  workos: {
    preset: workos({ domain: 'acme.authkit.app', ...client }),
    metadataUrl: 'https://acme.authkit.app/.well-known/openid-configuration',
    login: 'https://acme.authkit.app/oauth2/authorize',
    token: 'https://acme.authkit.app/oauth2/token',
    parameters: refreshing
  },
  supabase: {
    preset: supabase({ domain: 'abcdefghijklmnopqrst.supabase.co', ...client }),
    metadataUrl:
      'https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/openid-configuration',
    login: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1/oauth/authorize',
    token: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1/oauth/token',
    parameters: withoutOfflineAccess
  },
  clerk: {
    preset: clerk({ domain: 'clerk.example.com', ...client }),
    metadataUrl: 'https://clerk.example.com/.well-known/openid-configuration',
    login: 'https://clerk.example.com/oauth/authorize',
    token: 'https://clerk.example.com/oauth/token',
    parameters: refreshing
  },
  descope: {
    preset: descope({ projectId: 'P2abc', ...client }),
    metadataUrl: 'https://api.descope.com/v1/apps/P2abc/.well-known/openid-configuration',
    login: 'https://api.descope.com/oauth2/v1/apps/authorize',
    token: 'https://api.descope.com/oauth2/v1/apps/token',
    parameters: withoutOfflineAccess
  },
  scalekit: {
    preset: scalekit({ domain: 'acme.scalekit.com', ...client }),
    metadataUrl: 'https://acme.scalekit.com/.well-known/openid-configuration',
    login: 'https://acme.scalekit.com/oauth/authorize',
    token: 'https://acme.scalekit.com/oauth/token',
    parameters: refreshing
  },
  pingone: {
    preset: pingone({ environmentId, domain: 'auth.pingone.eu', ...client }),
    metadataUrl: `https://auth.pingone.eu/${environmentId}/as/.well-known/openid-configuration`,
    login: `https://auth.pingone.eu/${environmentId}/as/authorize`,
    token: `https://auth.pingone.eu/${environmentId}/as/token`,
    parameters: refreshing
  },
  onelogin: {
    preset: onelogin({ domain: 'acme.onelogin.com', ...client }),
    metadataUrl: 'https://acme.onelogin.com/oidc/2/.well-known/openid-configuration',
    login: 'https://acme.onelogin.com/oidc/2/auth',
    token: 'https://acme.onelogin.com/oidc/2/token',
    parameters: withoutOfflineAccess
  },
  zitadel: {
    preset: zitadel({ domain: 'acme-a1b2c3.us1.zitadel.cloud', ...client }),
    metadataUrl: 'https://acme-a1b2c3.us1.zitadel.cloud/.well-known/openid-configuration',
    login: 'https://acme-a1b2c3.us1.zitadel.cloud/oauth/v2/authorize',
    token: 'https://acme-a1b2c3.us1.zitadel.cloud/oauth/v2/token',
    parameters: refreshing
  },
  authentik: {
    preset: authentik({ url: 'https://id.example.com/', application: 'notes', ...client }),
    metadataUrl: 'https://id.example.com/application/o/notes/.well-known/openid-configuration',
    login: 'https://id.example.com/application/o/authorize/',
    token: 'https://id.example.com/application/o/token/',
    parameters: refreshing
  },
  logto: {
    preset: logto({ domain: 'acme.logto.app', ...client }),
    metadataUrl: 'https://acme.logto.app/oidc/.well-known/openid-configuration',
    login: 'https://acme.logto.app/oidc/auth',
    token: 'https://acme.logto.app/oidc/token',
    parameters: { ...refreshing, prompt: 'consent' }
  },
  discord: {
    preset: discord(client),
    metadataUrl: undefined,
    login: 'https://discord.com/oauth2/authorize',
    token: 'https://discord.com/api/oauth2/token',
    parameters: { scope: 'identify email', nonce: null, prompt: null }
  },
  huggingface: {
    preset: huggingface(client),
    metadataUrl: 'https://huggingface.co/.well-known/openid-configuration',
    login: 'https://huggingface.co/oauth/authorize',
    token: 'https://huggingface.co/oauth/token',
    parameters: withoutOfflineAccess
  }
}

/** The metadata that the broker uses: those of the preset, or those the provider publishes. */
function metadataOf (name: string, { issuer, authorizeUrl, provider }: presets.Preset) {
  const document = provider?.metadata
    ? { issuer, ...provider.metadata }
    : JSON.parse(readFileSync(new URL(`metadata/${name}.json`, import.meta.url), 'utf8'))
  return parseProviderMetadata(document, {
    issuer,
    ...(authorizeUrl !== undefined && { authorizeUrl })
  })
}

function providerLoginOf (name: string, preset: presets.Preset) {
  return createProviderLogin({
    metadata: async () => metadataOf(name, preset),
    clientId: preset.clientId as string,
    clientSecret: preset.clientSecret ?? null,
    scopes: (preset.defaultScope ?? 'openid profile email').split(' ').filter(Boolean),
    audience: preset.audience ?? null,
    traits: preset.provider ?? {},
    redirectUri: () => 'https://mcp.example.com/oauth/callback',
    needsClaims: true
  })
}

for (const [name, { preset, metadataUrl, login, token, parameters }] of Object.entries(providers)) {
  test(`${name} names the issuer its metadata name, byte for byte [M-08]`, () => {
    const metadata = metadataOf(name, preset)
    assert.equal(metadata.issuer, preset.issuer)
    assert.equal(metadata.token_endpoint, token)
    assert.equal(preset.oauthMetadataUrl, metadataUrl)
  })

  test(`parseProviderMetadata rejects the issuer of ${name} with a slash more or less [M-07]`, () => {
    const other = preset.issuer.endsWith('/') ? preset.issuer.slice(0, -1) : `${preset.issuer}/`
    assert.throws(() =>
      parseProviderMetadata({ token_endpoint: token, issuer: preset.issuer }, { issuer: other })
    )
  })

  test(`the login at ${name} requests the needed scopes, with PKCE whatever its metadata [M-11]`, async () => {
    const providerLogin = providerLoginOf(name, preset)
    const url = new URL(
      await providerLogin.loginUrl('state', loginSecrets, {
        prompt: undefined,
        offline: false
      })
    )
    assert.equal(url.origin + url.pathname, login)
    const sent = {
      client_id: 'our-id',
      code_challenge_method: 'S256',
      redirect_uri: 'https://mcp.example.com/oauth/callback',
      resource: null,
      client_secret: null,
      ...parameters
    }
    for (const [parameter, value] of Object.entries(sent)) {
      assert.equal(url.searchParams.get(parameter), value, parameter)
    }
  })

  test(`${name} can be spread into the options, for the broker and for a resource server`, () => {
    assert.deepEqual(
      optionProblems(
        { ...preset, setupProxies: true, publicUrl: 'https://mcp.example.com' },
        false
      ),
      []
    )
    assert.deepEqual(optionProblems(preset, false), [])
  })

  test(`${name} is a pure function`, () => {
    assert.ok(Object.values(preset).every((value) => value !== undefined))
    assert.equal(preset.clientSecret, 'canary-secret')
    assert.doesNotMatch(JSON.stringify({ ...preset, clientSecret: undefined }), /canary/)
  })
}

test('the login URL has the prompts of the client, and consent only as the preset says [field:S12]', async () => {
  const promptOf = async (name: string, prompt: string | undefined, offline: boolean) => {
    const { preset } = providers[name as keyof typeof providers]
    const metadata = { ...metadataOf(name, preset), scopes_supported: ['openid', 'offline_access'] }
    const login = createProviderLogin({
      metadata: async () => metadata,
      clientId: 'our-id',
      clientSecret: null,
      scopes: ['openid'],
      audience: null,
      traits: preset.provider ?? {},
      redirectUri: () => 'https://mcp.example.com/oauth/callback',
      needsClaims: false
    })
    const url = await login.loginUrl('state', loginSecrets, { prompt, offline })
    return new URL(url).searchParams.get('prompt')
  }
  const withoutConsent = ['entra', 'auth0', 'okta', 'workos', 'keycloak', 'clerk', 'scalekit']
    .concat(
      ['pingone', 'zitadel', 'authentik']
    )
  for (const name of withoutConsent) {
    for (const offline of [true, false]) {
      assert.equal(await promptOf(name, undefined, offline), null, name)
      for (const prompt of ['login', 'select_account', 'create']) {
        assert.equal(await promptOf(name, prompt, offline), prompt, name)
      }
    }
  }
  assert.equal(await promptOf('logto', 'login', false), 'login consent')
  assert.equal(await promptOf('google', undefined, true), 'consent')
  assert.equal(await promptOf('google', 'select_account', false), 'select_account consent')
})

for (const name of ['google', 'cognito'] as const) {
  test(`the login at ${name} never requests offline_access, which ${name} rejects`, async () => {
    const providerLogin = providerLoginOf(name, providers[name].preset)
    const url = new URL(
      await providerLogin.loginUrl('state', loginSecrets, {
        prompt: 'login',
        offline: true
      })
    )
    assert.equal(url.searchParams.get('scope'), 'openid profile email')
  })
}

test('every preset has an emulated provider', () => {
  assert.deepEqual(
    [...new Set(emulated.map(({ id }) => vendorOf(id)))].sort(),
    Object.keys(providers).sort()
  )
})

test('every preset accepts settings without clientId, for a resource server', () => {
  const { clientId, clientSecret } = { clientId: undefined, clientSecret: undefined }
  for (
    const preset of [
      auth0({ domain: 'a.auth0.com', clientId, clientSecret }),
      okta({ domain: 'a.okta.com' }),
      entra({ tenantId }),
      workos({ domain: 'a.authkit.app' }),
      keycloak({ url: 'https://id.example.com', realm: 'a' }),
      cognito({ region: 'us-east-1', userPoolId: 'us-east-1_a' }),
      oidc({ issuer: 'https://id.example.com' })
    ]
  ) assert.ok(!('clientId' in preset) && !('clientSecret' in preset))
})

test('a change to the options of one preset leaves those of others as they are', () => {
  const { provider } = auth0({ domain: 'a.auth0.com' })
  Object.assign(provider ?? {}, { authorizationParameters: { connection: 'one' } })
  for (const other of [auth0({ domain: 'b.auth0.com' }), workos({ domain: 'b.authkit.app' })]) {
    assert.equal(other.provider?.authorizationParameters, undefined)
  }
})

test('okta() returns the issuer of the default server, another one or the organization', () => {
  const issuerOf = (authorizationServer?: string) =>
    okta({ domain: 'acme.okta.com', authorizationServer }).issuer
  assert.equal(issuerOf(), 'https://acme.okta.com/oauth2/default')
  assert.equal(issuerOf('aus1a2b3c'), 'https://acme.okta.com/oauth2/aus1a2b3c')
  assert.equal(issuerOf('org'), 'https://acme.okta.com')
})

test('entra() writes tenants in lower case', () => {
  assert.equal(
    entra({ tenantId: 'AAAAAAAA-2222-3333-4444-55555555555F' }).issuer,
    'https://login.microsoftonline.com/aaaaaaaa-2222-3333-4444-55555555555f/v2.0'
  )
})

test('keycloak() accepts a URL with a path, and loopback without TLS', () => {
  assert.equal(
    keycloak({ url: 'https://id.example.com/auth', realm: 'a.b' }).issuer,
    'https://id.example.com/auth/realms/a.b'
  )
  assert.equal(
    keycloak({ url: 'http://localhost:8080', realm: 'dev' }).issuer,
    'http://localhost:8080/realms/dev'
  )
})

test('cognito() uses the domain in the login endpoints only', () => {
  const preset = (domain: string) =>
    cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_AbCdEf123', domain })
  const endpoints = (domain: string) => metadataOf('cognito', preset(domain))
  assert.equal(
    endpoints('other').authorization_endpoint,
    'https://other.auth.eu-central-1.amazoncognito.com/oauth2/authorize'
  )
  assert.equal(
    endpoints('login.example.com').authorization_endpoint,
    'https://login.example.com/oauth2/authorize'
  )
  assert.equal(
    endpoints('login.example.com').token_endpoint,
    'https://notes.auth.eu-central-1.amazoncognito.com/oauth2/token'
  )
})

test('oidc() returns the given settings, and requests refresh tokens on demand, with consent', () => {
  assert.deepEqual(oidc({ issuer: 'https://id.example.com/' }), {
    issuer: 'https://id.example.com/'
  })
  assert.deepEqual(
    oidc({
      issuer: 'https://id.example.com',
      audience: 'api',
      clientId: 'us',
      offlineAccess: true
    }),
    {
      issuer: 'https://id.example.com',
      audience: 'api',
      clientId: 'us',
      provider: { refreshScopes: ['offline_access'] }
    }
  )
})

test('discord() identifies a user by the id of the account, without what the user left out', async () => {
  const { provider } = discord(client)
  const claimsOf = async (account: object) =>
    provider?.identify?.('canary', async (url, headers) => {
      assert.equal(url, 'https://discord.com/api/v10/users/@me')
      assert.deepEqual(headers, { authorization: 'Bearer canary' })
      return { ...account }
    })
  const account = { id: '80351110224678912', username: 'nelly', global_name: null, verified: true }
  assert.deepEqual(await claimsOf({ ...account, email: 'nelly@example.com', avatar: 'a' }), {
    sub: '80351110224678912',
    preferred_username: 'nelly',
    email: 'nelly@example.com',
    email_verified: true
  })
  for (const id of [undefined, null, '', 'nelly', '1.5', {}]) {
    await assert.rejects(claimsOf({ ...account, id }), { kind: 'providerMisbehaved' })
  }
})
