import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { redeem, renew, startFlow, type Instance } from '../support/flow.ts'
import { skip, startRedis } from '../support/redis.ts'

/** Two brokers in processes of their own, which share a Redis. */
async function startProcesses (t: TestContext) {
  const { port } = await startRedis(t)
  const children: ChildProcess[] = []
  t.after(() => children.forEach(child => child.kill('SIGKILL')))
  const flow = await startFlow(t, {
    instances: 2,
    options: { mcp: { tools: true } },
    async launch ({ mcp, ...options }) {
      const argument = JSON.stringify({ ...options, mcp: { tools: true }, redis: port })
      const child = fork(new URL('../support/instance.ts', import.meta.url), [argument], {
        execArgv: ['--import', 'tsx']
      })
      children.push(child)
      const [origin] = await once(child, 'message')
      return String(origin)
    }
  })
  return { flow, children, client: await flow.register() }
}

/** Sends a request to the first instance, which gets the signal once the provider is asked. */
async function interrupt (
  { flow, children }: Awaited<ReturnType<typeof startProcesses>>,
  signal: NodeJS.Signals,
  params: Parameters<Instance['token']>[0]
) {
  flow.provider.delay = 700
  const before = flow.provider.count('/token')
  const abandoned = (flow.instances[0] as Instance).token(params).catch(() => null)
  while (flow.provider.count('/token') === before) await sleep(5)
  children[0]?.kill(signal)
  flow.provider.delay = 0
  return { abandoned, second: flow.instances[1] as Instance }
}

/** Sends a request, and again while it is told that another instance is at it. */
async function repeat (instance: Instance, params: Parameters<Instance['token']>[0]) {
  for (;;) {
    const reply = await instance.token(params)
    if (reply.status !== 503) return reply
    assert.match(reply.text, /still in progress/)
    assert.equal(reply.headers.get('retry-after'), '1')
    await sleep(1_000)
  }
}

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(
    `POST /oauth/token refreshes at another instance after ${signal} of the first [field:S7]`,
    { skip },
    async (t) => {
      const processes = await startProcesses(t)
      const { flow, children, client } = processes
      flow.provider.rotation = 'silent'
      const { refresh_token: token } = await flow.tokens(client)
      const { abandoned, second } = await interrupt(processes, signal, renew(client, token))
      const reply = await repeat(second, renew(client, token))
      assert.equal(reply.status, 200, reply.text)
      const { access_token: access, refresh_token: next } = reply.json()
      assert.equal((await second.call(access)).status, 200)
      if (signal === 'SIGSTOP') {
        children[0]?.kill('SIGCONT')
        const late = await abandoned
        assert.ok(late === null || [200, 504].includes(late.status), late?.text)
      }
      assert.equal((await repeat(second, renew(client, next))).status, 200, 'the session goes on')
      assert.equal((await second.token(renew(client, token))).status, 200, 'and copies, too')
    }
  )

  const outcome = signal === 'SIGKILL' ? 'tells the answer of the provider' : 'continues'
  test(
    `POST /oauth/token ${outcome} if its first instance used up a code or token before ${signal} [field:S7]`,
    { skip },
    async (t) => {
      const processes = await startProcesses(t)
      const { flow, children, client } = processes
      const grant = await flow.tokens(client)
      const requests = [
        async () => renew(client, grant.refresh_token),
        async () =>
          redeem(client, await flow.login(client, { at: Array(3).fill(flow.instances[1]) }))
      ]
      for (const prepare of requests) {
        const params = await prepare()
        const { abandoned, second } = await interrupt(processes, signal, params)
        if (signal === 'SIGKILL') {
          const reply = await repeat(second, params)
          assert.deepEqual([reply.status, reply.json()['error']], [400, 'invalid_grant'])
          assert.equal((await flow.tokens(client, { at: Array(4).fill(second) })).scope, 'mcp:read')
          return
        }
        await sleep(4_000)
        assert.equal((await second.token(params)).status, 503, 'the provider refuses it')
        children[0]?.kill('SIGCONT')
        const late = await abandoned
        const reply = late?.status === 200 ? late : await repeat(second, params)
        assert.equal(reply.status, 200, `${params.grant_type}: ${reply.text}`)
        const { refresh_token: next } = reply.json()
        assert.equal((await repeat(second, renew(client, next))).status, 200)
      }
    }
  )
}
