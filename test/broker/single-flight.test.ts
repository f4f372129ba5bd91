import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  askProvider,
  createSingleFlight,
  type Progress,
  type Step
} from '../../lib/broker/single-flight.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'

/** Two instances that share a store. */
function startInstances () {
  const marks = createOneTimeMarks(memoryStore(), 'a')
  return { marks, instances: [createSingleFlight(marks), createSingleFlight(marks)] as const }
}

test('singleFlight() shares the work of identical requests, and repeats work that failed [field:S3]', async () => {
  const { instances: [singleFlight] } = startInstances()
  let runs = 0
  const next = async (): Promise<Step<number>> => ({
    lease: 'a',
    async work () {
      await sleep(20)
      if (++runs === 1) throw new McpOAuthError('providerUnavailable')
      return runs
    }
  })
  const all = await Promise.allSettled([singleFlight('one', next), singleFlight('one', next)])
  assert.deepEqual(all.map(({ status }) => status), ['rejected', 'rejected'])
  assert.equal(runs, 1)
  assert.equal(await singleFlight('one', next), 2, 'the holder takes its lease again')
})

test('singleFlight() waits for another instance, and returns what it left [field:S7]', async () => {
  const { instances: [first, second] } = startInstances()
  let result: number | null = null
  const next = async (): Promise<Step<number>> =>
    result === null
      ? {
        lease: 'a',
        async work () {
          await sleep(300)
          return (result = 1)
        }
      }
      : { done: result }
  assert.deepEqual(await Promise.all([first('one', next), second('one', next)]), [1, 1])
})

test('singleFlight() does no work under the lease of an earlier step [field:S7]', async () => {
  const { marks, instances: [singleFlight] } = startInstances()
  await marks.lease('new', 'another instance', 1)
  let steps = 0
  const held: boolean[] = []
  const step: Step<string> = await singleFlight('one', async () => {
    const lease = steps++ === 0 ? 'old' : 'new'
    return {
      lease,
      async work () {
        held.push(await marks.lease(lease, 'another instance', 1))
        return { done: lease }
      }
    }
  })
  assert.deepEqual([step, held], [{ done: 'new' }, [false]])
})

test('singleFlight() extends its lease while the work lasts [field:S7]', async () => {
  const { marks, instances: [singleFlight] } = startInstances()
  const work = async () => {
    await sleep(4_000)
    return await marks.lease('a', 'another instance', 1)
  }
  assert.equal(await singleFlight('one', async () => ({ lease: 'a', work })), false)
})

test('singleFlight() leaves open whether the provider refuses what a frozen instance used [field:S7]', async () => {
  const { marks, instances: [singleFlight] } = startInstances()
  const refuse = (lease: string) =>
    singleFlight(lease, async (progress: Progress): Promise<Step<never>> => ({
      lease,
      work: () =>
        askProvider(progress, () => {
          throw new McpOAuthError('invalidGrant')
        })
    }))
  await marks.claim('lease-first', 'taken over', 'another instance', 30)
  await assert.rejects(refuse('taken over'), { kind: 'requestInProgress' })
  await assert.rejects(refuse('own'), { kind: 'invalidGrant' })
  await assert.rejects(refuse('own'), { kind: 'invalidGrant' })
})
