import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { post } from '../mcp/route.ts'
import { freePort } from '../support/broker.ts'
import { eras, waysToServe } from '../support/ways.ts'

const script = new URL('../support/restart.ts', import.meta.url)

interface Instance {
  child: ChildProcess
  port: number
  /** Number of counted calls. */
  arrived: number
}

async function startInstance (t: TestContext, way: string, port: number): Promise<Instance> {
  const child = fork(script, [JSON.stringify({ way, port })], { execArgv: ['--import', 'tsx'] })
  t.after(() => child.kill('SIGKILL'))
  const instance = { child, port, arrived: 0 }
  await new Promise<void>((resolve, reject) => {
    child.once('exit', reject).on('message', message => {
      if (message === 'arrived') instance.arrived++
      else resolve()
    })
  })
  return instance
}

let lastId = 0

/** Calls the tool. Resolves to the status, the id of the request and that of the response. */
async function call (port: number, more: Record<string, string> = {}) {
  const id = `call-${++lastId}`
  const { headers, body } = eras[lastId % 2 === 0 ? '2025-11-25' : '2026-07-28'](id)
  const response = await post(`http://127.0.0.1:${port}/mcp`, body, { ...headers, ...more })
  const text = await response.text()
  const reply = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text)
  return { status: response.status, id, replied: reply.id, reply }
}

for (const way of Object.keys(waysToServe(async () => ''))) {
  test(`instances of ${way} that restart in turn complete all their calls, and end [field:S8]`, async (t) => {
    const instances = await Promise.all(
      [await freePort(), await freePort()].map(port => startInstance(t, way, port))
    )
    const over = new AbortController()
    let served = 0
    const refusals: Array<Awaited<ReturnType<typeof call>>> = []
    /** Calls either instance in turn, as a load balancer does. */
    async function load (): Promise<void> {
      for (let turn = 0; !over.signal.aborted; turn++) {
        try {
          const answer = await call((instances[turn % 2] as Instance).port)
          if (answer.status === 503) refusals.push(answer)
          else {
            assert.equal(answer.reply.result?.content[0].text, 'done')
            served++
          }
        } catch (error) {
          const { code } = Object(Object(error).cause)
          // The process is down, or ends the connection before it has the request.
          if (!['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(code)) throw error
          await sleep(20)
        }
      }
    }
    const loads = Promise.all(Array.from({ length: 5 }, load))
    for (const index of [0, 1]) {
      const instance = instances[index] as Instance
      const counted = { 'x-counted': 'yes' }
      const running = Promise.all(Array.from({ length: 20 }, () => call(instance.port, counted)))
      while (instance.arrived < 20) await sleep(5)
      const exited = once(instance.child.removeAllListeners('exit'), 'exit')
      instance.child.kill('SIGTERM')
      const answers = await running
      assert.equal(answers.filter(({ status }) => status === 200).length, 20)
      assert.deepEqual(answers.map(({ replied }) => replied), answers.map(({ id }) => id))
      assert.deepEqual(await exited, [0, null])
      instances[index] = await startInstance(t, way, instance.port)
    }
    over.abort()
    await loads
    assert.ok(served > 0)
    for (const { id, replied } of refusals) assert.equal(replied, id)
  })
}
