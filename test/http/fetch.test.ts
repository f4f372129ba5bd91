import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundedFetch, fetchJson } from '../../lib/http/fetch.ts'
import { jsonObject } from '../../lib/util/json.ts'
import { withTimeout } from '../../lib/http/operations.ts'
import { maxResponseBytes } from '../../lib/limits.ts'
import { skip as noCertificate, startUntrustedServer } from '../support/certificate.ts'
import { faults, startIssuer } from '../support/issuer.ts'

const table: Array<[name: string, id: string, fault: keyof typeof faults, kind: string]> = [
  ['500', 'K-01', 'error', 'providerUnavailable'],
  ['503', 'K-01', 'unavailable', 'providerUnavailable'],
  ['404', 'K-01', 'missing', 'providerMisbehaved'],
  ['not JSON', 'K-01', 'garbage', 'providerMisbehaved'],
  ['HTML', 'K-01', 'html', 'providerMisbehaved'],
  ['null', 'K-01', 'null', 'providerMisbehaved'],
  ['[]', 'K-01', 'array', 'providerMisbehaved'],
  ['nesting', 'K-01', 'deep', 'providerMisbehaved'],
  ['brackets', 'field:A15', 'brackets', 'providerMisbehaved'],
  ['redirect', 'K-02', 'redirect', 'providerMisbehaved'],
  ['hang', 'K-03', 'hang', 'providerTimeout'],
  ['hang after headers', 'K-03', 'hangAfterHeaders', 'providerTimeout'],
  ['drip', 'K-03', 'drip', 'providerTimeout'],
  ['more than 512 KB', 'K-04', 'oversize', 'providerMisbehaved'],
  ['endless', 'K-04', 'endless', 'providerMisbehaved'],
  ['gzip bomb', 'K-05 L4', 'bomb', 'providerMisbehaved'],
  ['reset', 'K-06', 'reset', 'providerUnavailable'],
  ['reset in the body', 'K-06', 'resetMidBody', 'providerUnavailable']
]

for (const [name, id, fault, kind] of table) {
  test(`fetchJson rejects "${name}" with ${kind} [${id}]`, async (t) => {
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

test('boundedFetch returns a redirect instead of following it [F-10]', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  issuer.fail.set('/jwks', 'redirect')
  assert.equal((await boundedFetch(issuer.jwksUri)).status, 302)
})

test('boundedFetch rejects an unreachable host with providerUnavailable [F-29]', async () => {
  const issuer = await startIssuer()
  await issuer.close()
  await assert.rejects(boundedFetch(issuer.jwksUri), { kind: 'providerUnavailable' })
  await assert.rejects(boundedFetch('http://nowhere.invalid/'), { kind: 'providerUnavailable' })
})

test('boundedFetch counts bytes: the last one fits, one more does not', async (t) => {
  const issuer = await startIssuer()
  t.after(issuer.close)
  const rest = maxResponseBytes - Buffer.byteLength('{"é":""}')
  issuer.jwks = `{"é":"${'x'.repeat(rest)}"}`
  assert.deepEqual(Object.keys(await fetchJson(issuer.jwksUri)), ['é'])
  issuer.jwks = `{"é":"${'x'.repeat(rest + 1)}"}`
  await assert.rejects(fetchJson(issuer.jwksUri), { kind: 'providerMisbehaved' })
})

test('withTimeout aborts the signal of the operation with the error', async () => {
  const timeoutError = new Error('late')
  let reason: unknown
  const operation = (signal: AbortSignal) =>
    new Promise<never>(() => {
      signal.addEventListener('abort', () => {
        reason = signal.reason
      })
    })
  await assert.rejects(withTimeout(operation, 1, () => timeoutError), timeoutError)
  assert.equal(reason, timeoutError)
})

test(
  'boundedFetch rejects a self-signed certificate, and says how to trust it [C-17 F-30 field:P6 field:A15]',
  { skip: noCertificate },
  async (t) => {
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env
    t.after(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      if (before !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    })
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    const { port, requests } = await startUntrustedServer(t, 'localhost', (_request, response) => {
      response.end('{}')
    })
    await assert.rejects(boundedFetch(`https://localhost:${port}/`), (error: Error) => {
      const { message, cause } = error.cause as Error & { cause: { code?: string } }
      assert.match(
        message,
        new RegExp(`^the certificate of localhost:${port} .*NODE_EXTRA_CA_CERTS`)
      )
      assert.equal(cause.code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
      assert.match(error.message, /^The certificate of the authorization provider is not trusted/)
      return true
    })
    assert.equal(requests(), 0)
  }
)

test('jsonObject drops __proto__ and freezes the result [G-06 M-10]', () => {
  const object = jsonObject('{"__proto__":{"x":1},"a":{"__proto__":{"y":1},"b":[{"__proto__":1}]}}')
  assert.deepEqual(object, { a: { b: [{}] } })
  assert.ok(!Object.hasOwn(object ?? {}, '__proto__'))
  assert.equal((Object.assign({}, object) as { x?: unknown }).x, undefined)
  const escaped = jsonObject('{"a":{"\\u005f_proto__":{"x":1}}}')
  assert.deepEqual(Object.getOwnPropertyNames(escaped?.['a']), [])
  for (const parsed of [object, escaped, jsonObject('{"a":{"b":[1]}}')]) {
    assert.ok(Object.isFrozen(parsed) && Object.isFrozen(parsed?.['a']))
  }
  const depth = 100_000
  assert.equal(jsonObject(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`), null)
  for (const text of ['', '[]', 'null', '1', '"x"', '{', '{}x']) {
    assert.equal(jsonObject(text), null, text)
  }
})
