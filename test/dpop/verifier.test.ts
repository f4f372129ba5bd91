import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import Fastify from 'fastify'
import { createDpopVerifier, createNonces } from '../../lib/dpop/verifier.ts'
import { markUsed } from '../../lib/store/single-use.ts'
import { createHolder, type ProofParts } from '../support/dpop.ts'

const publicUrl = 'https://mcp.example.com'

const secrets = ['a secret']

/** The nonce of a period of two minutes, which is valid until the next period has ended. */
const nonceOf = (period: number) => createNonces(secrets)(period * 120)[0] ?? ''

/** A route that returns the thumbprint of the proof's key. */
async function start (t: TestContext) {
  const app = Fastify()
  t.after(() => app.close())
  const holder = await createHolder()
  const config = { dpop: 'accept', store: null, secrets } as const
  const check = createDpopVerifier(config, () => ({ publicUrl }), 'token')
  assert.ok(check)
  app.post(
    '/',
    async (request, reply) => {
      const proof = await check(request, reply, Number(request.headers['x-now']))
      if (proof) await markUsed(proof.use)
      return { key: proof?.key ?? null }
    }
  )
  const send = async (now: number, proof?: string) =>
    await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'x-now': String(now), ...(proof !== undefined && { dpop: proof }) }
    })
  return { send, holder }
}

test('The verifier sends the next nonce once that of the proof is replaced [EX-04]', async t => {
  const { send, holder } = await start(t)
  const proofAt = async (now: number, period?: number) => {
    const nonce = period === undefined ? undefined : nonceOf(period)
    const response = await send(now, await holder.prove('POST', `${publicUrl}/`, { nonce }))
    const body = response.json()
    return [response.statusCode, body.key ?? body.code, response.headers['dpop-nonce']]
  }
  const nonceRequired = 'FST_MCP_OAUTH_USE_DPOP_NONCE'
  assert.deepEqual(await proofAt(0), [401, nonceRequired, nonceOf(0)])
  assert.deepEqual(await proofAt(119, 0), [200, holder.jkt, undefined])
  assert.deepEqual(await proofAt(120, 0), [200, holder.jkt, nonceOf(1)])
  assert.deepEqual(await proofAt(239, 0), [200, holder.jkt, nonceOf(1)])
  assert.deepEqual(await proofAt(240, 0), [401, nonceRequired, nonceOf(2)])
  assert.deepEqual(await proofAt(240, 3), [401, nonceRequired, nonceOf(2)])
})

test('The verifier marks only valid proofs as used, by key and id [EX-04]', async t => {
  const { send, holder } = await start(t)
  assert.deepEqual((await send(0)).json(), { key: null })
  const other = await createHolder()
  const nonce = nonceOf(0)
  const prove = (parts: ProofParts, prover = holder, method = 'POST') =>
    prover.prove(method, `${publicUrl}/`, { nonce, claims: { jti: 'one' }, ...parts })
  for (
    const proof of [
      await prove({ nonce: 'old' }),
      await prove({ signer: other.privateKey }),
      await prove({}, holder, 'GET')
    ]
  ) assert.equal((await send(0, proof)).statusCode, 401)
  const proof = await prove({})
  assert.deepEqual((await send(0, proof)).json(), { key: holder.jkt })
  assert.equal((await send(0, proof)).json().code, 'FST_MCP_OAUTH_INVALID_DPOP_PROOF')
  assert.deepEqual((await send(0, await prove({}, other))).json(), { key: other.jkt })
})

test('The verifier returns the RFC 7638 thumbprint, whatever else the key has [EX-04]', async t => {
  const { send, holder } = await start(t)
  const jwk = { ...holder.jwk, kid: 'k', use: 'sig', alg: 'ES256', key_ops: ['verify'], ext: false }
  const proof = await holder.prove('POST', `${publicUrl}/`, { nonce: nonceOf(0), header: { jwk } })
  assert.deepEqual((await send(0, proof)).json(), { key: holder.jkt })
})

test('The verifier accepts a key with alg EdDSA in a proof with Ed25519 [EX-04]', async t => {
  const { send } = await start(t)
  const holder = await createHolder('Ed25519')
  const jwk = { ...holder.jwk, alg: 'EdDSA' }
  const proof = await holder.prove('POST', `${publicUrl}/`, { nonce: nonceOf(0), header: { jwk } })
  assert.deepEqual((await send(0, proof)).json(), { key: holder.jkt })
})
