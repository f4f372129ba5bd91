import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { matrix } from '../support/matrix.ts'
import { redeem, renew, type Instance } from '../support/flow.ts'
import { sweep } from '../support/sweep.ts'

const logins = sweep(200)

matrix(
  'POST /oauth/token completes running requests when the app closes, and loses no code [F-24]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const other = flow.instances[1] as Instance
    const id = await flow.register()
    const codes: string[] = []
    for (let index = 0; index < logins; index++) codes.push(await flow.login(id))
    const openCode = await flow.login(id)
    flow.provider.delay = 1_000
    const arrived = new Set()
    flow.app.server.on('request', request => {
      arrived.add(request)
    })
    const replies = Promise.all(codes.map(code => flow.token(redeem(id, code))))
    while (arrived.size < logins) await sleep(5)
    const closing = flow.app.close()
    await assert.rejects(async () => {
      // The server may close an open connection, so that the client connects to another instance.
      const { status } = await flow.token(redeem(id, openCode))
      throw new Error(String(status))
    }, /503|other side closed|ECONN/)
    for (const { status, text } of await replies) assert.equal(status, 200, text)
    await closing
    assert.equal((await other.token(redeem(id, openCode))).status, 200)
    const [first] = await replies
    assert.equal((await other.token(renew(id, first?.json()['refresh_token']))).status, 200)
  }
)
