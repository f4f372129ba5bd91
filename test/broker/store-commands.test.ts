import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { McpOAuthOptions } from '../../lib/index.ts'
import type { Store } from '../../lib/types.ts'
import { openBrowser, redeem, renew, startFlow } from '../support/flow.ts'

// Each command is a round trip to Redis, which a user waits for.

/** A store that counts the commands it gets. */
function countingStore () {
  const entries = new Map<string, string>()
  let commands = 0
  const store: Store = {
    async get (key) {
      commands++
      return entries.get(key) ?? null
    },
    async put (key, value) {
      commands++
      entries.set(key, value)
    },
    async putIfAbsent (key, value) {
      commands++
      const previous = entries.get(key) ?? null
      if (previous === null) entries.set(key, value)
      return previous
    },
    index: {
      async add () {
        commands++
      },
      async remove () {
        commands++
      },
      async list () {
        commands++
        return []
      }
    }
  }
  return {
    store,
    /** Returns the number of commands since the call before. */
    take: () => {
      const taken = commands
      commands = 0
      return taken
    }
  }
}

/** Sends the requests of a login. Resolves to the number of commands that each took. */
async function commandsOf (t: TestContext, options: Partial<McpOAuthOptions>) {
  const { store, take } = countingStore()
  const flow = await startFlow(t, { options: { ...options, store } })
  take()
  const sent: Record<string, number> = {}
  const clientId = await flow.register()
  sent['registration'] = take()
  const browser = openBrowser()
  const query = await flow.approve(browser, flow.params(clientId))
  sent['consent page and form'] = take()
  const back = await browser.get(flow, `/oauth/callback?${query}`)
  sent['callback'] = take()
  const code = new URL(back.headers.get('location') ?? '').searchParams.get('code') ?? ''
  const tokens = (await flow.token(redeem(clientId, code))).json()
  sent['code'] = take()
  assert.equal((await flow.call(tokens['access_token'])).status, 200)
  sent['first call with a token'] = take()
  assert.equal((await flow.call(tokens['access_token'])).status, 200)
  sent['further call'] = take()
  const next = (await flow.token(renew(clientId, tokens['refresh_token']))).json()
  sent['refresh'] = take()
  assert.equal(
    (await flow.revoke({ token: next['refresh_token'], client_id: clientId })).status,
    200
  )
  sent['revocation'] = take()
  await flow.app.mcpOAuth.revoke({ subject: 'bob' })
  sent['first revocation of a user'] = take()
  await flow.app.mcpOAuth.revoke({ subject: 'carol' })
  sent['further revocation of a user'] = take()
  const { access_token: token } = await flow.tokens(clientId)
  take()
  assert.equal((await flow.call(token)).status, 200)
  sent['first call after it'] = take()
  assert.equal((await flow.call(token)).status, 200)
  sent['further call after it'] = take()
  return sent
}

const documented = {
  registration: 0,
  'consent page and form': 1,
  callback: 2,
  code: 11,
  'first call with a token': 2,
  'further call': 0,
  refresh: 10,
  revocation: 3,
  'first revocation of a user': 4,
  'further revocation of a user': 3,
  'first call after it': 5,
  'further call after it': 0
}

test('a login, its refreshes and its calls send the store no more commands than documented [field:A14]', async (t) => {
  assert.deepEqual(await commandsOf(t, {}), documented)
})

test('with grantIndex a login sends the store five commands more, and a refresh two', async (t) => {
  const { code, refresh } = documented
  assert.deepEqual(await commandsOf(t, { grantIndex: true }), {
    ...documented,
    code: code + 5,
    refresh: refresh + 2
  })
})
