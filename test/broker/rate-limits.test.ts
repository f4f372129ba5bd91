import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import { matrix } from '../support/matrix.ts'
import { isError, isPage, query, redeem, renew, type Flow, type Reply } from '../support/flow.ts'
import { recordWrites } from '../support/stores.ts'
import { sweep } from '../support/sweep.ts'

/** A host with the rate limits of docs/security.md. */
function hostWithLimit (max: number): () => Promise<FastifyInstance> {
  return async () => {
    const app = Fastify()
    await app.register(rateLimit, { global: false })
    app.addHook('onRequest', app.rateLimit({ max, timeWindow: '1 minute' }))
    return app
  }
}

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const html = { accept: 'text/html' }

function registration (flow: Flow, headers: Record<string, string> = {}): Promise<Reply> {
  return flow.send('/oauth/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ redirect_uris: ['https://app.example/cb'] })
  })
}

matrix(
  'POST /oauth/token keeps the 429 and Retry-After of the host [R-22 T-30 A-21]',
  async ({ startFlow }) => {
    const flow = await startFlow({ app: hostWithLimit(4) })
    const id = await flow.register()
    const params = flow.params(id)
    assert.equal((await flow.authorize(params)).status, 200)
    isError(await flow.token(redeem(id, 'guess')), 400, 'invalid_grant')
    isError(await flow.token(renew(id, 'guess')), 400, 'invalid_grant')

    const programs: Array<[name: string, reply: Reply]> = [
      ['R-22', await registration(flow)],
      [
        'R-22 the address is that of the connection',
        await registration(flow, { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.7' })
      ],
      ['T-30', await flow.token(redeem(id, 'guess'))],
      ['T-30', await flow.token(renew(id, 'guess'))],
      ['revoke', await flow.revoke({ client_id: id, token: 'x' })],
      ['A-21', await flow.send(`/oauth/authorize?${query(params)}`)],
      ['/mcp', await flow.call('x')]
    ]
    for (const [name, reply] of programs) {
      isError(reply, 429, 'temporarily_unavailable', name)
      assert.match(reply.headers.get('retry-after') ?? '', /^\d+$/, name)
    }
    for (const [name, { headers }] of programs.slice(0, 5)) {
      assert.equal(
        headers.get('access-control-allow-origin'),
        '*',
        `${name}: web pages can read it`
      )
    }
    for (
      const [name, page] of Object.entries({
        'A-21': await flow.authorize(params),
        consent: await flow.send('/oauth/consent', {
          method: 'POST',
          headers: { ...form, ...html },
          body: 'action=approve'
        }),
        callback: await flow.send('/oauth/callback?state=x&code=x', { headers: html })
      })
    ) {
      isPage(page, 429, 'temporarily_unavailable', name)
      assert.match(page.headers.get('retry-after') ?? '', /^\d+$/, name)
    }
    assert.equal(flow.provider.requests.length, 0)
  }
)

/** Bytes of memory in use after a garbage collection. */
function heapUsed (): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

matrix(
  'POST /oauth/register and the others keep no memory after a flood [D11 R-22 T-30 A-21]',
  async ({ startFlow }) => {
    const { wrap, writes } = recordWrites()
    const flow = await startFlow({ wrap, app: async () => Fastify() })
    const id = await flow.register()
    const authorizationQuery = query(flow.params(id, { state: undefined }))
    const post = async (path: string, type: string, payload: string, ip = '192.0.2.1') => (
      (await flow.app.inject({
        method: 'POST',
        url: `${flow.prefix}/oauth/${path}`,
        headers: { 'content-type': type },
        payload,
        remoteAddress: ip
      })).statusCode
    )
    const flood = async (from: number, to: number) => {
      for (let index = from; index < to; index++) {
        const statuses = [
          await post(
            'register',
            'application/json',
            JSON.stringify({ redirect_uris: [`https://app.example/${index}`] }),
            `2001:db8:${index.toString(16)}::1`
          ),
          (await flow.app.inject(
            `${flow.prefix}/oauth/authorize?${authorizationQuery}&state=${index}`
          ))
            .statusCode,
          await post('token', form['content-type'], query(redeem(id, String(index)))),
          await post('token', form['content-type'], query(renew(id, String(index))))
        ]
        assert.deepEqual(statuses, [201, 200, 400, 400])
      }
    }
    await flood(0, 100)
    const before = heapUsed()
    const rounds = sweep(1000)
    await flood(100, 100 + rounds)
    const growth = heapUsed() - before
    assert.ok(growth < rounds * 2048 + 256 * 1024, `${4 * rounds} requests left ${growth} bytes`)
    assert.deepEqual(writes, [])
    assert.ok((await flow.tokens(id)).access_token, 'and a legitimate user logs in')
  },
  { serial: true }
)
