import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { createGrantIndex } from '../../lib/broker/grant-index.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import {
  mcpOAuth,
  type GrantFilter,
  type Store,
  type StoreIndex,
  type UserGrant
} from '../../lib/index.ts'
import { createConfig } from '../../lib/options/config.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'
import { openBrowser, renew, secret, startFlow, type Flow, type Instance } from '../support/flow.ts'
import { providerClient } from '../support/credentials.ts'
import { recordWarnings } from '../support/log.ts'
import { matrix } from '../support/matrix.ts'
import { recordWrites } from '../support/stores.ts'

const options = { grantIndex: true }
const broker = { issuer: 'https://id.example', ...providerClient, setupProxies: true } as const

async function grantsOf ({ app }: Instance, filter?: GrantFilter): Promise<readonly UserGrant[]> {
  return (await app.mcpOAuth.grants(filter)).grants
}

/** Logs a user in. Resolves to the token response. */
async function login (flow: Flow, clientId: string, user: string) {
  flow.provider.user = user
  return await flow.tokens(clientId, { browser: openBrowser() })
}

/** The grant that an access token belongs to. */
const grantIn = ({ access_token: token }: Record<string, string>): string =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()).gid

matrix(
  'grants() lists the logins of a user, of a client and all, at each instance',
  async ({ startFlow }) => {
    const began = Date.now()
    const flow = await startFlow({ options, instances: 2 })
    const [, second] = flow.instances as [Instance, Instance]
    const desktop = await flow.register({ client_name: 'Desktop' })
    const editor = await flow.register({ client_name: 'Editor' })
    const tokens = await login(flow, desktop, 'alice')
    await login(flow, editor, 'alice')
    await login(flow, editor, 'bob')
    const [latest, first, ...others] = await grantsOf(second, { subject: 'alice' })
    assert.deepEqual(others, [])
    assert.equal(latest?.client.name, 'Editor')
    const { since, lastUsed, ...more } = first as UserGrant
    assert.deepEqual(more, {
      grant: grantIn(tokens),
      subject: 'alice',
      client: { id: desktop, name: 'Desktop' },
      host: '127.0.0.1:4711',
      scopes: ['mcp:read'],
      address: '127.0.0.1'
    })
    assert.ok(began - 1 <= since && since <= lastUsed && lastUsed <= Date.now())
    const subjects = async (filter?: GrantFilter) =>
      (await grantsOf(second, filter)).map(({ subject }) => subject)
    assert.deepEqual(await subjects({ clientId: editor }), ['bob', 'alice'])
    assert.deepEqual(await subjects({ clientId: editor, subject: 'alice' }), ['alice'])
    assert.deepEqual(await subjects(), ['bob', 'alice', 'alice'])
    assert.deepEqual(await subjects({ subject: 'carol' }), [])
  }
)

matrix('a refresh updates lastUsed, at any instance', async ({ startFlow }) => {
  const flow = await startFlow({ options, instances: 2 })
  const [first, second] = flow.instances as [Instance, Instance]
  const clientId = await flow.register()
  const tokens = await login(flow, clientId, 'alice')
  const [before] = await grantsOf(first)
  assert.equal((await second.token(renew(clientId, tokens['refresh_token']))).status, 200)
  const [after, ...others] = await grantsOf(first)
  assert.deepEqual(others, [])
  assert.ok(Number(after?.lastUsed) > Number(before?.lastUsed))
  assert.deepEqual({ ...after, lastUsed: before?.lastUsed }, before)
})

matrix(
  'a grant that is revoked is not listed, and leaves the index',
  async ({ startFlow }) => {
    const sets = new Map<string, Set<string>>()
    const flow = await startFlow({ options, wrap: store => watchIndex(store, sets), instances: 1 })
    const clientId = await flow.register()
    const tokens = await login(flow, clientId, 'alice')
    const kept = await login(flow, clientId, 'alice')
    await flow.revoke({ token: tokens['refresh_token'], client_id: clientId })
    for (const filter of [{}, { subject: 'alice' }, { clientId }]) {
      assert.deepEqual((await grantsOf(flow, filter)).map(({ grant }) => grant), [grantIn(kept)])
    }
    assert.deepEqual([...sets.values()].map(({ size }) => size), [1, 1, 1])
    await flow.app.mcpOAuth.revoke({ subject: 'alice' })
    assert.deepEqual(await grantsOf(flow), [])
  }
)

/** Records the members of each set. */
function watchIndex (store: Store, sets: Map<string, Set<string>>): Store {
  const { index } = store
  assert.ok(index)
  return {
    ...store,
    index: {
      ...index,
      async add (set, member, expiresAt) {
        sets.set(set, (sets.get(set) ?? new Set()).add(member))
        await index.add(set, member, expiresAt)
      },
      async remove (set, member) {
        sets.get(set)?.delete(member)
        await index.remove(set, member)
      }
    }
  }
}

test('the store shows neither users nor clients nor addresses, and its sets expire with their members', async (t) => {
  const { wrap, writes } = recordWrites()
  const members: Array<readonly [string, string, number]> = []
  const memory = memoryStore()
  const store = {
    ...wrap(memory),
    index: {
      ...memory.index,
      add: async (...member: readonly [string, string, number]) => {
        members.push(member)
        await memory.index?.add(...member)
      }
    }
  } as Store
  const flow = await startFlow(t, { options: { ...options, store } })
  await login(flow, await flow.register(), 'alice@example.com')
  const dump = JSON.stringify([writes, members])
  for (const text of ['alice', 'Test client', '127.0.0.1']) assert.ok(!dump.includes(text), text)
  assert.equal(members.length, 3)
  const days = members.map(([, , expiresAt]) => Math.round((expiresAt - Date.now()) / 86_400_000))
  assert.deepEqual(days, [90, 90, 90])
})

matrix('a list has pages of 100, and each grant is on one of them', async ({ options }, t) => {
  const { store = memoryStore() } = await options()
  const { record, list } = createGrantIndex({
    config: createConfig({ ...broker, secret }, '', recordWarnings().log),
    index: store.index as StoreIndex,
    marks: createOneTimeMarks(store, 'a'),
    isRevoked: async () => false,
    sealer: createSealer([secret]),
    name: t.name,
    now: () => Date.now() / 1000,
    log: recordWarnings().log
  })
  const grants = Array.from({ length: 203 }, (_, number) => `grant ${number}`)
  const client = { id: 'editor', name: null }
  for (const [number, grant] of grants.entries()) {
    const since = Date.now() + 1000 * Math.floor(number / 50)
    await record({ grant, subject: 'alice', client, scopes: [], since }, 60, 'cursor://a/b')
  }
  const pages = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await list({ subject: 'alice', ...cursor && { cursor } })
    pages.push(page.grants)
    cursor = page.cursor
  }
  assert.deepEqual(pages.map(({ length }) => length), [100, 100, 3])
  assert.deepEqual(new Set(pages.flat().map(({ grant }) => grant)), new Set(grants))
  assert.equal(pages[0]?.[0]?.host, 'cursor:')
})

test('the option redact leaves addresses out of grants', async (t) => {
  const flow = await startFlow(t, { options: { ...options, redact: ['address'] } })
  await login(flow, await flow.register(), 'alice')
  const [grant] = await grantsOf(flow)
  assert.ok(grant && !('address' in grant))
})

test('a login from before the option is listed once its client refreshes', async (t) => {
  const store = memoryStore()
  const flow = await startFlow(t, { options: { store } })
  const later = await flow.addInstance(options)
  const clientId = await flow.register()
  const { refresh_token: token } = await login(flow, clientId, 'alice')
  assert.deepEqual(await grantsOf(later), [])
  assert.equal((await later.token(renew(clientId, token))).status, 200)
  const [grant] = await grantsOf(later)
  assert.equal(grant?.subject, 'alice')
  assert.equal(grant.host, null)
})

test('while the secret is replaced, grants() lists each grant once', async (t) => {
  const store = memoryStore()
  const flow = await startFlow(t, { options: { ...options, store } })
  const clientId = await flow.register()
  const [moved, stays] = [
    await login(flow, clientId, 'alice'),
    await login(flow, clientId, 'alice')
  ]
  const newer = 'another-secret-of-32-characters-or-more'
  const both = await flow.addInstance({ secret: [newer, secret] })
  assert.equal((await both.token(renew(clientId, moved['refresh_token']))).status, 200)
  const listed = []
  let cursor: string | null | undefined
  do {
    const page = await both.app.mcpOAuth.grants({ subject: 'alice', ...cursor && { cursor } })
    listed.push(...page.grants.map(({ grant }) => grant))
    cursor = page.cursor
  } while (cursor !== null)
  assert.deepEqual(listed, [grantIn(moved), grantIn(stays)])
  const last = await flow.addInstance({ secret: newer })
  assert.deepEqual((await grantsOf(last)).map(({ grant }) => grant), [grantIn(moved)])
})

test('a store whose index fails costs no login, and the next refresh lists it', async (t) => {
  const memory = memoryStore()
  let fails = true
  const add: NonNullable<Store['index']>['add'] = async (...member) => {
    if (fails) throw new Error('NOPERM')
    await memory.index?.add(...member)
  }
  const store = { ...memory, index: { ...memory.index, add } } as Store
  const flow = await startFlow(t, { options: { ...options, store } })
  const clientId = await flow.register()
  const { refresh_token: token } = await login(flow, clientId, 'alice')
  await login(flow, clientId, 'bob')
  assert.deepEqual(await grantsOf(flow), [])
  assert.equal(flow.logs.filter(line => line.includes('Could not list a grant')).length, 2)
  fails = false
  assert.equal((await flow.token(renew(clientId, token))).status, 200)
  assert.deepEqual((await grantsOf(flow)).map(({ subject, host }) => [subject, host]), [
    ['alice', '127.0.0.1:4711']
  ])
})

test('grants() refuses what would list more than was meant', async (t) => {
  const flow = await startFlow(t, { options })
  const { grants } = flow.app.mcpOAuth
  for (
    const [filter, message] of [
      [{ subject: undefined }, /grants: a member is undefined\. Leave it out/],
      [{ subject: '' }, /grants\.subject/],
      [{ user: 'alice' }, /grants\.user/],
      [null, /grants/],
      [{ cursor: '7:1' }, /grants\.cursor: is not one\. Take that of a page/],
      [{ cursor: 'x' }, /grants\.cursor/]
    ] as Array<[GrantFilter, RegExp]>
  ) {
    const error = { code: 'FST_MCP_OAUTH_INVALID_OPTIONS', statusCode: 400, message }
    await assert.rejects(grants(filter), error)
  }
})

test('without grantIndex there is no list, and a store or a mode without one is a start-up error', async (t) => {
  const flow = await startFlow(t)
  const remedy = /grants: grants have no index\. Set grantIndex: true/
  await assert.rejects(flow.app.mcpOAuth.grants(), { message: remedy })
  const { index, ...simple } = memoryStore()
  for (
    const [more, message] of [
      [{ ...broker, secret, store: simple }, /grantIndex: the store has no index\. Use redisStore/],
      [{ issuer: 'https://id.example' }, /grantIndex: has no effect without the broker/],
      [{ ...broker, version: '2025-03-26' }, /grantIndex: has no effect with version 2025-03-26/]
    ] as Array<[object, RegExp]>
  ) {
    const app = Fastify()
    t.after(() => app.close())
    await assert.rejects(async () => await app.register(mcpOAuth, { ...more, ...options }), {
      message
    })
  }
  assert.ok(index)
})
