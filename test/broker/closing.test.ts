import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { matrix } from '../support/matrix.ts'
import {
  type Instance,
  loopbackUri,
  openBrowser,
  query,
  redeem,
  renew
} from '../support/flow.ts'
import { form, json } from '../support/requests.ts'
import { sweep } from '../support/sweep.ts'

const logins = sweep(100)

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

matrix(
  'every endpoint below /oauth refuses new requests in its own form while the app closes [field:S8]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const code = await flow.login(id)
    const [later, sealed] = [await flow.login(id), await flow.form(openBrowser(), flow.params(id))]
    flow.provider.delay = 1_000
    const running = flow.token(redeem(id, code))
    while (flow.provider.most === 0) await sleep(5)
    const closing = flow.app.close()
    const wanted = { accept: 'text/html' }
    const pages = [
      await flow.authorize(flow.params(id), wanted),
      await flow.send('/oauth/callback?code=x&state=y', { headers: wanted }),
      await flow.send('/oauth/consent', form({ request: sealed, decision: 'allow' }, wanted))
    ]
    for (const { status, headers, text } of pages) {
      assert.equal(status, 503)
      assert.match(String(headers.get('retry-after')), /^[1-9]\d*$/)
      assert.match(String(headers.get('content-type')), /^text\/html/)
      assert.match(text, /The server is closing/)
    }
    const replies = [
      await flow.token(redeem(id, later), { origin: 'https://app.example' }),
      await flow.revoke({ client_id: id, token: 'x' }),
      await flow.send('/oauth/register', json({ redirect_uris: [loopbackUri] }))
    ]
    for (const { status, headers, json } of replies) {
      assert.equal(status, 503)
      assert.match(String(headers.get('retry-after')), /^[1-9]\d*$/)
      assert.equal(json()['error'], 'temporarily_unavailable')
    }
    assert.equal(replies[0]?.headers.get('access-control-allow-origin'), '*')
    assert.equal((await flow.send('/oauth/token', { method: 'OPTIONS' })).status, 204)
    assert.equal((await running).status, 200)
    await closing
    const lines = flow.logs.map(line => JSON.parse(line)).filter(({ code }) => /CLOSING/.test(code))
    assert.deepEqual(lines.map(({ level }) => level), Array.from({ length: 6 }, () => 30))
  }
)

matrix(
  'POST /oauth/token completes when the app closes although its client has left [field:S8]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const id = await flow.register()
    const code = await flow.login(id)
    flow.provider.delay = 1_000
    const socket = connect(Number(new URL(flow.origin).port), '127.0.0.1')
    const body = query(redeem(id, code))
    socket.write(
      `POST ${flow.prefix}/oauth/token HTTP/1.1\r\nHost: localhost\r\n` +
        'Content-Type: application/x-www-form-urlencoded\r\n' +
        `Content-Length: ${body.length}\r\n\r\n${body}`
    )
    while (flow.provider.most === 0) await sleep(5)
    socket.destroy()
    await flow.app.close()
    assert.equal(flow.provider.refreshTokens.size, 1)
  }
)

matrix(
  'POST /oauth/token stores what the provider answers after a 504 before the app closes [field:S8]',
  async ({ startFlow }) => {
    let writes = 0
    const flow = await startFlow({
      instances: 2,
      wrap: store => ({
        ...store,
        async put (key, value, ttl) {
          await store.put(key, value, ttl)
          if (key.includes(':family:')) writes++
        }
      })
    })
    const other = flow.instances[1] as Instance
    const id = await flow.register()
    const { refresh_token: token } = await flow.tokens(id)
    flow.provider.delay = 5_500
    assert.equal((await flow.token(renew(id, token))).status, 504)
    writes = 0
    await flow.app.close()
    assert.equal(writes, 2, 'the token of the provider, and ours')
    const reply = await other.token(renew(id, token))
    assert.equal(reply.status, 200, reply.text)
  }
)
