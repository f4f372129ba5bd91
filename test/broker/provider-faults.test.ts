import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { matrix, type Harness } from '../support/matrix.ts'
import { isError, isPage, openBrowser, redeem, type Flow, type Reply } from '../support/flow.ts'
import { skip as noCertificate, startUntrustedServer } from '../support/certificate.ts'
import { createKey } from '../support/issuer.ts'
import type { Fault, StubProvider } from '../support/stub-provider.ts'

/** The steps of a login that need the provider. */
interface Steps {
  consent(): Promise<Reply>
  callback(): Promise<Reply>
  token(): Promise<Reply>
}

/**
 * Three logins, each one at the first step that needs the provider. The steps continue at the given
 * instance, which may have been started during the fault.
 */
async function startLogins (
  { startFlow }: Harness
): Promise<{ flow: Flow, continueLogin(): Promise<Steps> }> {
  const flow = await startFlow()
  const id = await flow.register()
  const code = await flow.login(id)
  const [consentBrowser, callbackBrowser] = [openBrowser(), openBrowser()]
  const callbackQuery = await flow.approve(callbackBrowser, flow.params(id))
  const request = await flow.form(consentBrowser, flow.params(id))
  return {
    flow,
    async continueLogin () {
      const instance = await flow.addInstance()
      return {
        consent: () =>
          consentBrowser.post(instance, '/oauth/consent', { request, action: 'approve' }),
        callback: () => callbackBrowser.get(instance, `/oauth/callback?${callbackQuery}`),
        token: () => instance.token(redeem(id, code))
      }
    }
  }
}

type ApplyFault = (provider: StubProvider) => unknown

/**
 * Asserts that each step fails and consumes nothing: after the provider has recovered, each step
 * succeeds.
 */
async function recovers (
  harness: Harness,
  faults: Array<[name: string, applyFault: ApplyFault, status: number]>
): Promise<void> {
  const { flow, continueLogin } = await startLogins(harness)
  const validMetadata = flow.provider.metadata
  const requestCount = flow.provider.requests.length
  let steps = await continueLogin()
  for (const [name, applyFault, status] of faults) {
    flow.provider.fail.clear()
    flow.provider.metadata = { ...validMetadata }
    applyFault(flow.provider)
    steps = await continueLogin()
    for (const page of [await steps.consent(), await steps.callback()]) {
      isPage(page, status, 'temporarily_unavailable', name)
      assert.equal(page.headers.get('retry-after'), '5')
      assert.deepEqual(page.cookies, [])
    }
    const tokens = await steps.token()
    isError(tokens, status, 'temporarily_unavailable', name)
    assert.equal(tokens.headers.get('retry-after'), '5')
  }
  assert.equal(
    flow.provider.requests.length,
    requestCount,
    'only the metadata were requested'
  )
  flow.provider.fail.clear()
  flow.provider.metadata = validMetadata
  // The broker pauses before it requests the metadata again.
  while ((await steps.consent()).status !== 303) await sleep(100)
  assert.equal((await steps.callback()).status, 302)
  assert.equal((await steps.token()).status, 200)
}

// They mostly wait.
describe('metadata that fail', { concurrency: 4 }, () => {
  for (
    const [name, outcomes] of Object.entries<Record<string, number>>({
      'an error or no JSON object [U-01 F-07]': {
        error: 503,
        unavailable: 503,
        missing: 502,
        html: 502,
        garbage: 502,
        null: 502,
        array: 502,
        deep: 502
      },
      'a redirect [U-02 F-10]': { redirect: 502 },
      'late [U-03]': { hang: 504 },
      'late after their headers [U-03]': { hangAfterHeaders: 504 },
      'slow, byte by byte [U-03]': { drip: 504 },
      'too large [U-04]': { oversize: 502, endless: 502 },
      'a compressed bomb [U-05]': { bomb: 502 },
      'cut off [U-06]': { reset: 503, resetMidBody: 503 }
    })
  ) {
    matrix(
      `all login steps fail, then recover, if the metadata are ${name}`,
      harness =>
        recovers(
          harness,
          Object.entries(outcomes).map((
            [fault, status]
          ) => [fault, ({ fail }) => fail.set('/metadata', fault as Fault), status])
        )
    )
  }
})

const canary = 'canary-upstream-text'
const endpoints = ['authorization_endpoint', 'token_endpoint', 'jwks_uri']
const hostile = [
  `javascript:${canary}`,
  `file:///${canary}`,
  `data:text/html,${canary}`,
  `http://${canary}.example/`,
  `https://user:${canary}@idp.example/`,
  `https://idp.example/$(${canary})`,
  `https://idp.example/ ${canary}`,
  `https://idp.example/"${canary}`,
  `https://idp.example/\`${canary}\``,
  `https://idp.example/\n${canary}`,
  `https://idp.example/${canary.repeat(260)}`,
  `/${canary}`,
  [`https://${canary}.example/`],
  null
]

matrix(
  'all login steps fail, then recover, if endpoint URLs are invalid [M-07]',
  harness =>
    recovers(
      harness,
      hostile.map((value, index) => {
        const endpoint = endpoints[index % endpoints.length] as string
        return [`${endpoint} ${String(value)}`, provider => {
          provider.metadata[endpoint] = value
        }, 502]
      })
    )
)

matrix('all login steps fail for metadata of another issuer [M-08]', harness =>
  recovers(harness, [
    ...[(issuer: string) => `${issuer}/`, (issuer: string) =>
      issuer.toUpperCase(), () =>
      `https://${canary}.example`, () =>
      undefined, () =>
      null].map(issuer => (
        [String(issuer), provider => {
          provider.metadata['issuer'] = issuer(provider.issuer)
        }, 502] as [string, ApplyFault, number]
      ))
  ]))

matrix(
  'POST /oauth/consent returns 502 without an authorization endpoint [U-01]',
  async (harness) => {
    const { flow, continueLogin } = await startLogins(harness)
    flow.provider.metadata['authorization_endpoint'] = undefined
    const { consent, callback, token } = await continueLogin()
    isPage(await consent(), 502, 'temporarily_unavailable')
    assert.equal((await callback()).status, 302)
    assert.equal((await token()).status, 200)
  }
)

for (
  const [name, applyFault] of Object.entries<ApplyFault>({
    'another content type [U-07]': ({ fail, metadata }) =>
      fail.set('/metadata', { status: 200, body: JSON.stringify(metadata), type: 'text/html' }),
    'optional members that are null, empty or invalid [field:P1]': ({ metadata }) =>
      Object.assign(metadata, {
        introspection_endpoint: null,
        userinfo_endpoint: '',
        revocation_endpoint: `javascript:${canary}`,
        scopes_supported: null,
        token_endpoint_auth_methods_supported: null,
        authorization_response_iss_parameter_supported: null
      }),
    'unknown members [M-10]': ({ metadata }) =>
      Object.assign(metadata, {
        client_secret: canary,
        pad: canary.repeat(10_000),
        nested: { canary },
        ['__proto__']: 'x'
      }),
    'no PKCE [M-11]': ({ metadata }) => {
      metadata['code_challenge_methods_supported'] = undefined
    },
    'PKCE by plain only [M-11]': ({ metadata }) => {
      metadata['code_challenge_methods_supported'] = ['plain']
    }
  })
) {
  matrix(`POST /oauth/token succeeds if the metadata have ${name}`, async (harness) => {
    const { flow, continueLogin } = await startLogins(harness)
    applyFault(flow.provider)
    const { consent, callback, token } = await continueLogin()
    const { status, location } = await consent()
    assert.deepEqual([
      status,
      location?.origin,
      location?.searchParams.get('code_challenge_method')
    ], [303, flow.provider.origin, 'S256'])
    assert.equal((await callback()).status, 302)
    assert.equal((await token()).status, 200)
  })
}

matrix(
  'POST /oauth/consent shares one metadata request among concurrent logins [U-08 M-13]',
  async (harness) => {
    const { flow, continueLogin } = await startLogins(harness)
    flow.provider.fail.set('/metadata', 'unavailable')
    const before = flow.provider.lookups
    const { consent, token } = await continueLogin()
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) => index % 2 ? consent() : token())
    )
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [503])
    assert.ok(flow.provider.lookups <= before + 2, String(flow.provider.lookups - before))
  }
)

matrix(
  'POST /oauth/token uses cached metadata while the provider fails [U-09 F-02 F-08]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const before = flow.provider.lookups
    for (const fault of ['missing', 'unavailable', 'garbage'] as const) {
      flow.provider.fail.set('/metadata', fault)
      assert.ok((await flow.tokens(id)).access_token)
    }
    assert.equal(flow.provider.lookups, before, 'nor are they requested')
  }
)

matrix(
  'POST /oauth/token loads the new keys of a provider with the first ID token [K-09 K-10 field:S5]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    assert.ok((await flow.tokens(id)).access_token)
    flow.provider.key = await createKey('next')
    flow.provider.keys = [flow.provider.key.jwk]
    assert.ok((await flow.tokens(id)).access_token)
    assert.ok((await flow.tokens(id)).access_token)
    assert.equal(flow.provider.count('/jwks'), 2)
  }
)

const noKeys: Array<[id: string, fault: Fault]> = [
  ['[K-01]', 'error'],
  ['[K-01]', 'unavailable'],
  ['[K-01]', 'missing'],
  ['[K-01]', 'html'],
  ['[K-01]', 'null'],
  ['[K-01]', 'array'],
  ['[K-01]', { status: 200, body: '{"keys":{}}' }],
  ['[K-01]', { status: 200, body: '{"keys":[{"kty":"oct","k":"AAAA"}]}' }],
  ['[K-02 F-10]', 'redirect'],
  ['[K-03]', 'hangAfterHeaders'],
  ['[K-04]', 'oversize'],
  ['[K-05]', 'bomb'],
  ['[K-06]', 'resetMidBody']
]
// They mostly wait.
describe('keys that fail', { concurrency: 4 }, () => {
  for (const [id, fault] of noKeys) {
    matrix(
      `POST /oauth/token is 503 or 504 without provider keys: ${JSON.stringify(fault)} ${id}`,
      async ({ startFlow }) => {
        const flow = await startFlow()
        const client = await flow.register()
        const code = await flow.login(client)
        flow.provider.fail.set('/jwks', fault)
        const reply = await flow.token(redeem(client, code))
        // A client waits as long as we do for the keys.
        const status = fault === 'hangAfterHeaders' ? reply.status : 503
        assert.ok([503, 504].includes(status))
        isError(reply, status, 'temporarily_unavailable')
        assert.equal(reply.headers.get('retry-after'), '5')
        assert.equal(flow.provider.count('/trap'), 0)
        flow.provider.fail.clear()
        // The broker pauses before it requests the keys again.
        const login = async () => flow.token(redeem(client, await flow.login(client)))
        while ((await login()).status !== 200) await sleep(100)
      }
    )
  }
})

matrix(
  'POST /oauth/consent returns a page and logs why the provider is unreachable [F-29 F-30]',
  async ({ startFlow }, t) => {
    const { port, requests } = await startUntrustedServer(t, 'localhost', (_request, response) => {
      response.end('{}')
    })
    for (
      const [issuer, status, reason] of [
        ['https://nowhere.invalid', 503, /ENOTFOUND|EAI_AGAIN/],
        [`https://localhost:${port}`, 502, /SELF_SIGNED_CERT/]
      ] as const
    ) {
      const flow = await startFlow({ options: { issuer } })
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(await flow.register()))
      for (let attempt = 0; attempt < 2; attempt++) {
        const reply = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
        isPage(reply, status, 'temporarily_unavailable', issuer)
        assert.ok(reply.headers.get('retry-after'))
      }
      assert.match(flow.logs.join(''), reason)
    }
    assert.equal(requests(), 0)
  },
  { skip: noCertificate }
)
