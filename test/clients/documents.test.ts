import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClientDocuments } from '../../lib/clients/documents.ts'
import { createClients } from '../../lib/clients/clients.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import type { PublicFetch } from '../../lib/http/public-fetch.ts'

const id = 'https://app.example/client.json'

/**
 * A cache over a fetch that responds as set in `state`, with a clock and a list of fetched URLs.
 */
function setUp (
  { allowedHosts = null, minFailureMs = 0 }: {
    allowedHosts?: readonly string[] | null
    minFailureMs?: number
  } = {}
) {
  const state = {
    time: 1_000,
    fetched: [] as string[],
    known: [] as string[],
    warned: [] as object[],
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
  const fetch: PublicFetch = async (url, isKnown) => {
    state.fetched.push(url)
    if (isKnown) state.known.push(url)
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
  const log = {
    debug: ignore,
    warn: (details: object) => {
      state.warned.push(details)
    },
    error: ignore,
    info: (details: object) => {
      state.logged.push(details)
    }
  }
  const documents = createClientDocuments(
    () => ({ allowed: null, forbidden: [] }),
    allowedHosts,
    log,
    fetch,
    () => state.time,
    minFailureMs
  )
  return { state, documents }
}

/**
 * The longest of the given times, in seconds, for which a response is used without another fetch.
 */
async function secondsCached (headers: Record<string, string>): Promise<number> {
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

test('find returns the client that a metadata document describes', async () => {
  const { documents } = setUp()
  assert.deepEqual(await documents.find(id), {
    id,
    redirectUris: ['https://app.example/cb'],
    name: 'App',
    grantTypes: ['authorization_code']
  })
})

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
) {
  test(`find returns null for the client id "${url}" and does not fetch it [C-01 C-04]`, async () => {
    const { state, documents } = setUp()
    assert.equal(await documents.find(url), null)
    assert.deepEqual(state.fetched, [])
  })
}

test('find warns once of a host whose documents cannot be fetched, until one can [field:S17]', async () => {
  const { state, documents } = setUp()
  state.failure = new McpOAuthError('invalidClient', { cause: new Error('no response') })
  const fail = async (path: string) => {
    state.time += 60
    assert.equal(await documents.find(`https://app.example/${path}`), null)
  }
  for (let index = 0; index < 5; index++) await fail(String(index))
  assert.deepEqual(state.warned.length, 1)
  const [{ host, option }] = state.warned as [{ host: string, option: string }]
  assert.deepEqual([host, option], ['app.example', 'clientIdMetadata'])
  assert.equal(await documents.find('https://other.example/c'), null)
  assert.equal(state.warned.length, 2)
  state.failure = null
  assert.ok(await documents.find(id))
  state.failure = new McpOAuthError('invalidClient')
  await fail('again')
  await fail('again')
  assert.equal(state.warned.length, 3)
  assert.deepEqual(state.logged, [])
})

test('find fetches a document that was valid before as a known one [field:A11]', async () => {
  const { state, documents } = setUp()
  await documents.find(id)
  state.time += 301
  await documents.find(id)
  assert.deepEqual([state.fetched.length, state.known], [2, [id]])
})

test('find accepts only documents of the hosts that the operator allows', async () => {
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

test('find shares one fetch among a thousand concurrent callers [C-14 REG-18]', async () => {
  const { state, documents } = setUp()
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => documents.find(id)))
  assert.deepEqual(state.fetched, [id])
  assert.ok(clients.every(client => client?.name === 'App'))
  const failing = setUp()
  failing.state.failure = new McpOAuthError('invalidClient')
  const failed = await Promise.all(Array.from({ length: 1_000 }, () => failing.documents.find(id)))
  assert.equal(failing.state.fetched.length, 1)
  assert.ok(failed.every(client => client === null))
})

test('find shares a fetch even if the document must not be cached [C-14]', async () => {
  const { state, documents } = setUp()
  state.headers = { 'cache-control': 'no-store' }
  await Promise.all(Array.from({ length: 100 }, () => documents.find(id)))
  assert.equal(state.fetched.length, 1)
  await documents.find(id)
  assert.equal(state.fetched.length, 2)
})

for (
  const [headers, seconds] of [
    [{}, 299],
    [{ 'cache-control': 'public' }, 299],
    [{ 'cache-control': 'max-age=60' }, 59],
    [{ 'cache-control': 'public, Max-Age="60", must-revalidate' }, 59],
    [{ 'cache-control': 's-maxage=60, max-age=3600' }, 59],
    [{ 'cache-control': 'max-age=300', age: '240' }, 59],
    [{ 'cache-control': `max-age=${'9'.repeat(400)}` }, 86_399],
    [{ 'cache-control': 'max-age=31536000, immutable' }, 86_399],
    [{ 'cache-control': 'no-store' }, -1],
    [{ 'cache-control': 'NO-STORE, max-age=60' }, -1],
    [{ 'cache-control': 'no-cache' }, -1],
    [{ 'cache-control': 'private, max-age=60' }, -1],
    [{ 'cache-control': 'max-age=0' }, -1],
    [{ 'cache-control': 'max-age=1e99' }, -1],
    [{ 'cache-control': 'max-age=-1' }, -1],
    [{ 'cache-control': 'max-age=' }, -1],
    [{ 'cache-control': 'max-age=abc' }, -1],
    [{ 'cache-control': 'max-age=60.5' }, -1],
    [{ 'cache-control': 'max-age=60', age: '60' }, -1],
    [{ 'cache-control': 'max-age=60', age: 'x' }, 59],
    // A negative age must not lengthen the lifetime.
    [{ 'cache-control': 'max-age=60', age: '-99999999' }, 59]
  ] as ReadonlyArray<[Record<string, string>, number]>
) {
  const named = JSON.stringify(headers).slice(0, 80)
  test(`find caches a document with ${named} for ${seconds + 1} seconds [C-13 REG-15]`, async () => {
    assert.equal(await secondsCached(headers), seconds)
  })
}

test('find uses a changed document once the cached one is stale, and never falls back to it [C-13]', async () => {
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

for (const status of [201, 203, 204, 206, 301, 302, 304, 307, 400, 401, 404, 410, 500, 503]) {
  test(`find returns null for a document with status ${status} [C-05 C-06 SS-02]`, async () => {
    const { state, documents } = setUp()
    state.status = status
    state.headers = { 'cache-control': 'max-age=3600', location: 'https://app.example/other' }
    assert.equal(await documents.find(id), null)
    assert.deepEqual(state.fetched, [id])
  })
}

test('find caches a failure for less than a minute, and never as a client [C-06]', async () => {
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
  test(`find returns null for a document of type "${type}" [C-08]`, async () => {
    const { state, documents } = setUp()
    state.headers = { 'content-type': type }
    assert.equal(await documents.find(id), null)
  })
}

for (
  const type of [
    'application/json',
    'APPLICATION/JSON; charset=utf-8',
    'application/json ; x',
    'application/oauth-client+json'
  ]
) {
  test(`find accepts a document of type "${type}" [C-08]`, async () => {
    const { state, documents } = setUp()
    state.headers = { 'content-type': type }
    assert.equal((await documents.find(id))?.id, id)
  })
}

for (
  const [name, text] of Object.entries({
    'an empty document': '',
    'a list': '[]',
    HTML: '<html>',
    'the document of another client': JSON.stringify({
      client_id: 'https://evil.example/c',
      client_name: 'App',
      redirect_uris: ['https://evil.example/cb']
    })
  })
) {
  test(`find returns null for ${name}, and does not cache it [C-09 C-13 REG-12 REG-15]`, async () => {
    const { state, documents } = setUp()
    const valid = state.document
    state.document = () => text
    assert.equal(await documents.find(id), null)
    state.document = valid
    state.time += 60
    assert.equal((await documents.find(id))?.id, id)
  })
}

test('find delays failures to an even time, but not clients [C-16]', async () => {
  const { state, documents } = setUp({ minFailureMs: 200 })
  assert.equal((await documents.find(id))?.id, id)
  state.status = 500
  let result: unknown = 'none yet'
  const settled = documents.find('https://app.example/other.json').then(client => {
    result = client
  })
  for (let tick = 0; tick < 10; tick++) {
    await new Promise(resolve => {
      setImmediate(resolve)
    })
  }
  assert.equal(result, 'none yet')
  await settled
  assert.equal(result, null)
})

test('find logs why a document was rejected, without its content [REG-18]', async () => {
  const { state, documents } = setUp()
  state.document = () => '{"canary'
  await documents.find(id)
  assert.equal(state.logged.length, 1)
  const { err } = state.logged[0] as { err: Error }
  assert.equal(err.message, 'The document is not a JSON object')
})

test('find throws overload and internal errors, and does not cache them [C-14]', async () => {
  const { state, documents } = setUp()
  for (const failure of [new McpOAuthError('overloaded'), new Error('an internal error')]) {
    state.failure = failure
    await assert.rejects(documents.find(id), failure)
  }
  state.failure = null
  assert.equal((await documents.find(id))?.id, id)
})

test('find caches a thousand clients, and failures evict none of them [C-13 S-10]', async () => {
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

test('accepts allows a client whose website is down, so that its sessions continue [C-13]', async () => {
  const { state, documents } = setUp({ allowedHosts: ['app.example'] })
  const clients = createClients(
    createSealer(['a test secret that is long enough to be one']),
    [],
    documents
  )
  state.failure = new McpOAuthError('invalidClient')
  assert.equal(await clients.find(id, 0), null)
  assert.equal(await clients.accepts(id), true)
  for (const other of ['https://evil.example/client.json', 'https://app.example', 'x']) {
    assert.equal(await clients.accepts(other), false)
  }
  assert.equal(state.fetched.length, 1)
})

test('loginProblem is null while the document cannot be fetched [C-13]', async () => {
  const { state, documents } = setUp()
  state.status = 503
  assert.equal(await documents.loginProblem(id), null)
})

test('loginProblem ignores the document of a client that the operator listed [C-13]', async () => {
  const { state, documents } = setUp()
  const listed = { id, redirectUris: ['https://app.example/cb'], name: null }
  state.status = 404
  assert.equal(
    await createClients(
      createSealer(['a test secret that is long enough to be one']),
      [listed],
      documents
    ).loginProblem(id),
    null
  )
  assert.deepEqual(state.fetched, [])
  assert.equal(
    await createClients(
      createSealer(['a test secret that is long enough to be one']),
      [],
      documents
    ).loginProblem(id),
    'invalidClient'
  )
})
