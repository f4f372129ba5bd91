import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { clients } from '../clients/index.ts'
import { beyondFacts, realVersions } from '../real-clients/index.ts'
import { differences, observe } from '../real-clients/observe.ts'
import { install, runFacts, runReal } from '../real-clients/run.ts'

let missing: string | undefined

before(async () => {
  try {
    await install()
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    const [, reason = String(error)] = /^npm error (?!code)(.+)$/m.exec(String(error)) ?? []
    missing = `the packages of test/real-clients cannot be installed: ${reason}`
  }
})

test('real clients', { concurrency: 2 }, async (t) => {
  await Promise.all(
    Object.entries(realVersions()).map(async ([id, version]) => {
      await t.test(
        `${id} ${version} logs in, lists, calls and refreshes, with the requests of its facts`,
        async (t) => {
          if (missing !== undefined) {
            t.skip(missing)
            return
          }
          const facts = clients[id]
          assert.ok(facts)
          const { report, proxy } = await runReal(t, id, facts)
          assert.match(JSON.stringify(report.list), /whoami/)
          assert.match(JSON.stringify(report.call), /authorization[\\":]+true/)
          const expected = await runFacts(t, facts)
          assert.deepEqual(
            differences(
              `${facts.name} ${version}`,
              observe(proxy.requests, facts),
              { ...observe(expected.requests, facts), ...beyondFacts[id] }
            ),
            []
          )
        }
      )
    })
  )
})
