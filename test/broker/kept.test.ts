import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family } from '../../lib/broker/families.ts'
import { createKept } from '../../lib/broker/kept.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'
import { recordWarnings } from '../support/log.ts'

const family = (generation: number, token?: string): Family => ({
  id: 'grant',
  generation,
  upstream: {},
  uses: [],
  ...(token !== undefined && {
    answer: {
      tokens: { access_token: token, token_type: 'Bearer', expires_in: 60, scope: '' },
      expiresAt: 60
    }
  })
})

/** Two instances that share a store. Writes of the first one fail while `state.down`. */
function startInstances () {
  const marks = createOneTimeMarks(memoryStore(), 'a')
  const state = { down: true }
  const { log, warnings } = recordWarnings()
  const sealer = createSealer(['a test secret that is long enough to be one'])
  const remember: typeof marks.remember = async (...entry) => {
    if (state.down) throw new Error('down')
    await marks.remember(...entry)
  }
  return {
    state,
    warnings,
    failing: createKept({ marks: { ...marks, remember }, sealer, log }),
    other: createKept({ marks, sealer, log })
  }
}

test('keep() writes later what the store refused, and remembers it meanwhile [field:S11]', async () => {
  const { state, warnings, failing, other } = startInstances()
  await failing.keep('family', family(1), 60, 0)
  assert.equal(warnings.length, 1)
  assert.equal(await other.recall('family', 'grant', 0), null)
  assert.equal((await failing.recall('family', 'grant', 0))?.generation, 1)
  state.down = false
  while (await other.recall('family', 'grant', 0) === null) await sleep(50)
})

test('keep() does not overwrite later tokens of another instance [field:S11]', async () => {
  const { state, failing, other } = startInstances()
  await failing.keep('family', family(1), 60, 0)
  await other.keep('family', family(2), 60, 0)
  state.down = false
  await sleep(1_500)
  for (const kept of [failing, other]) {
    assert.equal((await kept.recall('family', 'grant', 0))?.generation, 2)
  }
})

test('keep() does not overwrite tokens that another instance issued instead [field:S11]', async () => {
  const { state, failing, other } = startInstances()
  await failing.keep('family', family(1, 'a'), 60, 0)
  await other.keep('family', family(1, 'b'), 60, 0)
  state.down = false
  await sleep(1_500)
  for (const kept of [failing, other]) {
    const recalled = await kept.recall('family', 'grant', 0)
    assert.equal(recalled?.answer?.tokens.access_token, 'b')
  }
})

test('keep() writes a newer token of the provider over the same generation [field:S11]', async () => {
  const { state, failing, other } = startInstances()
  await other.keep('family', family(1, 'a'), 60, 0)
  await failing.keep('family', { ...family(1, 'a'), upstream: { refresh: 'new' } }, 60, 0)
  state.down = false
  await sleep(1_500)
  for (const kept of [failing, other]) {
    assert.deepEqual((await kept.recall('family', 'grant', 0))?.upstream, { refresh: 'new' })
  }
})
