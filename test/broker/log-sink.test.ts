import assert from 'node:assert/strict'
import Fastify from 'fastify'
import { matrix } from '../support/matrix.ts'
import { openBrowser, redeem, renew, type Flow } from '../support/flow.ts'

/** A login, and an error at each endpoint, with the responses. */
async function requestAll (flow: Flow): Promise<Record<string, number | string | undefined>> {
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  const code = await flow.login(id)
  const browser = openBrowser()
  const callbackQuery = await flow.approve(browser, flow.params(id))
  const status = async (reply: Promise<{ status: number }>) => (await reply).status
  return {
    call: await status(flow.call(tokens.access_token)),
    'invalid token': await status(flow.call('none')),
    'invalid client': await status(flow.authorize(flow.params('none'))),
    'invalid scope':
      (await flow.authorize(flow.params(id, { scope: 'none' }))).location?.searchParams.get(
        'error'
      ) ??
        undefined,
    'invalid registration': await status(
      flow.send('/oauth/register', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}'
      })
    ),
    'invalid consent': await status(
      browser.post(flow, '/oauth/consent', { request: 'none', action: 'approve' })
    ),
    'invalid callback': await status(flow.send('/oauth/callback?state=none')),
    'invalid code': await status(flow.token(redeem(id, 'none'))),
    'invalid verifier': await status(
      flow.token(redeem(id, code, { code_verifier: 'v'.repeat(43) }))
    ),
    'invalid method': await status(flow.send('/oauth/token')),
    refresh: await status(flow.token(renew(id, tokens.refresh_token))),
    'provider down': await (async () => {
      flow.provider.fail.set('/token', { status: 503, body: '' })
      const reply = await browser.get(flow, `/oauth/callback?${callbackQuery}`)
      const redeemed = await flow.token(redeem(id, reply.location?.searchParams.get('code') ?? ''))
      flow.provider.fail.delete('/token')
      return redeemed.status
    })(),
    revoke: await status(flow.revoke({ client_id: id, token: tokens.access_token })),
    'revoked token': await status(flow.call(tokens.access_token))
  }
}

matrix('no endpoint fails while the disk of the log is full [F-27]', async ({ startFlow }) => {
  let diskFull = false
  let failedWrites = 0
  const stream = {
    write (line: string) {
      // Fastify writes these lines itself. If it cannot write one, the request ends before it
      // reaches the plugin.
      if (!diskFull || /"msg":"(incoming request|request completed)"/.test(line)) return
      failedWrites++
      throw new Error('ENOSPC')
    }
  }
  const flow = await startFlow({ app: async () => Fastify({ logger: { level: 'trace', stream } }) })
  const before = await requestAll(flow)
  diskFull = true
  assert.deepEqual(await requestAll(flow), before)
  assert.ok(failedWrites > 10, `${failedWrites} lines`)
  assert.deepEqual([
    before['call'],
    before['invalid token'],
    before['provider down'],
    before['revoked token']
  ], [200, 401, 503, 401])
})
