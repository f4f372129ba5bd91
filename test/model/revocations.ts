import {
  always,
  first,
  redeeming,
  refreshing,
  refreshNewest,
  revoking,
  storeFaults
} from './actors.ts'
import { ended, providerOnce, revocationFinal, thiefOut } from './invariants.ts'
import { logIn, signIn, type Scenario } from './run.ts'
import { grace } from './config.ts'

// How do grants end?

export const revocations: Scenario[] = [
  {
    title: 'a copy, the newest token and a revocation',
    before: async world => [await signIn(world, 'alice', { refreshes: 1 })],
    actors: (outcome) => [
      refreshing(outcome, [0]),
      refreshing(outcome, [1], 1),
      revoking(outcome, [2])
    ],
    after: refreshNewest,
    invariants: [...always, revocationFinal, ended, providerOnce]
  },
  {
    title: 'a refresh and a revocation while the store fails',
    faults: storeFaults,
    before: async world => [await signIn(world, 'alice', { refreshes: 1 })],
    actors: (outcome) => [refreshing(outcome, [0]), revoking(outcome, [1, 2])],
    after: refreshNewest,
    invariants: [...always, revocationFinal, ended, providerOnce]
  },
  {
    title: 'a refresh and a revocation while the provider fails',
    faults: { provider: ['fails', 'late'] },
    before: async world => [await signIn(world, 'alice', { refreshes: 1 })],
    actors: (outcome) => [refreshing(outcome, [0]), revoking(outcome, [1])],
    after: refreshNewest,
    invariants: [...always, revocationFinal, ended, providerOnce]
  },
  {
    title: 'a code and its revocation',
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [
      async () => {
        const { tokens } = await redeeming(outcome, [0])()
        await Promise.all([
          outcome.world.refresh(1, tokens?.refresh_token ?? ''),
          outcome.world.revoke(2, tokens?.access_token ?? '')
        ])
      }
    ],
    after: refreshNewest,
    invariants: [...always, revocationFinal, ended, providerOnce]
  },
  {
    title: 'a thief with an old token, under revoke',
    before: async world => [await signIn(world, 'alice', { refreshes: 2, wait: grace + 1 })],
    actors: (outcome) => [
      refreshing(outcome, [0]),
      () => outcome.world.refresh(1, first(outcome).token(2))
    ],
    after: refreshNewest,
    invariants: [...always, thiefOut, ended, providerOnce]
  }
]
