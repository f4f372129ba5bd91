import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/types.ts'
import {
  isErrorRedirect,
  isPage,
  openBrowser,
  redeem,
  signIn,
  startFlow,
  type Browser,
  type Flow
} from '../support/flow.ts'
import { assertion, newKey } from '../support/machines.ts'
import { sentTwice } from '../support/stores.ts'

type Write = (write: () => Promise<string | null>) => Promise<string | null>

/** A fault of the store while a page or a login is marked. */
interface Fault {
  run: Write
  /** The write that lands after the response, if it does. */
  land?(): Promise<unknown>
}

function createFault (name: string): Fault {
  if (name === 'is refused') return { run: () => Promise.reject(new Error('refused')) }
  if (name === 'is lost') return { run: () => new Promise(() => {}) }
  if (name === 'is written, and the reply lost') {
    return {
      async run (write) {
        await write()
        throw new Error('lost')
      }
    }
  }
  let late: (() => Promise<unknown>) | undefined
  return {
    run: write =>
      new Promise(() => {
        late = write
      }),
    land: async () => await late?.()
  }
}

/** A broker whose store fails once, when it marks a kind. */
async function startFaulty (t: TestContext, fault: Fault, kind: string) {
  const inner = memoryStore()
  let isFaulty = true
  const store: Store = {
    ...inner,
    putIfAbsent (key, value, ttl) {
      const write = () => inner.putIfAbsent(key, value, ttl)
      if (!isFaulty || !key.includes(`:${kind}:`)) return write()
      isFaulty = false
      return fault.run(write)
    }
  }
  return await startFlow(t, { options: { store }, instances: 2 })
}

interface Login {
  flow: Flow
  browser: Browser
  id: string
  /** Sends the request that fails first. */
  send(instance?: Flow['instances'][number]): ReturnType<Browser['get']>
}

async function finish ({ flow, browser, id }: Login, callbackQuery: string) {
  const callback = await browser.get(flow, `/oauth/callback?${callbackQuery}`)
  assert.equal(callback.status, 302, callback.text)
  const code = callback.location?.searchParams.get('code') ?? ''
  const reply = await flow.token(redeem(id, code))
  assert.equal(reply.status, 200, reply.text)
  assert.equal((await flow.call(reply.json()['access_token'])).status, 200)
}

/** Each step of a login that marks something, and what its success leads to. */
const steps: Record<
  string,
  {
    kind: string
    prepare(
      flow: Flow,
      login: Omit<Login, 'send'>
    ): Promise<
      {
        send: Login['send']
        check(login: Login, reply: Awaited<ReturnType<Login['send']>>): Promise<void>
      }
    >
  }
> = {
  'Allow at POST /oauth/consent': {
    kind: 'consent',
    async prepare (flow, { browser, id }) {
      const request = await flow.form(browser, flow.params(id))
      return {
        send: (instance = flow) =>
          browser.post(instance, '/oauth/consent', { request, action: 'approve' }),
        async check (login, reply) {
          assert.equal(reply.status, 303, reply.text)
          await finish(login, await signIn(reply.location as URL))
        }
      }
    }
  },
  'Deny at POST /oauth/consent': {
    kind: 'consent',
    async prepare (flow, { browser, id }) {
      const request = await flow.form(browser, flow.params(id))
      return {
        send: (instance = flow) =>
          browser.post(instance, '/oauth/consent', { request, action: 'deny' }),
        async check (_login, reply) {
          isErrorRedirect(flow, reply, 303, 'access_denied')
        }
      }
    }
  },
  'GET /oauth/callback': {
    kind: 'login',
    async prepare (flow, { browser, id }) {
      const callbackQuery = await flow.approve(browser, flow.params(id))
      return {
        send: (instance = flow) => browser.get(instance, `/oauth/callback?${callbackQuery}`),
        async check (login, reply) {
          assert.equal(reply.status, 302, reply.text)
          await finish(login, callbackQuery)
        }
      }
    }
  }
}

for (const [step, { kind, prepare }] of Object.entries(steps)) {
  describe(`${step} succeeds after a fault of the store [field:S3]`, { concurrency: 4 }, () => {
    for (
      const name of [
        'is refused',
        'is lost',
        'is written, and the reply lost',
        'is written late',
        'is written last'
      ]
    ) {
      test(`${step} succeeds when it is sent again after its mark ${name} [field:S3]`, async (t) => {
        const fault = createFault(name)
        const flow = await startFaulty(t, fault, kind)
        const login = { flow, browser: openBrowser(), id: await flow.register() }
        const { send, check } = await prepare(flow, login)
        isPage(await send(), 503, 'temporarily_unavailable')
        if (name !== 'is written last') await fault.land?.()
        const [reply, again] = [await send(flow.instances[1]), await send()]
        await fault.land?.()
        assert.equal(again.location?.href, reply.location?.href)
        await check({ ...login, send }, await send())
      })
    }
  })
}

test('POST /oauth/consent: a person can deny after the provider was unreachable [field:S3]', async (t) => {
  const flow = await startFlow(t)
  const browser = openBrowser()
  await flow.provider.stop()
  const fresh = await flow.addInstance()
  const request = await flow.form(browser, flow.params(await flow.register()), fresh)
  const refused = await browser.post(fresh, '/oauth/consent', { request, action: 'approve' })
  isPage(refused, 503, 'temporarily_unavailable')
  assert.match(
    refused.text,
    /<h1[^>]*>Sign-in is not possible at the moment<.*then reload this page/s
  )
  isErrorRedirect(
    flow,
    await browser.post(fresh, '/oauth/consent', { request, action: 'deny' }),
    303,
    'access_denied'
  )
})

test('every step succeeds although a client of the store sends its writes twice [field:S3]', async (t) => {
  const key = newKey()
  const grantTypes: ['client_credentials'] = ['client_credentials']
  const machine = { clientId: 'machine', jwks: { keys: [key.jwk] }, grantTypes }
  const flow = await startFlow(t, {
    options: { store: sentTwice(memoryStore()), clients: [machine] }
  })
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  assert.equal((await flow.call(tokens['access_token'])).status, 200)
  const proof = await assertion(key, 'machine', flow.base)
  const reply = await flow.token({ grant_type: 'client_credentials', ...proof })
  assert.equal(reply.status, 200, reply.text)
  await flow.revoke({ client_id: id, token: tokens['refresh_token'] })
  while (flow.provider.count('/revoke') === 0) await sleep(5)
})
