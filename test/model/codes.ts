import {
  always,
  first,
  honest,
  providerFaults,
  redeeming,
  refreshNewest,
  storeFaults
} from './actors.ts'
import { aWinner, ended, noneWithWrongVerifier, oneWinner, providerOnce } from './invariants.ts'
import { logIn, type Scenario } from './run.ts'

// How are authorization codes redeemed?

export const codes: Scenario[] = [
  {
    title: 'two requests with one code',
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [redeeming(outcome, [0]), redeeming(outcome, [1])],
    after: refreshNewest,
    invariants: [...always, oneWinner, aWinner, providerOnce]
  },
  {
    title: 'a code while the store fails',
    faults: storeFaults,
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [redeeming(outcome, [0, 1])],
    after: refreshNewest,
    invariants: [...honest, oneWinner]
  },
  {
    title: 'a code while the provider fails',
    faults: { provider: providerFaults, budget: 2 },
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [redeeming(outcome, [0, 1])],
    after: refreshNewest,
    invariants: [...honest, oneWinner]
  },
  {
    title: 'two requests with one code while the store refuses to write',
    faults: { outages: [1_000] },
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [redeeming(outcome, [0]), redeeming(outcome, [0])],
    after: async (outcome) => {
      await redeeming(outcome, [1])()
      await redeeming(outcome, [2])()
    },
    invariants: [...always, oneWinner, providerOnce, ended]
  },
  {
    title: 'a code of another client, and one with a wrong verifier',
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [
      redeeming(outcome, [0]),
      () => outcome.world.redeem(1, first(outcome).code, { wrong: true })
    ],
    after: refreshNewest,
    invariants: [...always, oneWinner, noneWithWrongVerifier]
  }
]
