import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/types.ts'
import { openBrowser, redeem, renew, startFlow, type Flow, type Reply } from '../support/flow.ts'
import type { Fault } from '../support/stub-provider.ts'

// A refusal changes nothing: for each step of a login and each operation of the store or the
// provider in it, one fault; the same request afterwards succeeds.

type Operation = <T>(operation: () => Promise<T>) => Promise<T>

/** Faults of one operation of the store. */
const storeFaults: Record<string, Operation> = {
  'is refused before it is done': async () => {
    throw new Error('refused')
  },
  'is refused after it is done': async operation => {
    await operation()
    throw new Error('refused')
  },
  'is done late': async operation => {
    await sleep(1_800)
    return await operation()
  },
  'is lost': () => new Promise(() => {})
}

/** A store, one of whose operations fails. */
function createFaultyStore () {
  const inner = memoryStore()
  const state = { countdown: Infinity, fault: storeFaults['is lost'] as Operation }
  const run: Operation = operation => state.countdown-- === 0 ? state.fault(operation) : operation()
  const store: Store = {
    get: key => run(() => inner.get(key)),
    put: (...entry) => run(() => inner.put(...entry)),
    putIfAbsent: (...entry) => run(() => inner.putIfAbsent(...entry))
  }
  return { store, state }
}

interface Step {
  send(): Promise<Reply>
  /** What a success needs, beside its status. */
  check?(reply: Reply): Promise<unknown>
}

/** Prepares one request of each step. */
const steps: Record<string, (flow: Flow, client: string) => Promise<Step>> = {
  async 'POST /oauth/consent' (flow, client) {
    const browser = openBrowser()
    const request = await flow.form(browser, flow.params(client))
    return { send: () => browser.post(flow, '/oauth/consent', { request, action: 'approve' }) }
  },
  async 'GET /oauth/callback' (flow, client) {
    const browser = openBrowser()
    const callback = await flow.approve(browser, flow.params(client))
    return { send: () => browser.get(flow, `/oauth/callback?${callback}`) }
  },
  async 'POST /oauth/token with a code' (flow, client) {
    const code = await flow.login(client)
    return { send: () => flow.token(redeem(client, code)), check: worksAgain(flow, client) }
  },
  async 'POST /oauth/token with a refresh token' (flow, client) {
    const { refresh_token: token } = await flow.tokens(client)
    return { send: () => flow.token(renew(client, token)), check: worksAgain(flow, client) }
  },
  async 'POST /oauth/revoke' (flow, client) {
    const { refresh_token: token } = await flow.tokens(client)
    const before = flow.provider.count('/revoke')
    return {
      send: () => flow.revoke({ client_id: client, token }),
      async check () {
        assert.equal((await flow.token(renew(client, token))).status, 400)
        while (flow.provider.count('/revoke') === before) await sleep(10)
      }
    }
  }
}

/** The tokens of a response are good. */
const worksAgain = (flow: Flow, client: string) => async (reply: Reply) => {
  const { access_token: access, refresh_token: refresh } = reply.json()
  assert.equal((await flow.call(access)).status, 200, 'the access token')
  assert.equal((await flow.token(renew(client, refresh))).status, 200, 'the refresh token')
}

async function startFaulty (t: TestContext) {
  const { store, state } = createFaultyStore()
  const flow = await startFlow(t, { options: { store } })
  return { flow, state, client: await flow.register() }
}

/** Sends a request until it is not refused. The first time, something fails. */
async function repeat ({ send, check }: Step, what: string, end: () => void) {
  let reply = await send()
  end()
  for (let attempt = 0; reply.status >= 500 && attempt < 3; attempt++) {
    assert.ok(reply.headers.get('retry-after'), what)
    // Whatever was late is done by now.
    await sleep(1_200)
    reply = await send()
  }
  assert.ok(reply.status < 400, `${what}: ${reply.status} ${reply.text.slice(0, 300)}`)
  await check?.(reply)
}

describe('a refusal changes nothing', { concurrency: true }, () => {
  for (const [name, prepare] of Object.entries(steps)) {
    for (const [fault, run] of Object.entries(storeFaults)) {
      test(`${name} succeeds after an operation of the store ${fault} [field:S3 field:S11]`, async (t) => {
        const { flow, state, client } = await startFaulty(t)
        state.fault = run
        let operation = 0
        for (let wasReached = true; wasReached; operation++) {
          const step = await prepare(flow, client)
          state.countdown = operation
          await repeat(step, `operation ${operation}`, () => {
            wasReached = state.countdown < 0
            state.countdown = Infinity
          })
        }
        assert.ok(operation > 1)
      })
    }
  }

  const providerFaults: Array<[name: string, fault: Fault]> = [
    ['500', { status: 500, body: '' }],
    ['503 with HTML', { status: 503, body: '<p>Down</p>', type: 'text/html' }],
    ['429', { status: 429, body: '{}' }],
    ['404', { status: 404, body: 'Not found', type: 'text/plain' }],
    ['404 with JSON', { status: 404, body: '{"error":"Not Found"}' }],
    ['403 with HTML', { status: 403, body: '<h1>Blocked</h1>', type: 'text/html' }],
    ['401 for our credentials', { status: 401, body: '{"error":"invalid_client"}' }],
    ['200 with HTML', { status: 200, body: '<p>Hello</p>', type: 'text/html' }],
    ['200 with nothing', { status: 200, body: '' }],
    ['200 with a list', { status: 200, body: '[]' }],
    ['200 with half a body', { status: 200, body: '{"access_token":"x","tok' }],
    ['400 temporarily_unavailable', { status: 400, body: '{"error":"temporarily_unavailable"}' }],
    ['a redirect', 'redirect'],
    ['a reset', 'reset'],
    ['a reset in the body', 'resetMidBody']
  ]
  for (const name of ['code', 'refresh token']) {
    test(`POST /oauth/token with a ${name} succeeds after any refusal of the provider [field:S6]`, async (t) => {
      const { flow, client } = await startFaulty(t)
      flow.provider.rotation = 'silent'
      flow.provider.spends = false
      for (const [what, fault] of providerFaults) {
        const step = await steps[`POST /oauth/token with a ${name}`]?.(flow, client) as Step
        flow.provider.fail.set('/token', fault)
        const before = flow.provider.count('/token')
        await repeat(step, what, () => {
          assert.equal(flow.provider.count('/token'), before + 1)
          flow.provider.fail.clear()
        })
      }
    })
  }
})
