import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { memoryStore } from '../../lib/broker/store/memory.ts'
import type { Store } from '../../lib/index.ts'
import { renew, startFlow } from '../support/flow.ts'

test('T-22 T-23 a request that looks for an answer while another one writes it down finds it, however slow the store is', async (t) => {
  const memory = memoryStore()
  const signals = new PassThrough()
  let slow = false
  const store: Store = {
    ...memory,
    async get (key) {
      // One look at whether the token was used takes until the other request is done.
      if (slow && key.includes(':refresh:')) {
        slow = false
        signals.emit('looking')
        await once(signals, 'done')
      }
      return await memory.get(key)
    }
  }
  const flow = await startFlow(t, { options: { store } })
  const id = await flow.register()
  const { refresh_token: token } = await flow.tokens(id)

  slow = true
  const looking = once(signals, 'looking')
  const first = flow.token(renew(id, token))
  await looking
  const second = await flow.token(renew(id, token))
  signals.emit('done')
  assert.equal(second.status, 200)
  assert.equal((await first).status, 200)
  assert.deepEqual(await (await first).json(), await second.json())
})
