import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { request } from 'undici'
import {
  loopbackUri,
  openBrowser,
  redeem,
  renew,
  startFlow,
  type Flow,
  type Reply
} from '../support/flow.ts'
import { skip, startRedis } from '../support/redis.ts'
import { type Revision, rpc } from '../support/revisions.ts'
import { runInSmallHeap, smallHeap } from '../support/small-heap.ts'

/** Each round sends half a megabyte of new values: all rounds together exceed the heap. */
const rounds = Number(process.env['FLOOD_ROUNDS'] ?? 250)

const json = { 'content-type': 'application/json' }
const randomText = (length: number) => randomBytes(length / 2).toString('hex')

/** Requests without a login to every endpoint, and their statuses. */
function table (
  flow: Flow,
  id: string
): Array<[name: string, send: () => Promise<Reply>, statuses: number[]]> {
  const register = (metadata: object) =>
    flow.send('/oauth/register', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ redirect_uris: [loopbackUri], ...metadata })
    })
  const call = (token: string, body: string) =>
    flow.send('/mcp', {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${token}` },
      body
    })
  return [
    ['a registration', () => register({ client_name: randomText(80) }), [201]],
    [
      'a large registration',
      () => register({ redirect_uris: [`${loopbackUri}/${randomText(20_000)}`] }),
      [400]
    ],
    [
      'a registration with unknown members',
      () => register({ [randomText(40)]: randomText(60_000) }),
      [
        201
      ]
    ],
    ['a page', () => flow.authorize(flow.params(id, { state: randomText(500) })), [200]],
    ['an unknown client', () => flow.authorize(flow.params(randomText(4_000))), [400]],
    [
      'a client with a private URL',
      () => flow.authorize(flow.params(`https://127.0.0.1/${randomText(40)}`)),
      [
        400
      ]
    ],
    [
      'a consent',
      () =>
        flow.send('/oauth/consent', {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `action=approve&request=${randomText(4_000)}`
        }),
      [400]
    ],
    [
      'a callback',
      () => flow.send(`/oauth/callback?code=${randomText(40)}&state=${randomText(4_000)}`),
      [400]
    ],
    ['a code', () => flow.token(redeem(id, randomText(60_000))), [400]],
    ['a refresh token', () => flow.token(renew(id, randomText(60_000))), [400]],
    ['a client at the token endpoint', () => flow.token(redeem(randomText(4_000), 'code')), [401]],
    ['a token to revoke', () => flow.revoke({ client_id: id, token: randomText(60_000) }), [200]],
    [
      'a token',
      () => call(randomText(8_000), JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })),
      [401]
    ],
    [
      'a call without a token',
      () =>
        flow.send('/mcp', {
          method: 'POST',
          headers: json,
          body: JSON.stringify({ params: randomText(250_000) })
        }),
      [401]
    ],
    ['a login with a made-up code', async () => {
      const browser = openBrowser()
      const request = await flow.form(browser, flow.params(id))
      const approved = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
      const callback = await browser.get(
        flow,
        `/oauth/callback?code=${randomText(40)}&state=${
          approved.location?.searchParams.get('state')
        }&iss=${encodeURIComponent(flow.provider.issuer)}`
      )
      return await flow.token(redeem(id, callback.location?.searchParams.get('code') ?? ''))
    }, [400]]
  ]
}

test('the memory store filled by anonymous requests fits into a heap of 128 MB [F-34 D11]', async () => {
  assert.equal(await runInSmallHeap('full-memory.ts'), 'true\n')
})

test('tools with answers of 600 MB, streamed or in one Buffer, fit into a heap of 128 MB [field:T1]', async () => {
  const peak = Number(await runInSmallHeap('large-answers.ts'))
  assert.ok(peak < 600 * 1024 * 1024, `${peak}`)
})

test('a heap of 512 MB serves 50 callers of the largest answers, and others meanwhile [field:T1]', async (t) => {
  const child = fork(new URL('../support/many-callers.ts', import.meta.url), [], {
    execArgv: ['--max-old-space-size=512', '--import', 'tsx']
  })
  t.after(() => child.kill('SIGKILL'))
  const [origin] = await once(child, 'message') as [string]
  const call = async (name: string, revision: Revision = '2025-11-25') => {
    const init = rpc(revision, 'tools/call', { name, arguments: {} })
    const { body } = await request(`${origin}/mcp`, init as object)
    let begin = ''
    let size = 0
    // Neither process keeps the answers.
    for await (const chunk of body) {
      if (size === 0) begin = String(chunk)
      size += chunk.length
    }
    return size < 10_000 ? begin : size
  }
  const names = ['buffer', 'buffer', 'streamed', 'over', 'streamedOver']
  const results = await Promise.all(
    Array.from({ length: 10 }, (_, index) => [
      ...names.map(async name => [name, await call(name, index < 5 ? '2025-11-25' : '2026-07-28')]),
      call('small').then(result => ['small', result])
    ]).flat()
  )
  for (const [name = '', result] of results) {
    if (/over/i.test(String(name))) assert.match(String(result), /too large/)
    else if (name === 'small') assert.match(String(result), /"ok"/)
    else assert.ok(Number(result) > 4 * 1024 * 1024, `${name}: ${result}`)
  }
  assert.match(String(await call('small')), /"ok"/)
  assert.equal(child.exitCode, null)
})

/** All four pairs run in `npm run test:long` only. */
const pairs = [
  { where: 'in memory, at the root', redis: false, prefix: '' },
  { where: 'on Redis, under /v1', redis: true, prefix: '/v1' },
  ...process.env['MATRIX'] === 'full'
    ? [
      { where: 'in memory, under /v1', redis: false, prefix: '/v1' },
      { where: 'on Redis, at the root', redis: true, prefix: '' }
    ]
    : []
]

for (const { where, redis, prefix } of pairs) {
  test(
    `anonymous requests do not exhaust a heap of 128 MB (${where}) [F-34 D11]`,
    { skip: redis && skip },
    async (t) => {
      const server = smallHeap(t, redis ? (await startRedis(t)).port : undefined)
      const flow = await startFlow(t, { options: { prefix }, launch: server.launch })
      const id = await flow.register()
      const before = await flow.tokens(id)
      const rows = table(flow, id)
      for (let round = 0; round < rounds; round++) {
        await Promise.all(rows.map(async ([name, send, statuses]) => {
          const { status, text } = await send()
          assert.ok(statuses.includes(status), `${name}: ${status} ${text}`)
        }))
      }
      assert.equal(server.exit(), null)
      assert.equal((await flow.call(before.access_token)).status, 200)
      assert.equal((await flow.token(renew(id, before.refresh_token))).status, 200)
      assert.ok((await flow.tokens(await flow.register())).access_token)
    }
  )
}
