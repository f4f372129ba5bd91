import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { startFlow, type Instance } from '../support/flow.ts'
import { connect, servers, skipWithout, startRedis, type Server } from '../support/redis.ts'
import { json } from '../support/requests.ts'

/** Three brokers in processes of their own, behind a proxy, which share a Redis. */
async function startProcesses (t: TestContext, server: Server, args: string[] = []) {
  const redis = await startRedis(t, { server, args })
  const children: ChildProcess[] = []
  t.after(() => children.forEach(child => child.kill('SIGKILL')))
  const flow = await startFlow(t, {
    instances: 3,
    options: { mcp: { tools: true }, rateLimits: { register: 20 } },
    async launch ({ mcp, ...options }) {
      const argument = JSON.stringify({ ...options, mcp: { tools: true }, redis: redis.port })
      const child = fork(new URL('../support/instance.ts', import.meta.url), [argument], {
        execArgv: ['--import', 'tsx']
      })
      children.push(child)
      const [origin] = await once(child, 'message')
      return String(origin)
    }
  })
  return { flow, redis }
}

const registration = { redirect_uris: ['https://app.example/cb'] }

/** Registers at all instances in turn. Resolves to the number of each status. */
async function register (instances: Instance[], count: number, address: string) {
  const statuses: Record<number, number> = {}
  for (let index = 0; index < count; index++) {
    const instance = instances[index % instances.length] as Instance
    const headers = { 'x-forwarded-for': address }
    const { status } = await instance.send('/oauth/register', json(registration, headers))
    statuses[status] = (statuses[status] ?? 0) + 1
  }
  return statuses
}

for (const server of servers) {
  test(
    `POST /oauth/register: three processes count one address together (${server})`,
    { skip: skipWithout(server) },
    async (t) => {
      const { flow: { instances }, redis } = await startProcesses(t, server)
      // Each process learns of the requests to the others with its own next one.
      const isShared = ({ 201: passed = 0 }) => passed >= 20 && passed <= 22
      // The clock may begin a new minute meanwhile.
      let statuses = await register(instances, 60, '203.0.113.7')
      if (!isShared(statuses)) statuses = await register(instances, 60, '203.0.113.8')
      assert.ok(isShared(statuses), JSON.stringify(statuses))
      assert.deepEqual(await register(instances, 3, '203.0.113.9'), { 201: 3 })
      const client = await connect(t, redis.port)
      const keys = await client.keys('mcp-oauth:rate:*')
      assert.ok(keys.length >= 2)
      for (const key of keys) {
        assert.match(key, /^mcp-oauth:rate:[\w-]{43}$/)
        const remaining = await client.pttl(key)
        assert.ok(remaining === -2 || (remaining > 0 && remaining <= 60_000), String(remaining))
      }
    }
  )
}

test(
  'POST /oauth/register: without the right to run scripts each process counts alone, and logins work',
  { skip: skipWithout('redis-server') },
  async (t) => {
    const { flow } = await startProcesses(t, 'redis-server', ['--rename-command', 'EVAL', ''])
    let statuses = await register(flow.instances, 90, '203.0.113.7')
    if (statuses[201] !== 60) statuses = await register(flow.instances, 90, '203.0.113.8')
    assert.deepEqual(statuses, { 201: 60, 429: 30 })
    await flow.tokens(await flow.register(), { at: [...flow.instances, ...flow.instances] })
  }
)
