import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { McpAuth, TokenVerifier } from '../../lib/types.ts'
import { failure, McpOAuthError } from '../../lib/errors.ts'
import { cachedVerifier, lasting } from '../../lib/verifiers/verifier.ts'
import { chain } from '../../lib/verifiers/chain.ts'

const context = { resource: 'https://api.example.com/mcp', now: 1_000 }
const callerOf = (token: string, expiresAt?: number): McpAuth => ({
  token,
  clientId: '',
  scopes: [],
  ...(expiresAt !== undefined && { expiresAt })
})

function recordCalls (verify: TokenVerifier): { verify: TokenVerifier, calls: string[] } {
  const calls: string[] = []
  return {
    calls,
    verify: async (token, url) => {
      calls.push(token)
      return verify(token, url)
    }
  }
}

test('cachedVerifier verifies a token once for each resource, and separates spellings', async () => {
  const { verify, calls } = recordCalls(async (token) => callerOf(token))
  const cached = cachedVerifier(verify)
  const first = await cached('a', context)
  assert.equal(await cached('a', context), first)
  await cached('a ', context)
  await cached('a', { ...context, resource: 'https://api.example.com/other' })
  assert.deepEqual(calls, ['a', 'a ', 'a'])
})

test('cachedVerifier tells tokens apart that end alike, valid and refused ones [J-20]', async () => {
  const end = 'x'.repeat(100)
  const { cached, calls } = recordRefusals()
  for (let round = 0; round < 2; round++) {
    assert.equal((await cached(`valid-a${end}`, context))?.token, `valid-a${end}`)
    await assert.rejects(cached(`a${end}`, context))
    await assert.rejects(cached(`b${end}`, context))
    assert.equal((await cached(`valid-b${end}`, context))?.token, `valid-b${end}`)
  }
  assert.equal(new Set(calls).size, 4)
})

test('cachedVerifier verifies a token again after maxAge, and after its expiry', async () => {
  const { verify, calls } = recordCalls(async (token) =>
    callerOf(token, token === 'short' ? 1_010 : 9_999)
  )
  const cached = cachedVerifier(verify)
  for (const now of [1_000, 1_009, 1_010]) await cached('short', { ...context, now })
  assert.equal(calls.length, 2)
  for (const now of [1_000, 1_059, 1_060]) await cached('long', { ...context, now })
  assert.equal(calls.length, 4)
})

test('cachedVerifier caches neither null nor errors', async () => {
  const results: Array<McpAuth | null | Error> = [
    null,
    new McpOAuthError('invalidToken'),
    new McpOAuthError('keysUnavailable'),
    callerOf('a')
  ]
  const { verify, calls } = recordCalls(async () => {
    const result = results.shift() ?? null
    if (result instanceof Error) throw result
    return result
  })
  const cached = cachedVerifier(verify)
  assert.equal(await cached('a', context), null)
  await assert.rejects(cached('a', context), { kind: 'invalidToken' })
  await assert.rejects(cached('a', context), { kind: 'keysUnavailable' })
  assert.ok(await cached('a', context))
  assert.ok(await cached('a', context))
  assert.equal(calls.length, 4)
})

test('cachedVerifier shares one verification among concurrent requests with one token', async () => {
  const { verify, calls } = recordCalls(async (token) => {
    await null
    return callerOf(token)
  })
  const cached = cachedVerifier(verify)
  const callers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => cached(String(i % 2), context))
  )
  assert.deepEqual(calls, ['0', '1'])
  callers.forEach((auth, i) => {
    assert.equal(auth?.token, String(i % 2))
  })
})

test('cachedVerifier drops the least recently used tokens beyond its maximum [S-10]', async () => {
  const { verify, calls } = recordCalls(async (token) => callerOf(token))
  const cached = cachedVerifier(verify, { max: 2 })
  for (const token of ['a', 'b', 'a', 'c', 'a', 'b']) await cached(token, context)
  assert.deepEqual(calls, ['a', 'b', 'c', 'b'])
})

/** A verifier whose refusals last while `state.lasts` is true, except those of valid tokens. */
function recordRefusals (max?: number): {
  cached: TokenVerifier
  calls: string[]
  state: { lasts: boolean }
} {
  const state = { lasts: true }
  const { verify, calls } = recordCalls(async (token) => {
    if (token.startsWith('valid')) return callerOf(token)
    throw lasting(
      failure('invalidToken', 'refused at the verification'),
      (now) => state.lasts ? failure('invalidToken', `refused at ${now}`) : null
    )
  })
  return { cached: cachedVerifier(verify, { max }), calls, state }
}

test('cachedVerifier repeats a lasting refusal for maxAge, with a new error [J-20]', async () => {
  const { cached, calls } = recordRefusals()
  const causes: unknown[] = []
  for (const now of [1_000, 1_001, 1_059, 1_060, 999]) {
    await assert.rejects(cached('a', { ...context, now }), (error: McpOAuthError) => {
      causes.push((error.cause as Error).message)
      return error.kind === 'invalidToken'
    })
  }
  assert.deepEqual(causes, [
    'refused at the verification',
    'refused at 1001',
    'refused at 1059',
    'refused at the verification',
    'refused at the verification'
  ])
  assert.equal(calls.length, 3)
})

test('cachedVerifier verifies a token again as soon as its refusal does not hold [J-20]', async () => {
  const { cached, calls, state } = recordRefusals()
  for (let i = 0; i < 3; i++) await assert.rejects(cached('a', context))
  assert.equal(calls.length, 1)
  state.lasts = false
  await assert.rejects(cached('a', context), { message: 'The access token is not valid here.' })
  assert.equal(calls.length, 2)
})

test('cachedVerifier keeps valid tokens during a flood of refused ones, and few of those [J-20]', async () => {
  const { cached, calls } = recordRefusals(20)
  await cached('valid', context)
  for (let i = 0; i < 500; i++) await assert.rejects(cached(`token-${i}`, context))
  assert.equal(calls.length, 501)
  await cached('valid', context)
  await assert.rejects(cached('token-499', context))
  await assert.rejects(cached('token-498', context))
  assert.equal(calls.length, 501)
  await assert.rejects(cached('token-497', context))
  assert.equal(calls.length, 502)
})

test('chain() returns the caller of the first verifier that recognizes the token', async () => {
  const last = recordCalls(async (token) => callerOf(token))
  const auth = await chain([async () => null, async () => callerOf('mine'), last.verify])(
    'a',
    context
  )
  assert.equal(auth.token, 'mine')
  assert.deepEqual(last.calls, [])
})

test('chain() rejects a token that no verifier recognizes with invalid_token [J-08]', async () => {
  for (const verifiers of [[], [async () => null, async () => null]]) {
    await assert.rejects(chain(verifiers)('a', context), { kind: 'invalidToken', statusCode: 401 })
  }
})

test('chain() does not pass a rejected token to the next verifier [Q-16]', async () => {
  const next = recordCalls(async (token) => callerOf(token))
  await assert.rejects(
    chain([async () => {
      throw new McpOAuthError('invalidToken')
    }, next.verify])('a', context),
    { kind: 'invalidToken' }
  )
  assert.deepEqual(next.calls, [])
})

test('chain() responds 503 if a verifier fails or returns no caller [F-28]', async () => {
  const invalid: unknown[] = [
    undefined,
    true,
    1,
    'yes',
    {},
    [],
    ...[null, 'x', []].map(claims => ({ ...callerOf('x'), claims }))
  ]
  for (const result of invalid) {
    await assert.rejects(chain([async () => result as McpAuth])('a', context), {
      kind: 'keysUnavailable',
      statusCode: 503
    })
  }
  const cause = new TypeError('fetch failed')
  await assert.rejects(
    chain([async () => {
      throw cause
    }])('a', context),
    { kind: 'keysUnavailable', cause }
  )
  await assert.rejects(
    chain([() => {
      throw cause
    }])('a', context),
    { kind: 'keysUnavailable', cause }
  )
})
