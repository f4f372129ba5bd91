import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { vendorOf } from '../matrix/selection.ts'
import { startEmulator } from '../providers/emulators/emulator.ts'
import { providers } from '../providers/emulators/index.ts'
import { emulatedClient, presetOf } from '../providers/emulators/preset.ts'
import type { ProviderFacts } from '../providers/emulators/provider.ts'
import { buildApp, loggingApp } from '../support/app.ts'
import { whoami } from '../support/broker.ts'
import { read } from '../support/docs.ts'
import { inside, runInside, skip, startInternet } from '../support/internet.ts'
import { freePort } from '../support/port.ts'
import { json } from '../support/requests.ts'
import { codeOf, redeem, redirectUri } from './emulators/relying-party.ts'

// Does a server without `setupProxies` accept the provider's own tokens, where its page says so?

const ports = await Promise.all(providers.map(freePort))
const urlOf = ({ id }: ProviderFacts) =>
  `http://localhost:${ports[providers.findIndex(facts => facts.id === id)]}`

interface Setup {
  /** Options beside the preset. */
  options?: Partial<McpOAuthOptions>
  /** Parameters of the authorization request. */
  parameters?: Record<string, string>
  /** Whether the operator sets the MCP URL as the audience of access tokens. */
  isForMcp?: true
}

const api = 'https://api.example.com'

/** As the pages in docs/providers say. */
const accepted: Record<string, Setup> = {
  'auth0-api': { options: { audience: api }, parameters: { audience: api } },
  'entra-api': {
    options: { audience: 'notes' },
    parameters: { scope: 'openid api://notes/notes.read' }
  },
  keycloak: { isForMcp: true },
  'keycloak-rotating': { isForMcp: true },
  okta: { options: { audience: 'api://default' } },
  'okta-rotating': { options: { audience: 'api://default' } },
  scalekit: { options: { audience: emulatedClient.clientId } },
  supabase: { options: { audience: 'authenticated' } },
  workos: { isForMcp: true }
}

const opaque = /it is opaque/
const withoutAudience = /its audience is nothing, not /

/** Tokens of these settings cannot be checked, and the reason that the log has. */
const refused: Record<string, Setup & { reason: RegExp }> = {
  auth0: { reason: opaque },
  authentik: { options: { audience: emulatedClient.clientId }, reason: /may be an ID token/ },
  clerk: { reason: withoutAudience },
  cognito: { reason: withoutAudience },
  descope: { reason: withoutAudience },
  discord: { reason: opaque },
  entra: { reason: opaque },
  'entra-api-v1': {
    options: { audience: 'api://notes' },
    parameters: { scope: 'openid api://notes/notes.read' },
    reason: /its issuer is .*sts\.windows\.net/
  },
  github: { reason: opaque },
  google: { reason: opaque },
  huggingface: { reason: opaque },
  logto: { reason: opaque },
  'okta-org': { reason: opaque },
  onelogin: { reason: opaque },
  pingone: { reason: withoutAudience },
  zitadel: { reason: opaque }
}

if (inside) await tests()
else {
  test(
    'the guard accepts tokens of each provider whose page says so, and no others',
    { skip },
    t => runInside(t, import.meta.filename)
  )
}

async function tests (): Promise<void> {
  const internet = await startInternet()
  const tokens = new Map<string, string>()
  const idTokens = new Map<string, string>()
  for (const facts of providers) {
    const { parameters, isForMcp } = { ...accepted, ...refused }[facts.id] ?? {}
    const changed = isForMcp ? withAudience(facts, `${urlOf(facts)}/mcp`) : facts
    const { close } = await startEmulator(internet, changed, [
      { ...emulatedClient, redirectUris: [redirectUri] }
    ])
    const { body } = await redeem(facts, await codeOf(facts, parameters))
    tokens.set(facts.id, body['access_token'])
    if (body['id_token'] !== undefined) idTokens.set(facts.id, body['id_token'])
    // Apps need the provider's keys.
    after(close)
  }

  async function start (
    t: TestContext,
    facts: ProviderFacts,
    { options = {} }: Setup,
    publicUrl = urlOf(facts)
  ) {
    const logs: string[] = []
    const { mcpUrl } = await buildApp(t, {
      ...presetOf(facts),
      publicUrl,
      mcp: { tools: true },
      ...options
    }, { app: loggingApp(logs), routes: whoami, port: Number(new URL(publicUrl).port) })
    const call = (token: string | undefined) =>
      fetch(
        mcpUrl,
        json({ jsonrpc: '2.0', id: 1, method: 'tools/list' }, {
          authorization: `Bearer ${token}`,
          accept: 'application/json, text/event-stream'
        })
      )
    return { call, logs }
  }

  test('each setting of each provider is tested', () => {
    const ids = [...Object.keys(accepted), ...Object.keys(refused)]
    assert.deepEqual(ids.sort(), providers.map(({ id }) => id).sort())
  })

  for (const facts of providers) {
    const setup = accepted[facts.id]
    if (!setup) continue
    test(`with ${facts.id} the guard accepts its access tokens, and none of others`, async (t) => {
      const { call } = await start(t, facts, setup)
      const { status, headers } = await call(tokens.get(facts.id))
      assert.equal(status, 200, headers.get('www-authenticate') ?? '')
      assert.equal((await call(idTokens.get(facts.id))).status, 401)
      for (const [id, token] of tokens) {
        if (id !== facts.id) assert.equal((await call(token)).status, 401, id)
      }
    })
    test(`with ${facts.id} the guard refuses tokens for another audience`, async (t) => {
      const options = { audience: 'https://other.example' }
      const publicUrl = `http://localhost:${await freePort()}`
      const { call, logs } = await start(t, facts, { options }, publicUrl)
      assert.equal((await call(tokens.get(facts.id))).status, 401)
      assert.match(logs.join('\n'), /its audience is .*, not /)
    })
  }

  for (const facts of providers) {
    const setup = refused[facts.id]
    if (!setup) continue
    test(`with ${facts.id} the guard refuses all access tokens, and the log has the reason`, async (t) => {
      const { call, logs } = await start(t, facts, setup)
      assert.equal((await call(tokens.get(facts.id))).status, 401)
      assert.match(logs.join('\n'), setup.reason)
    })
  }

  test('pages of providers that are said to work with the broker only are right', () => {
    const vendors = [...new Set(providers.map(({ id }) => vendorOf(id)))]
    const said = vendors.filter(id =>
      read(`docs/providers/${id}.md`).includes('Works with the broker only')
    )
    assert.ok(said.length > 0)
    assert.deepEqual(said.filter(id => refused[id]?.reason !== opaque || id in accepted), [])
  })
}

function withAudience (facts: ProviderFacts, aud: string): ProviderFacts {
  const { claims, ...accessToken } = facts.accessToken
  return {
    ...facts,
    accessToken: { ...accessToken, claims: grant => ({ ...claims?.(grant), aud }) }
  }
}
