import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundedFetch, fetchJson } from '../../lib/http/fetch.ts'
import { jsonObject } from '../../lib/http/json.ts'
import { skip as noCertificate, startUntrusted } from '../support/certificate.ts'
import { faults, startIssuer } from '../support/issuer.ts'

const table: Array<[id: string, fault: keyof typeof faults, kind: string]> = [
  ['K-01 500', 'error', 'providerUnavailable'],
  ['K-01 503', 'unavailable', 'providerUnavailable'],
  ['K-01 404', 'missing', 'providerMisbehaved'],
  ['K-01 not JSON', 'garbage', 'providerMisbehaved'],
  ['K-01 HTML', 'html', 'providerMisbehaved'],
  ['K-01 null', 'null', 'providerMisbehaved'],
  ['K-01 []', 'array', 'providerMisbehaved'],
  ['K-01 nesting', 'deep', 'providerMisbehaved'],
  ['K-02 redirect', 'redirect', 'providerMisbehaved'],
  ['K-03 hang', 'hang', 'providerTimeout'],
  ['K-03 hang after headers', 'hangAfterHeaders', 'providerTimeout'],
  ['K-03 drip', 'drip', 'providerTimeout'],
  ['K-04 more than 512 KB', 'oversize', 'providerMisbehaved'],
  ['K-04 endless', 'endless', 'providerMisbehaved'],
  ['K-05 L4 gzip bomb', 'bomb', 'providerMisbehaved'],
  ['K-06 reset', 'reset', 'providerUnavailable'],
  ['K-06 reset in the body', 'resetMidBody', 'providerUnavailable']
]

for (const [id, fault, kind] of table) {
  test(`${id} is ${kind}`, async (t) => {
    const issuer = await startIssuer()
    t.after(issuer.close)
    issuer.fail.set('/jwks', fault)
    const timeout = kind === 'providerTimeout' ? 150 : 5_000
    await assert.rejects(
      fetchJson(issuer.jwksUri, { timeout }),
      (error: Error & { kind?: string }) => {
        assert.equal(error.kind, kind)
        assert.ok(error.cause)
        assert.ok(!error.message.includes('127.0.0.1'), 'the address stays in the log')
        return true
      }
    )
    assert.equal(issuer.requests.get('/trap'), undefined, 'F-10 redirects are not followed')
  })
}

test('a redirect is an answer [F-10]', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  issuer.fail.set('/jwks', 'redirect')
  assert.equal((await boundedFetch(issuer.jwksUri)).status, 302)
})

test('a host that refuses or does not exist is providerUnavailable [F-29]', async () => {
  const issuer = await startIssuer()
  await issuer.close()
  await assert.rejects(boundedFetch(issuer.jwksUri), { kind: 'providerUnavailable' })
  await assert.rejects(boundedFetch('http://nowhere.invalid/'), { kind: 'providerUnavailable' })
})

test('the caller can give up earlier', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  issuer.fail.set('/jwks', 'hang')
  await assert.rejects(boundedFetch(issuer.jwksUri, { signal: AbortSignal.abort() }), {
    kind: 'providerUnavailable'
  })
})

test('maxBytes counts bytes: the last one fits, one more does not', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  issuer.jwks = '{"é":1}'
  const bytes = Buffer.byteLength('{"é":1}')
  assert.deepEqual(await fetchJson(issuer.jwksUri, { maxBytes: bytes }), { é: 1 })
  await assert.rejects(fetchJson(issuer.jwksUri, { maxBytes: bytes - 1 }), {
    kind: 'providerMisbehaved'
  })
})

test(
  'a certificate nobody vouches for is refused [C-17 F-30]',
  { skip: noCertificate },
  async (t) => {
    const { port, requests } = await startUntrusted(t, 'localhost', (_request, response) => {
      response.end('{}')
    })
    await assert.rejects(boundedFetch(`https://localhost:${port}/`), (error: Error) => {
      assert.equal((error.cause as { code?: string }).code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
      return true
    })
    assert.equal(requests(), 0)
  }
)

test('parsed objects carry no __proto__ and are frozen [G-06 M-10]', () => {
  const object = jsonObject('{"__proto__":{"x":1},"a":{"__proto__":{"y":1},"b":[{"__proto__":1}]}}')
  assert.deepEqual(object, { a: { b: [{}] } })
  assert.ok(!Object.hasOwn(object ?? {}, '__proto__'))
  assert.equal((Object.assign({}, object) as { x?: unknown }).x, undefined)
  assert.ok(Object.isFrozen(object) && Object.isFrozen(object?.['a']))
  for (const text of ['', '[]', 'null', '1', '"x"', '{', '{}x']) {
    assert.equal(jsonObject(text), null, text)
  }
})
