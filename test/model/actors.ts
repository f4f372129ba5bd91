import {
  endsWell,
  fresh,
  noCrossing,
  noInternal,
  noLoss,
  prompt,
  providerOnce
} from './invariants.ts'
import type { Asked } from './requests.ts'
import { persist, type Outcome } from './run.ts'

// What do the scenarios have in common?

export const always = [noInternal, noCrossing, fresh, prompt(6_000)]
/** For scenarios in which an instance stops. */
export const slow = [noInternal, noCrossing, fresh, prompt(11_000)]
export const honest = [...always, noLoss, endsWell, providerOnce]
const pauses = [1_100]
export const storeFaults = { store: ['before', 'after', 'lost'], pauses } as const

export const first = ({ sessions: [session] }: Outcome) => {
  if (!session) throw new Error('no session')
  return { ...session, token: (back = 0) => session.tokens.at(-1 - back) as string }
}

/** Refreshes with the newest tokens that anyone got: now and in an hour. */
export async function refreshNewest ({ world, sessions }: Outcome) {
  for (const { user, tokens } of [...sessions, ...sessions]) {
    const received = world.history.filter(entry => entry.user === user)
      .flatMap(({ reply }) => reply.content ? [reply] : [])
      .sort((a, b) => (a.content?.generation ?? 0) - (b.content?.generation ?? 0))
    const token = received.at(-1)?.tokens?.refresh_token ?? tokens.at(-1)
    if (token !== undefined) await persist(at => world.refresh(at, token), [2, 1])
    await new Promise(resolve => setTimeout(resolve, 3_600_000 / sessions.length))
  }
}

export const providerFaults = ['fails', 'late', 'unverified'] as const

/** The client of alice repeats a request until it is not refused with a 5xx. */
export const refreshing =
  (outcome: Outcome, instances: number[], back = 0, asked: Asked = {}) => () =>
    persist(at => outcome.world.refresh(at, first(outcome).token(back), asked), instances)
export const redeeming = (outcome: Outcome, instances: number[]) => () =>
  persist(at => outcome.world.redeem(at, first(outcome).code), instances)
export const revoking = (outcome: Outcome, instances: number[]) => () =>
  persist(at => outcome.world.revoke(at, first(outcome).token()), instances)
