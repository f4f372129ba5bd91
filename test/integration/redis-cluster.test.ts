import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { Cluster as ValkeyCluster } from 'iovalkey'
import { redisStore } from '../../lib/store/redis.ts'
import { isError, redeem, renew, startFlow, type Flow } from '../support/flow.ts'
import { connect, eventOf, skipWithout, type RedisServer } from '../support/redis.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { contract } from '../support/store-contract.ts'

const pairs = [['ioredis', Cluster, 'redis-server'], [
  'iovalkey',
  ValkeyCluster as unknown as typeof Cluster,
  'valkey-server'
]] as const

async function join (
  t: TestContext,
  nodes: RedisServer[],
  Client: typeof Cluster
): Promise<Cluster> {
  const client = new Client(nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  client.on('error', () => {})
  t.after(() => {
    client.disconnect()
  })
  if (client.status !== 'ready') await eventOf(client, 'ready')
  return client
}

for (const [name, Client, server] of pairs) {
  test(
    `redisStore works on a cluster of three: ${server}, ${name}`,
    { skip: skipWithout(server) },
    async (t) => {
      const nodes = await startCluster(t, server)
      const admins = await Promise.all(nodes.map(({ port }) => connect(t, port)))
      const [one, two] = [await join(t, nodes, Client), await join(t, nodes, Client)]
      for (const [name, check] of contract) {
        await t.test(name, async () => {
          await Promise.all(admins.map(admin => admin.flushall()))
          await check(redisStore(one), redisStore(two))
        })
      }

      for (const prefix of ['', '/v1']) {
        await t.test(`a login spans two instances (${prefix || 'root'}) [T-14 T-15 T-22 V-05 V-06]`, async (t) => {
          await Promise.all(admins.map(admin => admin.flushall()))
          const flow = await startFlow(t, { options: { prefix, store: redisStore(one) } })
          const other = await flow.addInstance({ store: redisStore(two) })
          const id = await flow.register()
          const code = await flow.login(id, { at: [flow, other, flow] })
          const replies = await Promise.all(
            Array.from(
              { length: 20 },
              (_, index) => (index % 2 ? flow : other).token(redeem(id, code))
            )
          )
          assert.equal(replies.filter(({ status }) => status === 200).length, 1)

          const tokens = await flow.tokens(id, { at: [other, flow, other, flow] })
          const renewals = await Promise.all(
            Array.from(
              { length: 20 },
              (_, index) => (index % 2 ? flow : other).token(renew(id, tokens.refresh_token))
            )
          )
          assert.deepEqual([...new Set(renewals.map(({ status }) => status))], [200])
          assert.equal(new Set(renewals.map(({ json }) => json()['refresh_token'])).size, 1)
          const next = renewals[0]?.json() ?? {}
          for (const instance of [flow, other]) {
            assert.equal((await instance.call(next['access_token'])).status, 200)
          }
          assert.equal(
            (await other.revoke({ client_id: id, token: next['access_token'] })).status,
            200
          )
          await sleep(1_050)
          for (const instance of [flow, other]) {
            assert.equal((await instance.call(next['access_token'])).status, 401)
            isError(await instance.token(renew(id, next['refresh_token'])), 400, 'invalid_grant')
          }
          for (const admin of admins) {
            assert.ok(await admin.dbsize() > 0, 'every server has its share')
          }
        })
      }

      await t.test('/oauth/token replies 200 or 503 while one server hangs, and recovers [F-13]', async (t) => {
        const flow = await startFlow(t, { options: { store: redisStore(one) } })
        const id = await flow.register()
        const codes: string[] = []
        for (let index = 0; index < 12; index++) codes.push(await flow.login(id))
        nodes[1]?.process.kill('SIGSTOP')
        const during = await Promise.all(codes.map(code => flow.token(redeem(id, code))))
        nodes[1]?.process.kill('SIGCONT')
        const statuses = during.map(({ status }) => status)
        assert.ok(statuses.includes(503), String(statuses))
        assert.ok(statuses.every(status => status === 503 || status === 200), String(statuses))
        while (
          !/cluster_state:ok/.test(String(await admins[0]?.call('CLUSTER', 'INFO')))
        ) { await sleep(50) }
        await recovers(flow, id)
      })
    }
  )
}

/** The circuit breaker may refuse the first logins after the cluster has recovered. */
async function recovers (flow: Flow, id: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    if (await flow.tokens(id).then(() => true, () => false)) break
    await sleep(200)
  }
  for (let index = 0; index < 12; index++) assert.ok((await flow.tokens(id)).access_token)
}
