import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import Fastify from 'fastify'
import { createProofVerifier } from '../../lib/dpop/verifier.ts'
import { createHolder } from '../support/dpop.ts'

const publicUrl = 'https://mcp.example.com'

/**
 * A route that returns the thumbprint of the proof's key, and the list of used proofs. Every minute
 * has a nonce, which is valid until the next minute has ended.
 */
async function start (t: TestContext) {
  const app = Fastify()
  t.after(() => app.close())
  const holder = await createHolder()
  const used: string[] = []
  const minute = (now: number) => `minute-${Math.floor(now / 60)}`
  const check = createProofVerifier(
    () => publicUrl,
    now => [minute(now), minute(now - 60)],
    async id => !used.includes(id) && used.push(id) > 0
  )
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

test('createProofVerifier sends the next nonce once the one of the proof is replaced [EX-04]', async (t) => {
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

test('createProofVerifier marks only valid proofs as used [EX-04]', async (t) => {
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

test('createProofVerifier returns the RFC 7638 thumbprint, whatever else the key has [EX-04]', async (t) => {
  const { ask, holder } = await start(t)
  const jwk = { ...holder.jwk, kid: 'k', use: 'sig', alg: 'ES256', key_ops: ['verify'], ext: false }
  const answer = await ask(
    0,
    await holder.prove('POST', `${publicUrl}/`, { nonce: 'minute-0', header: { jwk } })
  )
  assert.deepEqual(answer.json(), { key: holder.jkt })
})

test('createProofVerifier accepts a key with alg EdDSA in a proof with Ed25519 [EX-04]', async (t) => {
  const { ask } = await start(t)
  const holder = await createHolder('Ed25519')
  const jwk = { ...holder.jwk, alg: 'EdDSA' }
  const proof = await holder.prove('POST', `${publicUrl}/`, { nonce: 'minute-0', header: { jwk } })
  assert.deepEqual((await ask(0, proof)).json(), { key: holder.jkt })
})
