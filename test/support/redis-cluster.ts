import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './broker.ts'
import { connect, startRedis, type RedisServer, type Server } from './redis.ts'

const slots = 16_384

/**
 * A cluster of three servers without replicas. Resolves when every server has received the map of
 * all slots.
 */
export async function startCluster (t: TestContext, server: Server): Promise<RedisServer[]> {
  const nodes = await Promise.all(Array.from({ length: 3 }, async () => {
    const busPort = await freePort()
    const started = await startRedis(t, {
      server,
      args: [
        '--cluster-enabled',
        'yes',
        '--cluster-port',
        String(busPort),
        '--cluster-node-timeout',
        '2000'
      ]
    })
    return { ...started, busPort, admin: await connect(t, started.port) }
  }))
  const [first] = nodes
  for (const [index, { admin, port, busPort }] of nodes.entries()) {
    const [from, to] = [index, index + 1].map(part => Math.round(part * slots / nodes.length)) as [
      number,
      number
    ]
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', from, to - 1)
    if (index > 0) await first?.admin.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort)
  }
  for (const { admin } of nodes) {
    while (
      !/cluster_state:ok[\s\S]*cluster_slots_ok:16384[\s\S]*cluster_known_nodes:3/.test(
        String(await admin.call('CLUSTER', 'INFO'))
      )
    ) await sleep(50)
  }
  return nodes
}
