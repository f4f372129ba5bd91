import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/types.ts'
import { createHolder } from '../support/dpop.ts'
import { loopbackUri, redeem, renew, startFlow, type Params, type Reply } from '../support/flow.ts'
import { assertion, newKey } from '../support/machines.ts'

// A client signs an assertion and a proof for each request. What gets a 5xx may be sent again as it
// is; what was answered may not.

const key = newKey()
const signer = {
  clientId: 'signer',
  jwks: { keys: [key.jwk] },
  redirectUris: [loopbackUri],
  grantTypes: [
    'authorization_code' as const,
    'refresh_token' as const,
    'client_credentials' as const
  ]
}

type Command = () => Promise<string | null | undefined>

/** Faults of one command. `land` is what the store does after the reply of the server. */
const faults: Record<string, (command: Command) => { reply: Promise<any>, land?: Command }> = {
  'is refused': () => ({ reply: Promise.reject(new Error('refused')) }),
  'is done, and its reply lost': command => ({
    reply: command().then(() => {
      throw new Error('lost')
    })
  }),
  'is done late': command => ({ reply: Promise.reject(new Error('late')), land: command })
}

/** A store whose command with a number fails. */
function faultyStore (inner: Store) {
  let left = 0
  let fault: (typeof faults)[string] | undefined
  let land: Command | undefined
  const run = (command: Command): Promise<any> => {
    if (fault === undefined || --left > 0) return command()
    const { reply, land: later } = fault(command)
    fault = undefined
    land = later
    return reply
  }
  const store: Store = {
    get: key => run(() => inner.get(key)),
    put: (key, value, ttl) =>
      run(async () => {
        await inner.put(key, value, ttl)
        return undefined
      }),
    putIfAbsent: (key, value, ttl) => run(() => inner.putIfAbsent(key, value, ttl))
  }
  return {
    store,
    /** Lets the command with this number fail. */
    arm (name: string, number: number) {
      left = number
      fault = faults[name]
    },
    /** Whether fewer commands were run than that. */
    disarm () {
      const isArmed = fault !== undefined
      fault = undefined
      return isArmed
    },
    land: async () => await land?.()
  }
}

async function start (t: TestContext) {
  const faulty = faultyStore(memoryStore())
  const flow = await startFlow(t, {
    options: { store: faulty.store, dpop: 'accept', clients: [signer] },
    instances: 2
  })
  const holder = await createHolder()
  const first = await flow.token(renew(await flow.register(), 'x'), {
    dpop: await holder.prove('POST', `${flow.base}/oauth/token`)
  })
  const nonce = first.headers.get('dpop-nonce') ?? ''
  /** A request whose bytes are the same each time. */
  const signed = async (params: Params, path: 'token' | 'revoke' = 'token') => {
    const body = {
      ...params as Record<string, string>,
      client_id: signer.clientId,
      ...await assertion(key, signer.clientId, flow.base)
    }
    const url = `${flow.base}/oauth/${path}`
    const headers = path === 'token' ? { dpop: await holder.prove('POST', url, { nonce }) } : {}
    return async (at = 0) => await (flow.instances[at] ?? flow)[path](body, headers)
  }
  const redirect = { params: { redirect_uri: loopbackUri } }
  const code = async () => ({
    ...redeem(signer.clientId, await flow.login(signer.clientId, redirect)),
    redirect_uri: loopbackUri
  })
  const tokens = async () => {
    const reply = await (await signed(await code()))()
    assert.equal(reply.status, 200, reply.text)
    return reply.json()
  }
  return { flow, faulty, signed, code, tokens }
}

type Started = Awaited<ReturnType<typeof start>>

const requests: Record<string, (started: Started) => Promise<(at?: number) => Promise<Reply>>> = {
  'POST /oauth/token with a code': async ({ signed, code }) => await signed(await code()),
  'POST /oauth/token with a refresh token': async ({ signed, tokens }) =>
    await signed(renew(signer.clientId, (await tokens())['refresh_token'])),
  'POST /oauth/token for a client without a user': async ({ signed }) =>
    await signed({ grant_type: 'client_credentials' }),
  'POST /oauth/revoke': async ({ signed, tokens }) =>
    await signed({ token: (await tokens())['refresh_token'] }, 'revoke')
}

describe('a request is repeated', { concurrency: 12 }, () => {
  for (const [endpoint, prepare] of Object.entries(requests)) {
    for (const name of Object.keys(faults)) {
      test(`${endpoint} succeeds when it is sent again after a command of the store ${name} [field:S3]`, async (t) => {
        const started = await start(t)
        const { faulty } = started
        let refused = 0
        for (let command = 1;; command++) {
          const send = await prepare(started)
          faulty.arm(name, command)
          const reply = await send()
          const isLast = faulty.disarm()
          await faulty.land()
          // The mark may have failed: it is written later.
          if (reply.status === 200 && !isLast) continue
          if (!isLast) {
            refused++
            assert.equal(reply.status, 503, `command ${command}: ${reply.text}`)
            const again = await send(1)
            assert.equal(again.status, 200, `command ${command}: ${again.text}`)
          }
          const replayed = await send(1)
          assert.equal(replayed.status, 401, `command ${command}: ${replayed.text}`)
          assert.equal(replayed.json()['error'], 'invalid_client')
          if (isLast) break
        }
        assert.ok(refused > 0)
      })
    }
  }
})

test('POST /oauth/token succeeds when it is sent again after the provider failed [field:S3]', async (t) => {
  const started = await start(t)
  const { flow } = started
  flow.provider.spends = false
  const { code, refresh } = {
    code: await requests['POST /oauth/token with a code']?.(started),
    refresh: await requests['POST /oauth/token with a refresh token']?.(started)
  }
  for (const send of [code, refresh]) {
    assert.ok(send)
    flow.provider.fail.set('/token', { status: 503, body: '' })
    assert.equal((await send()).status, 503)
    flow.provider.fail.clear()
    assert.equal((await send(1)).status, 200)
    assert.equal((await send(1)).status, 401)
  }
})

test('POST /oauth/token answers one of several identical requests, and ends no grant [field:S3]', async (t) => {
  const started = await start(t)
  const send = await requests['POST /oauth/token with a code']?.(started)
  assert.ok(send)
  const replies = await Promise.all([0, 1, 0, 1, 0, 1].map(send))
  const [answered, ...more] = replies.filter(({ status }) => status === 200)
  assert.ok(answered, replies.map(({ text }) => text).join())
  assert.equal(more.length, 0)
  const { signed } = started
  const renewed = await signed(renew(signer.clientId, answered.json()['refresh_token']))
  assert.equal((await renewed()).status, 200)
})

test('POST /oauth/token ends no grant when an identical request overtakes one at any command [field:S3]', async (t) => {
  const started = await start(t)
  const { faulty, signed, code } = started
  let wasHeld = true
  for (let number = 1; wasHeld; number++) {
    const send = await signed(await code())
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const held = new Promise<boolean>(resolve => {
      faults['waits'] = (command) => {
        resolve(true)
        return { reply: gate.then(command) }
      }
    })
    faulty.arm('waits', number)
    const slow = send(1)
    wasHeld = await Promise.race([held, slow.then(() => false)])
    faulty.disarm()
    const fast = await send(0)
    release()
    const replies = [fast, await slow]
    const [answered, ...more] = replies.filter(({ status }) => status === 200)
    assert.ok(answered && more.length === 0, replies.map(({ text }) => text).join())
    const renewed = await signed(renew(signer.clientId, answered.json()['refresh_token']))
    assert.equal((await renewed()).status, 200, `held at command ${number}`)
  }
})
