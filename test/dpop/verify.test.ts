import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import Fastify from 'fastify'
import { createProofVerifier } from '../../lib/dpop/verify.ts'
import { createHolder } from '../support/dpop.ts'

const publicUrl = 'https://mcp.example.com'

/**
 * A route that answers with the thumbprint of who signed, and what was used up. Every minute has a
 * nonce, good until the next has ended.
 */
async function start (t: TestContext) {
  const app = Fastify()
  t.after(() => app.close())
  const holder = await createHolder()
  const used: string[] = []
  const minute = (now: number) => `minute-${Math.floor(now / 60)}`
  const check = createProofVerifier({
    publicUrl: () => publicUrl,
    nonces: now => [minute(now), minute(now - 60)],
    once: async id => !used.includes(id) && used.push(id) > 0
  })
  app.post(
    '/',
    async (request, reply) => ({
      key: await check(request, reply, Number(request.headers['x-now']))
    })
  )
  const ask = async (now: number, proof?: string) =>
    await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'x-now': String(now), ...(proof !== undefined && { dpop: proof }) }
    })
  return { ask, used, holder }
}

test('a fresh nonce comes along with the answer when the one at hand has been replaced [EX-04]', async (t) => {
  const { ask, holder } = await start(t)
  const proved = async (now: number, nonce?: string) => {
    const answer = await ask(now, await holder.prove('POST', `${publicUrl}/`, { nonce }))
    return [
      answer.statusCode,
      answer.json().key ?? answer.json().code,
      answer.headers['dpop-nonce']
    ]
  }
  const needed = 'FST_MCP_OAUTH_USE_DPOP_NONCE'
  assert.deepEqual(await proved(0), [401, needed, 'minute-0'])
  assert.deepEqual(await proved(59, 'minute-0'), [200, holder.jkt, undefined])
  assert.deepEqual(await proved(60, 'minute-0'), [200, holder.jkt, 'minute-1'])
  assert.deepEqual(await proved(119, 'minute-0'), [200, holder.jkt, 'minute-1'])
  assert.deepEqual(await proved(120, 'minute-0'), [401, needed, 'minute-2'])
  assert.deepEqual(await proved(120, 'minute-3'), [401, needed, 'minute-2'])
})

test('only a proof that is good is used up [EX-04]', async (t) => {
  const { ask, used, holder } = await start(t)
  assert.deepEqual((await ask(0)).json(), { key: null })
  const other = await createHolder()
  for (
    const parts of [{ nonce: 'old' }, { nonce: 'minute-0', signer: other.privateKey }, {
      nonce: 'minute-0',
      claims: { htm: 'GET' }
    }]
  ) {
    assert.equal((await ask(0, await holder.prove('POST', `${publicUrl}/`, parts))).statusCode, 401)
  }
  assert.deepEqual(used, [])
  const proof = await holder.prove('POST', `${publicUrl}/`, {
    nonce: 'minute-0',
    claims: { jti: 'one' }
  })
  assert.equal((await ask(0, proof)).statusCode, 200)
  assert.deepEqual(used, [`${holder.jkt} one`])
  assert.equal((await ask(0, proof)).json().code, 'FST_MCP_OAUTH_INVALID_DPOP_PROOF')
})

test('the thumbprint is that of RFC 7638, whatever else is in the key [EX-04]', async (t) => {
  const { ask, holder } = await start(t)
  const jwk = { ...holder.jwk, kid: 'k', use: 'sig', alg: 'ES256', key_ops: ['verify'], ext: false }
  const answer = await ask(
    0,
    await holder.prove('POST', `${publicUrl}/`, { nonce: 'minute-0', header: { jwk } })
  )
  assert.deepEqual(answer.json(), { key: holder.jkt })
})
