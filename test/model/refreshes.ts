import {
  always,
  first,
  honest,
  providerFaults,
  refreshing,
  refreshNewest,
  storeFaults
} from './actors.ts'
import { converges, endsWell, providerOnce, thiefOut } from './invariants.ts'
import { persist, signIn, type Scenario } from './run.ts'
import { grace } from './config.ts'

// How are tokens refreshed?

export const refreshes: Scenario[] = [
  {
    title: 'three processes refresh',
    before: async world => [await signIn(world, 'alice')],
    actors: (outcome) => [0, 1, 2].map(at => refreshing(outcome, [at])),
    after: refreshNewest,
    invariants: [...honest, converges]
  },
  {
    title: 'three processes refresh while the store fails',
    faults: storeFaults,
    before: async world => [await signIn(world, 'alice', { refreshes: 1 })],
    actors: (outcome) => [
      refreshing(outcome, [0, 1]),
      refreshing(outcome, [1, 2]),
      refreshing(outcome, [2, 0], 1)
    ],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'two processes refresh while the provider fails',
    faults: { provider: providerFaults, budget: 2 },
    before: async world => [await signIn(world, 'alice')],
    actors: (outcome) => [refreshing(outcome, [0, 1]), refreshing(outcome, [2])],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'an instance is killed while it refreshes',
    faults: { kills: [0] },
    forgives: true,
    before: async world => [await signIn(world, 'alice', { refreshes: 1 })],
    actors: (outcome) => [refreshing(outcome, [0, 1])],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'a thief with an old token, under refuse',
    options: { refresh: { grace, onReuse: 'refuse' } },
    before: async world => [await signIn(world, 'alice', { refreshes: 2, wait: grace + 1 })],
    actors: (outcome) => [
      refreshing(outcome, [0]),
      () => outcome.world.refresh(1, first(outcome).token(2))
    ],
    after: refreshNewest,
    invariants: [...always, thiefOut, endsWell, providerOnce]
  },
  {
    title: 'a copy in the last second of its grace',
    before: async world => [await signIn(world, 'alice', { refreshes: 2, wait: grace })],
    actors: (outcome) => [refreshing(outcome, [0]), refreshing(outcome, [1], 2)],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'the newest token and its predecessor, long after',
    before: async world => [await signIn(world, 'alice', { refreshes: 3, wait: 3_590 })],
    actors: (outcome) => [refreshing(outcome, [0], 1), refreshing(outcome, [1])],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'a copy that is refused at the end of its grace',
    faults: { provider: ['fails'] },
    before: async world => [await signIn(world, 'alice', { refreshes: 3, wait: 3_590 })],
    options: { refresh: { grace: 3_590 } },
    actors: (outcome) => [refreshing(outcome, [0, 1], 2)],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'a client of two instances while the store refuses to write',
    faults: { outages: [3_000] },
    before: async world => [await signIn(world, 'alice')],
    actors: (outcome) => [
      async () => {
        const { world } = outcome
        const refresh = (at: number, token = '') => persist(() => world.refresh(at, token), [at])
        const token = first(outcome).token()
        const { tokens } = await refresh(0, token)
        await refresh(0, token)
        // A copy at another instance needs what the store has not taken yet.
        world.steps.endFaults()
        await refresh(1, tokens?.refresh_token)
        await refresh(0, tokens?.refresh_token)
      }
    ],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'two users refresh at the same instances',
    faults: storeFaults,
    areApart: true,
    before: async world => [await signIn(world, 'alice'), await signIn(world, 'bob')],
    actors: ({ world, sessions }) =>
      [[0, 0, 1], [1, 0, 2]].map(([user = 0, ...instances]) => () =>
        persist(at => world.refresh(at, sessions[user]?.tokens[0] as string), instances)
      ),
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'refreshes with other scopes',
    before: async world => [await signIn(world, 'alice', { scopes: ['mcp:read', 'mcp:write'] })],
    actors: (outcome) => [
      refreshing(outcome, [0]),
      refreshing(outcome, [0], 0, { scopes: ['mcp:read'] }),
      refreshing(outcome, [1], 0, { scopes: ['mcp:write'] })
    ],
    after: refreshNewest,
    invariants: honest
  },
  {
    title: 'refreshes with other keys',
    before: async world => [await signIn(world, 'alice')],
    actors: (outcome) => [
      refreshing(outcome, [0]),
      refreshing(outcome, [0], 0, { key: 'a key' }),
      refreshing(outcome, [1], 0, { key: 'another key' })
    ],
    invariants: [...always, providerOnce]
  },
  {
    title: 'a writer of the store copies tokens to another grant',
    before: async world => [
      await signIn(world, 'alice', { refreshes: 1 }),
      await signIn(world, 'bob', { refreshes: 1 })
    ],
    actors: (outcome) => {
      const { world, sessions: [alice, bob] } = outcome
      return [
        refreshing(outcome, [0]),
        () => persist(at => world.refresh(at, bob?.tokens.at(-1) as string), [1]),
        () => world.copyEntry('family', alice?.grant as string, bob?.grant as string)
      ]
    },
    invariants: always
  }
]
