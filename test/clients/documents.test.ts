import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClientDocuments } from '../../lib/clients/documents.ts'
import { createClients } from '../../lib/clients/clients.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import type { PublicFetch } from '../../lib/http/public-fetch.ts'

const id = 'https://app.example/client.json'

/** Documents of any URL, a clock, and a count of what was fetched. */
function setUp (
  { allowedHosts, failure = 0 }: { allowedHosts?: readonly string[], failure?: number } = {}
) {
  const state = {
    time: 1_000,
    fetched: [] as string[],
    logged: [] as unknown[],
    status: 200,
    headers: {} as Record<string, string>,
    document: (url: string): string =>
      JSON.stringify({
        client_id: url,
        client_name: 'App',
        redirect_uris: ['https://app.example/cb']
      }),
    failure: null as Error | null
  }
  const fetch: PublicFetch = async (url) => {
    state.fetched.push(url)
    await new Promise(resolve => {
      setImmediate(resolve)
    })
    if (state.failure) throw state.failure
    return {
      status: state.status,
      headers: { 'content-type': 'application/json', ...state.headers },
      text: state.document(url)
    }
  }
  const ignore = () => {}
  const documents = createClientDocuments({
    fetch,
    redirectPolicy: () => ({ allowed: null, forbidden: [] }),
    now: () => state.time,
    failure,
    log: {
      debug: ignore,
      warn: ignore,
      error: ignore,
      info: details => {
        state.logged.push(details)
      }
    },
    ...(allowedHosts && { allowedHosts })
  })
  return { state, documents }
}

/** For how many seconds, of those tried, an answer is used without asking again. */
async function kept (headers: Record<string, string>): Promise<number> {
  const { state, documents } = setUp()
  state.headers = headers
  const times = [0, 1, 59, 60, 299, 300, 86_399, 86_400]
  await documents.find(id)
  let longest = -1
  for (const time of times) {
    state.time = 1_000 + time
    await documents.find(id)
    if (state.fetched.length > 1) break
    longest = time
  }
  return longest
}

test('a client is found by its document', async () => {
  const { documents } = setUp()
  assert.deepEqual(await documents.find(id), {
    id,
    redirectUris: ['https://app.example/cb'],
    name: 'App',
    grantTypes: ['authorization_code']
  })
})

test('what is no acceptable URL is never fetched [C-01 C-04]', async () => {
  const { state, documents } = setUp()
  for (
    const url of [
      '',
      'client',
      'http://app.example/c',
      'https://app.example',
      'https://127.0.0.1/c',
      'https://localhost/c',
      'https://x.internal/c',
      'https://app.example:8443/c',
      `${id}#x`
    ]
  ) assert.equal(await documents.find(url), null)
  assert.deepEqual(state.fetched, [])
})

test('the operator can say whose documents count', async () => {
  const { state, documents } = setUp({ allowedHosts: ['app.example'] })
  for (
    const url of [
      'https://other.example/c',
      'https://app.example.evil.example/c',
      'https://x.app.example/c'
    ]
  ) assert.equal(await documents.find(url), null)
  assert.deepEqual(state.fetched, [])
  assert.equal((await documents.find(id))?.id, id)
  assert.equal(await setUp({ allowedHosts: [] }).documents.find(id), null)
})

test('a thousand callers share one fetch [C-14 REG-18]', async () => {
  const { state, documents } = setUp()
  const found = await Promise.all(Array.from({ length: 1_000 }, () => documents.find(id)))
  assert.deepEqual(state.fetched, [id])
  assert.ok(found.every(client => client?.name === 'App'))
  const failing = setUp()
  failing.state.failure = new McpOAuthError('invalidClient')
  const lost = await Promise.all(Array.from({ length: 1_000 }, () => failing.documents.find(id)))
  assert.equal(failing.state.fetched.length, 1)
  assert.ok(lost.every(client => client === null))
})

test('callers share a fetch also when nothing may be kept [C-14]', async () => {
  const { state, documents } = setUp()
  state.headers = { 'cache-control': 'no-store' }
  await Promise.all(Array.from({ length: 100 }, () => documents.find(id)))
  assert.equal(state.fetched.length, 1)
  await documents.find(id)
  assert.equal(state.fetched.length, 2)
})

test('a document is kept as long as its server allows, and a day at most [C-13 REG-15]', async () => {
  assert.equal(await kept({}), 299)
  assert.equal(await kept({ 'cache-control': 'public' }), 299)
  assert.equal(await kept({ 'cache-control': 'max-age=60' }), 59)
  assert.equal(await kept({ 'cache-control': 'public, Max-Age="60", must-revalidate' }), 59)
  assert.equal(await kept({ 'cache-control': 's-maxage=60, max-age=3600' }), 59)
  assert.equal(await kept({ 'cache-control': 'max-age=300', age: '240' }), 59)
  assert.equal(await kept({ 'cache-control': `max-age=${'9'.repeat(400)}` }), 86_399)
  assert.equal(await kept({ 'cache-control': 'max-age=31536000, immutable' }), 86_399)
  for (
    const header of [
      'no-store',
      'NO-STORE, max-age=60',
      'no-cache',
      'private, max-age=60',
      'max-age=0',
      'max-age=1e99',
      'max-age=-1',
      'max-age=',
      'max-age=abc',
      'max-age=60.5'
    ]
  ) {
    assert.equal(await kept({ 'cache-control': header }), -1, header)
  }
  assert.equal(await kept({ 'cache-control': 'max-age=60', age: '60' }), -1)
  assert.equal(await kept({ 'cache-control': 'max-age=60', age: 'x' }), 59)
  assert.equal(
    await kept({ 'cache-control': 'max-age=60', age: '-99999999' }),
    59,
    'the age cannot lengthen it'
  )
})

test('a changed document counts once the old one is stale, and a bad one does not bring the old one back [C-13]', async () => {
  const { state, documents } = setUp()
  await documents.find(id)
  state.document = url =>
    JSON.stringify({
      client_id: url,
      client_name: 'New',
      redirect_uris: ['https://app.example/new']
    })
  assert.equal((await documents.find(id))?.name, 'App')
  state.time += 300
  assert.deepEqual(await documents.find(id), {
    id,
    redirectUris: ['https://app.example/new'],
    name: 'New',
    grantTypes: ['authorization_code']
  })
  state.document = () => '{}'
  state.time += 300
  assert.equal(await documents.find(id), null)
})

test('only 200 is an answer [C-05 C-06 SS-02]', async () => {
  for (const status of [201, 203, 204, 206, 301, 302, 304, 307, 400, 401, 404, 410, 500, 503]) {
    const { state, documents } = setUp()
    state.status = status
    state.headers = { 'cache-control': 'max-age=3600', location: 'https://app.example/other' }
    assert.equal(await documents.find(id), null, String(status))
    assert.deepEqual(state.fetched, [id])
  }
})

test('a failure is remembered for less than a minute, and never as a client [C-06]', async () => {
  const { state, documents } = setUp()
  state.status = 500
  state.headers = { 'cache-control': 'max-age=3600' }
  for (let second = 0; second < 10; second++) {
    assert.equal(await documents.find(id), null)
    state.time++
  }
  assert.equal(state.fetched.length, 1)
  state.status = 200
  state.time += 50
  assert.equal((await documents.find(id))?.name, 'App')
})

test('the content type must be JSON [C-08]', async () => {
  for (
    const type of [
      'text/html',
      'text/plain',
      'application/jsonp',
      'application/x-ndjson',
      'application/json-seq',
      'text/json',
      'application/',
      '',
      'text/html; application/json',
      'text/html, application/json'
    ]
  ) {
    const { state, documents } = setUp()
    state.headers = { 'content-type': type }
    assert.equal(await documents.find(id), null, type)
  }
  for (
    const type of [
      'application/json',
      'APPLICATION/JSON; charset=utf-8',
      'application/json ; x',
      'application/oauth-client+json'
    ]
  ) {
    const { state, documents } = setUp()
    state.headers = { 'content-type': type }
    assert.equal((await documents.find(id))?.id, id, type)
  }
})

test('a bad document is nobody, and is not kept [C-09 C-13 REG-12 REG-15]', async () => {
  for (
    const text of [
      '',
      '[]',
      '<html>',
      JSON.stringify({
        client_id: 'https://evil.example/c',
        client_name: 'App',
        redirect_uris: ['https://evil.example/cb']
      })
    ]
  ) {
    const { state, documents } = setUp()
    const good = state.document
    state.document = () => text
    assert.equal(await documents.find(id), null)
    state.document = good
    state.time += 60
    assert.equal((await documents.find(id))?.id, id)
  }
})

test('a failure takes its time, however soon it came; a client does not [C-16]', async () => {
  const { state, documents } = setUp({ failure: 0.2 })
  assert.equal((await documents.find(id))?.id, id)
  state.status = 500
  let answer: unknown = 'none yet'
  const found = documents.find('https://app.example/other.json').then(client => {
    answer = client
  })
  for (let turn = 0; turn < 10; turn++) {
    await new Promise(resolve => {
      setImmediate(resolve)
    })
  }
  assert.equal(answer, 'none yet')
  await found
  assert.equal(answer, null)
})

test('why a document was refused is logged, without what it said [REG-18]', async () => {
  const { state, documents } = setUp()
  state.document = () => '{"canary'
  await documents.find(id)
  assert.equal(state.logged.length, 1)
  const { err } = state.logged[0] as { err: Error }
  assert.equal(err.message, 'the document is not JSON')
})

test('too much to do is not the fault of the client, and is not remembered [C-14]', async () => {
  const { state, documents } = setUp()
  for (const failure of [new McpOAuthError('overloaded'), new Error('a fault of ours')]) {
    state.failure = failure
    await assert.rejects(documents.find(id), failure)
  }
  state.failure = null
  assert.equal((await documents.find(id))?.id, id)
})

test('a thousand clients are kept, and failures drive out none of them [C-13 S-10]', async () => {
  const { state, documents } = setUp()
  const urls = Array.from({ length: 1_001 }, (_, index) => `https://app.example/${index}`)
  for (const url of urls) await documents.find(url)
  state.status = 404
  for (let index = 0; index < 1_500; index++) {
    assert.equal(await documents.find(`https://evil.example/${index}`), null)
  }
  state.fetched = []
  for (const url of urls.slice(1)) assert.ok(await documents.find(url))
  assert.deepEqual(state.fetched, [])
  await documents.find(urls[0] ?? '')
  await documents.find('https://evil.example/0')
  assert.deepEqual(state.fetched, [urls[0], 'https://evil.example/0'])
})

test('a session goes on while the website of its client is down [C-13]', async () => {
  const { state, documents } = setUp({ allowedHosts: ['app.example'] })
  const clients = createClients(
    createSealer(['a test secret that is long enough to be one']),
    [],
    documents
  )
  state.failure = new McpOAuthError('invalidClient')
  assert.equal(await clients.find(id, 0), null)
  assert.equal(await clients.accepts(id, 0), true)
  for (const other of ['https://evil.example/client.json', 'https://app.example', 'x']) {
    assert.equal(await clients.accepts(other, 0), false)
  }
  assert.equal(state.fetched.length, 1)
})

test('a client that the operator listed under a URL is what was listed, whatever is there [C-13]', async () => {
  const { state, documents } = setUp()
  const listed = { id, redirectUris: ['https://app.example/cb'], name: null }
  state.status = 404
  assert.equal(
    await createClients(
      createSealer(['a test secret that is long enough to be one']),
      [listed],
      documents
    ).isInvalidated(id),
    false
  )
  assert.deepEqual(state.fetched, [])
  assert.equal(
    await createClients(
      createSealer(['a test secret that is long enough to be one']),
      [],
      documents
    ).isInvalidated(id),
    true
  )
})
