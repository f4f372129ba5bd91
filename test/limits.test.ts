import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as limits from '../lib/limits.ts'

const seconds = (...milliseconds: number[]) => milliseconds.reduce((a, b) => a + b, 0) / 1000
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

/** Pairs of limits, in one unit. The larger one must exceed the smaller one. */
const inequalities: Array<[name: string, larger: number, smaller: number]> = [
  [
    'an instance can extend its lease although one write of the store fails',
    limits.leaseSeconds,
    limits.leaseSeconds / 3 + seconds(limits.storeTimeoutMs)
  ],
  [
    'a request waits longer for another instance than the lease of a killed one lasts',
    seconds(limits.leaseWaitMs),
    limits.leaseSeconds
  ],
  [
    'a request that waits for another instance says so before it blames the provider',
    limits.requestTimeoutMs,
    limits.leaseWaitMs
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
    'the refresh tokens of a login outlive one that is not used',
    limits.refreshAbsoluteSeconds,
    limits.refreshTokenSeconds
  ],
  [
    'a lease of a refresh exceeds the pause between late writes of its tokens',
    limits.leaseSeconds,
    seconds(Math.max(...limits.lateWriteDelaysMs))
  ],
  [
    'the wait for running requests at the end exceeds the wait of a client for the provider',
    limits.closeTimeoutSeconds,
    seconds(limits.requestTimeoutMs)
  ],
  [
    'the first holder of a lease is known until its token request ends, beyond the lease',
    seconds(limits.tokenRequestMs),
    limits.leaseSeconds
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
