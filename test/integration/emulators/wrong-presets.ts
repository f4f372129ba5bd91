import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { McpOAuthOptions } from '../../../lib/index.ts'
import { auth0, entra, github, google, okta } from '../../../lib/providers/index.ts'
import * as emulated from '../../providers/emulators/index.ts'
import type { ProviderFacts } from '../../providers/emulators/provider.ts'
import { emulatedClient as client, startEmulated } from '../../support/emulated.ts'
import type { Internet } from '../../support/internet.ts'

// Does a wrong preset fail at its emulated provider?

const tenantId = '11111111-2222-3333-4444-555555555555'

/** A mistake in a preset, and where the login fails. */
interface Mistake {
  title: string
  facts: ProviderFacts
  options: Partial<McpOAuthOptions>
  fails: RegExp
}

const mistakes: Mistake[] = [
  {
    title: 'prompt=consent at Entra, where users may not consent',
    facts: emulated.entra,
    options: {
      provider: { ...entra({ tenantId, ...client }).provider, offlineConsent: true }
    },
    fails: /login\.microsoftonline\.com.*AADSTS90095/
  },
  {
    title: 'resource at Entra',
    facts: emulated.entra,
    options: { provider: { authorizationParameters: { resource: 'https://mcp.example.com' } } },
    fails: /answered/
  },
  {
    title: 'scopes of two APIs at Entra',
    facts: emulated.entra,
    options: {
      defaultScope: 'openid https://graph.microsoft.com/User.Read api://notes/notes.read'
    },
    fails: /unusable response/
  },
  {
    title: 'offline_access at Google',
    facts: emulated.google,
    options: { provider: { ...google(client).provider, refreshScopes: ['offline_access'] } },
    fails: /accounts\.google\.com.*invalid_scope/
  },
  {
    title: 'a secret in the header at GitHub',
    facts: emulated.github,
    options: {
      provider: { ...github(client).provider, tokenEndpointAuthMethod: 'client_secret_basic' }
    },
    fails: /unavailable|unusable/
  },
  {
    title: 'a secret in the header at Auth0',
    facts: emulated.auth0,
    options: {
      provider: {
        ...auth0({ domain: 'tenant.eu.auth0.com' }).provider,
        tokenEndpointAuthMethod: 'client_secret_basic'
      }
    },
    fails: /unavailable|unusable/
  },
  {
    title: "Auth0's issuer without its slash",
    facts: emulated.auth0,
    options: { issuer: 'https://tenant.eu.auth0.com' },
    fails: /./
  },
  {
    title: 'an audience that Auth0 does not know',
    facts: emulated.auth0,
    options: { audience: 'https://unknown.example.com' },
    fails: /answered access_denied/
  },
  {
    title: 'a scope that the realm of Keycloak does not have',
    facts: emulated.keycloak,
    options: { defaultScope: 'openid notes' },
    fails: /answered/
  },
  {
    title: 'offline_access at Cognito',
    facts: emulated.cognito,
    options: { provider: { refreshScopes: ['offline_access'], offlineConsent: false } },
    fails: /answered/
  },
  {
    title: 'resource at Cognito',
    facts: emulated.cognito,
    options: { provider: { authorizationParameters: { resource: 'https://mcp.example.com' } } },
    fails: /answered/
  },
  {
    title: 'a scope that the server of Okta does not have',
    facts: emulated.okta,
    options: { defaultScope: 'openid notes.write' },
    fails: /answered/
  },
  {
    title: 'the issuer of another server at Okta',
    facts: emulated.oktaOrg,
    options: okta({ domain: 'acme.okta.com', authorizationServer: 'aus9', ...client }),
    fails: /./
  }
]

/** Presets without what makes a provider issue refresh tokens. */
const withoutRefresh = [
  emulated.auth0,
  emulated.entra,
  emulated.google,
  emulated.okta,
  emulated.workos
]

export function wrongPresetTests (internet: Internet): void {
  for (const { title, facts, options, fails } of mistakes) {
    test(`a login fails because of ${title}`, async (t) => {
      const { logIn } = await startEmulated(t, internet, facts, options)
      await assert.rejects(logIn(), fails)
    })
  }

  for (const facts of withoutRefresh) {
    test(`a login at ${facts.id} has no refresh token if the preset does not request one`, async (t) => {
      const { tokenEndpointAuthMethod } = facts.preset?.(client).provider ?? {}
      const provider = { ...tokenEndpointAuthMethod && { tokenEndpointAuthMethod } }
      const { logIn, emulator } = await startEmulated(t, internet, facts, {
        provider: facts.id === 'google'
          ? { ...provider, authorizationParameters: { prompt: 'consent' } }
          : provider
      })
      const { oauth } = await logIn()
      assert.equal(oauth.token?.refresh_token, undefined)
      assert.ok(emulator.requests.some(({ endpoint }) => endpoint === 'token'))
    })
  }
}
