import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { decodeJwt } from 'jose'
import { idJag, identityClaims, jwtBearer, startAssertionIssuer } from '../support/assertions.ts'
import { clientId, hash, secret } from '../support/id-jag.ts'
import { basic } from '../support/machines.ts'
import { skip, startRedis } from '../support/redis.ts'

const publicUrl = 'https://mcp.example.com'
const ours = { issuer: publicUrl, resource: `${publicUrl}/mcp`, clientId }

/** Brokers in processes of their own, which share a Redis and trust one issuer. */
async function startProcesses (t: TestContext, count: number) {
  const trusted = await startAssertionIssuer(t)
  const { port } = await startRedis(t)
  const argument = JSON.stringify({
    issuer: trusted.issuer,
    clientId: 'broker',
    clientSecret: 'x'.repeat(40),
    secret: randomBytes(32).toString('hex'),
    setupProxies: true,
    publicUrl,
    requiredScopes: ['mcp:read'],
    mcp: { tools: true },
    rateLimits: false,
    trustedIssuers: [{ issuer: trusted.issuer }],
    clients: [{ clientId, secretHashes: [hash], grantTypes: [jwtBearer] }],
    redis: port
  })
  const origins = await Promise.all(Array.from({ length: count }, async () => {
    const child = fork(new URL('../support/instance.ts', import.meta.url), [argument], {
      execArgv: ['--import', 'tsx']
    })
    t.after(async () => child.kill('SIGKILL'))
    const [origin] = await once(child, 'message')
    return String(origin)
  }))
  const send = (origin: string, assertion: string) =>
    fetch(`${origin}/oauth/token`, {
      method: 'POST',
      headers: {
        ...basic(clientId, secret),
        'x-forwarded-host': new URL(publicUrl).host,
        'x-forwarded-proto': 'https'
      },
      body: new URLSearchParams({ grant_type: jwtBearer, assertion })
    })
  return { trusted, origins, send }
}

test('POST /oauth/token of four processes answers one of 100 requests with an assertion [EM-09]', {
  skip
}, async (t) => {
  const { trusted, origins, send } = await startProcesses(t, 4)
  assert.equal(new Set(origins).size, 4)
  const sign = () => trusted.sign(identityClaims(trusted, ours), idJag)
  // All have loaded the keys, so that the requests meet at the store.
  for (const origin of origins) assert.equal((await send(origin, await sign())).status, 200)
  for (let round = 0; round < 5; round++) {
    const assertion = await sign()
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => send(String(origins[index % 4]), assertion))
    )
    const bodies = await Promise.all(
      replies.map(async reply => await reply.json() as { access_token?: string, error?: string })
    )
    const tokens = bodies.flatMap(({ access_token: token = [] }) => token)
    assert.equal(tokens.length, 1, JSON.stringify(replies.map(({ status }) => status)))
    assert.equal(decodeJwt(String(tokens[0])).sub, `${trusted.issuer}|U019488227`)
    const refused = bodies.filter(({ error }) => error === 'invalid_grant')
    assert.equal(refused.length, 99)
    for (const origin of origins) assert.equal((await send(origin, assertion)).status, 400)
  }
})
