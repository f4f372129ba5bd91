import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { clients } from '../clients/index.ts'
import { providers } from '../providers/emulators/index.ts'
import { temporaryFolder } from '../support/daemon.ts'
import { placeNames } from './places.ts'
import { pairwise, selectCells, vendorOf } from './selection.ts'

const names = Object.keys(clients)
const ids = providers.map(({ id }) => id)

test('pairwise covers each client with each provider once, and each of both in each place', () => {
  const isWanted = pairwise(clients, providers)
  const cells = names.flatMap(client =>
    ids.flatMap(provider =>
      placeNames.filter(place => isWanted(client, provider, place))
        .map(place => ({ client, provider, vendor: vendorOf(provider), place }))
    )
  )
  const count = (...members: Array<keyof typeof cells[number]>) =>
    new Set(cells.map(cell => members.map(member => cell[member]).join(' '))).size
  const vendors = new Set(ids.map(vendorOf)).size
  assert.equal(cells.length, names.length * vendors)
  assert.equal(count('client', 'vendor'), names.length * vendors)
  assert.equal(count('client', 'place'), names.length * placeNames.length)
  assert.equal(count('vendor', 'place'), vendors * placeNames.length)
  assert.equal(count('provider'), ids.length)
})

test('selectCells takes all without picks, and the picked ones by name', async () => {
  const all = await selectCells({})
  assert.deepEqual(Object.keys(all.clients), names)
  assert.ok(all.isWhole && all.isWanted('sdk-1', 'google', 'nginx'))
  const { clients: picked, isWanted, isWhole } = await selectCells({
    client: ['zed'],
    place: ['root']
  })
  assert.deepEqual([Object.keys(picked), isWhole], [['zed'], false])
  assert.ok(isWanted('zed', 'google', 'root') && !isWanted('zed', 'google', 'nginx'))
  await assert.rejects(selectCells({ client: ['zet'] }), /--client: zet is not known\. Use: claude/)
})

test('selectCells adds the facts in files, and takes only cells with one of them', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'mine.mjs')
  const [provider] = providers
  const own = [{ ...clients['zed'], name: 'My Client' }, { ...provider, id: 'mine' }]
  const text = own.map((facts, index) => `export const own${index} = ${JSON.stringify(facts)}\n`)
  await writeFile(file, text.join(''))
  const chosen = await selectCells({ client: [file], provider: [file] })
  assert.deepEqual(Object.keys(chosen.clients), [...names, 'my-client'])
  assert.deepEqual(chosen.providers.map(({ id }) => id), [...ids, 'mine'])
  assert.equal(chosen.isWhole, false)
  assert.ok(chosen.isWanted('my-client', 'google', 'root'))
  assert.ok(chosen.isWanted('sdk-1', 'mine', 'two'))
  assert.ok(!chosen.isWanted('sdk-1', 'google', 'root'))
  const [empty] = await Promise.allSettled([selectCells({ client: [join(folder, 'no.ts')] })])
  assert.equal(empty.status, 'rejected')
})
