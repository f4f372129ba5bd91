import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { matrix } from '../support/matrix.ts'
import { renew } from '../support/flow.ts'

matrix(
  'POST /oauth/token finds the response of a concurrent refresh on a slow store [T-22 T-23]',
  async ({ startFlow }) => {
    const signals = new PassThrough()
    let slow = false
    const flow = await startFlow({
      wrap: store => ({
        ...store,
        async get (key) {
          // The read of the newest tokens lasts until the other request has ended.
          if (slow && key.includes(':family:')) {
            slow = false
            signals.emit('looking')
            await once(signals, 'done')
          }
          return await store.get(key)
        }
      })
    })
    const id = await flow.register()
    const { refresh_token: token } = await flow.tokens(id)

    slow = true
    const looking = once(signals, 'looking')
    const first = flow.token(renew(id, token))
    await looking
    const second = await flow.token(renew(id, token, { scope: 'mcp:read' }))
    signals.emit('done')
    assert.equal(second.status, 200)
    assert.equal((await first).status, 200)
    assert.equal((await first).json()['refresh_token'], second.json()['refresh_token'])
  }
)
