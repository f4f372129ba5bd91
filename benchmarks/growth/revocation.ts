/** Does the revocation of a million tokens cost more than that of one? Four processes and Redis. */
import { fork } from 'node:child_process'
import { createPrivateKey, sign } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { mcpOAuth } from '../../lib/index.ts'
import { redisStore } from '../../lib/store/redis.ts'
import { connect, startRedis } from '../../test/support/redis.ts'
import { startIssuer } from '../../test/support/issuer.ts'

const count = Number(process.argv[2] ?? 1_000_000)
const processes = 4
const publicUrl = 'https://mcp.example.com'

/** One instance: a resource server with the shared store, which responds with statuses. */
async function serve (issuer: string, port: number) {
  const app = Fastify()
  await app.register(mcpOAuth, { issuer, publicUrl, store: redisStore(new Redis({ port })) })
  app.get('/me', { onRequest: app.requireMcpAuth() }, async () => 'ok')
  await app.ready()
  process.on('message', async (message: { tokens?: string[], revoke?: object }) => {
    if (message.revoke) {
      const startedAt = performance.now()
      await app.mcpOAuth.revoke(message.revoke as { all: true })
      process.send?.({ ms: performance.now() - startedAt })
      return
    }
    const statuses = await Promise.all(
      message.tokens?.map(async (token) => {
        const headers = { authorization: `Bearer ${token}` }
        return (await app.inject({ url: '/me', headers })).statusCode
      }) ?? []
    )
    process.send?.({ statuses })
  })
  process.send?.({ ready: true })
}

async function run () {
  const cleanups: Array<() => unknown> = []
  const t = { after: (cleanup: () => unknown) => cleanups.push(cleanup) }
  const { port } = await startRedis(t as never)
  const redis = await connect(t as never, port)
  const issuer = await startIssuer()
  const children = await Promise.all(Array.from({ length: processes }, async () => {
    const child = fork(import.meta.filename, ['serve', issuer.issuer, String(port)])
    await once(child, 'message')
    return child
  }))
  const ask = async (child: typeof children[number], message: object) => {
    child.send(message)
    return (await once(child, 'message'))[0]
  }
  const { kid, privateKey } = issuer.key
  const key = createPrivateKey({
    key: await crypto.subtle.exportKey('jwk', privateKey) as never,
    format: 'jwk'
  })
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const alg = issuer.key.alg
  const head = encode({ alg, kid, typ: 'at+jwt' })
  const iat = Math.floor(Date.now() / 1000)
  const mint = (sub: string) => {
    const aud = `${publicUrl}/mcp`
    const body = `${head}.${
      encode({ iss: issuer.issuer, sub, aud, client_id: 'c', iat, exp: iat + 3600, jti: sub })
    }`
    const signature = sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' })
    return `${body}.${signature.toString('base64url')}`
  }
  const sets = async () => {
    const [, calls = '0'] = /cmdstat_set:calls=(\d+)/.exec(await redis.info('commandstats')) ?? []
    return Number(calls)
  }
  for (const minted of [1, count]) {
    const startedAt = performance.now()
    const client = `user of ${minted}`
    const sample: string[] = []
    const every = Math.max(1, Math.floor(minted / 500))
    for (let index = 0; index < minted; index++) {
      const token = mint(client)
      if (index % every === 0) sample.push(token)
    }
    const seconds = (performance.now() - startedAt) / 1000
    const statuses = async () =>
      (await Promise.all(children.map(child => ask(child, { tokens: sample }))))
        .flatMap(({ statuses }) => statuses)
    const before = await statuses()
    const writes = await sets()
    const { ms } = await ask(children[0] as never, { revoke: { subject: client } })
    const written = await sets() - writes
    await sleep(1_000)
    const after = await statuses()
    console.log(
      `${minted} tokens minted in ${
        seconds.toFixed(0)
      } s, ${sample.length} of them sent to each of ` +
        `${processes} processes: ${before.filter(status => status === 200).length} accepted; ` +
        `revoked in ${ms.toFixed(1)} ms with ${written} writes; a second later ` +
        `${after.filter(status => status === 401).length} of ${after.length} refused`
    )
  }
  for (const child of children) child.kill()
  await issuer.close()
  for (const cleanup of cleanups.reverse()) await cleanup()
}

const [, , role, issuer = '', port = ''] = process.argv
await (role === 'serve' ? serve(issuer, Number(port)) : run())
