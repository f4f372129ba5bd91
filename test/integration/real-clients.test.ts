import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { clients } from '../clients/index.ts'
import { publishDocuments } from '../matrix/cells.ts'
import { beyondFacts, isInstalled, realVersions } from '../real-clients/index.ts'
import { differences, observe } from '../real-clients/observe.ts'
import { packages, runFacts, runReal } from '../real-clients/run.ts'
import { install } from '../support/install.ts'
import { inside, runInside, skip, startInternet } from '../support/internet.ts'

// Without a network: the clients reach the server, and the hosts of their metadata documents.
if (inside) await tests()
else {
  test(
    'real clients log in, list, call and refresh, with the requests of their facts',
    { skip },
    async (t) => {
      if (await install(t, 'real-clients')) await runInside(t, import.meta.filename)
    }
  )
}

async function tests (): Promise<void> {
  const internet = await startInternet()
  await publishDocuments(internet, clients)
  test('real clients', { concurrency: 2 }, async (t) => {
    await Promise.all(
      Object.entries(realVersions()).flatMap(([id, version]) => {
        const { [id]: facts } = clients
        assert.ok(facts)
        const test = (way: string, options?: Partial<McpOAuthOptions>) =>
          t.test(
            `${id} ${version} logs in${way}, lists, calls and refreshes, as in its facts`,
            { skip: !isInstalled(id, packages) && `${id} has no package for this machine` },
            async (t) => {
              const { report, proxy } = await runReal(t, id, facts, options)
              assert.match(JSON.stringify(report.list), /whoami/)
              assert.match(JSON.stringify(report.call), /authorization[\\":]+true/)
              const expected = await runFacts(t, facts, options)
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
        return facts.document && facts.registration
          ? [
            test(' with its document'),
            test(' where it has to register', { clientIdMetadata: false })
          ]
          : test('')
      })
    )
  })
}
