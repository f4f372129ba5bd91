import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as limits from '../lib/limits.ts'

const seconds = (...milliseconds: number[]) => milliseconds.reduce((a, b) => a + b, 0) / 1000
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

/** A refresh at the provider: a slot of the limiter, metadata, tokens, keys, and the user. */
const providerRefreshMs = [
  limits.queueTimeoutMs,
  limits.requestTimeoutMs,
  limits.requestTimeoutMs,
  limits.requestTimeoutMs,
  limits.lookUpTimeoutMs
]

/** Pairs of limits, in one unit. The larger one must exceed the smaller one. */
const inequalities: Array<[name: string, larger: number, smaller: number]> = [
  [
    'the lock of a refresh exceeds the sum of the limits in it',
    limits.refreshLockSeconds,
    seconds(
      ...providerRefreshMs,
      limits.authorizeUserMs,
      sum(limits.storeWriteDelaysMs),
      ...Array.from({ length: 6 }, () => limits.storeTimeoutMs)
    )
  ],
  [
    'a repeated write of the store outlasts the reset timeout of its circuit breaker',
    sum(limits.storeWriteDelaysMs),
    limits.storeResetTimeoutMs
  ],
  [
    'the start waits longer for a store than its circuit breaker does',
    sum(limits.storeConnectDelaysMs),
    limits.storeResetTimeoutMs
  ],
  [
    'the wait for a concurrent refresh exceeds a slow request to the provider',
    limits.maxRefreshPolls * limits.refreshPollMs,
    limits.requestTimeoutMs
  ],
  [
    'the mark of a revoked grant outlives its refresh tokens',
    limits.revokedGrantSeconds,
    limits.refreshTokenSeconds + limits.accessTokenSeconds
  ],
  [
    'the mark of a revoked grant of a machine client outlives its access tokens',
    limits.revokedMachineSeconds + 1,
    limits.accessTokenSeconds
  ],
  [
    'the mark of a used code outlives its access token',
    limits.usedCodeSeconds + 1,
    limits.codeSeconds + limits.accessTokenSeconds
  ],
  [
    'the note about secrets outlives the refresh tokens sealed with them',
    limits.secretNoteSeconds,
    limits.refreshTokenSeconds
  ],
  [
    'a refresh token outlives an access token and the grace period',
    limits.refreshTokenSeconds,
    limits.accessTokenSeconds + limits.refreshGraceSeconds
  ],
  [
    'the grace period exceeds the wait for a concurrent refresh',
    limits.refreshGraceSeconds,
    seconds(limits.maxRefreshPolls * limits.refreshPollMs)
  ],
  [
    'a login lasts longer than the tolerance for clocks',
    limits.loginSeconds,
    limits.loginSkewSeconds
  ]
]

for (const [name, larger, smaller] of inequalities) {
  test(`limits: ${name}`, () => {
    assert.ok(larger > smaller, `${larger} > ${smaller}`)
  })
}
