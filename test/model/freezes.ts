import { first, redeeming, refreshing, refreshNewest, slow } from './actors.ts'
import { endsWell, inTheEndAWinner, noLoss, oneWinner, providerOnce } from './invariants.ts'
import { logIn, persist, signIn, type Invariant, type Scenario } from './run.ts'

// What if an instance stops for longer than its lease, and goes on? Logins have this fault, too.

/** A code is marked before its tokens are sent: if these are lost, the user logs in again. */
const endsWellIfHeard: Invariant = (outcome) =>
  outcome.world.history.some(({ asked, reply }) => asked.isGone?.() && reply.tokens)
    ? []
    : endsWell(outcome)

export const freezes: Scenario[] = [
  {
    title: 'a code while an instance is frozen',
    faults: { freezes: [0] },
    forgives: true,
    before: async world => [await logIn(world, 'alice')],
    actors: (outcome) => [
      async () => {
        const { world } = outcome
        let isGone = false
        const { code } = first(outcome)
        // It may arrive at an instance that is frozen.
        const answered = world.steps.arrival(0, 'a code').then(() =>
          world.redeem(0, code, { isGone: () => isGone })
        )
        const patience = new Promise<void>(resolve => setTimeout(resolve, 2_000))
        const reply = await Promise.race([answered, patience])
        // A client that gets no answer goes on at another instance.
        isGone = reply === undefined
        const { tokens } = reply ?? await redeeming(outcome, [1])()
        await persist(at => world.refresh(at, tokens?.refresh_token ?? ''), [2])
      }
    ],
    after: refreshNewest,
    invariants: [...slow, oneWinner, inTheEndAWinner, providerOnce, endsWellIfHeard]
  },
  {
    title: 'an instance is frozen while it refreshes',
    faults: { freezes: [0] },
    forgives: true,
    before: async world => [await signIn(world, 'alice', { refreshes: 1 })],
    actors: (outcome) => [
      refreshing(outcome, [0, 1]),
      // Another process goes on meanwhile.
      async () => {
        const { tokens } = await refreshing(outcome, [1])()
        await persist(at => outcome.world.refresh(at, tokens?.refresh_token ?? ''), [2])
      }
    ],
    after: refreshNewest,
    invariants: [...slow, noLoss, endsWell, providerOnce]
  }
]
