import { codeIdsOf } from '../../lib/broker/logins.ts'
import { always, first, honest, refreshNewest, slow, storeFaults } from './actors.ts'
import { createBrowser } from './browser.ts'
import {
  aWinner,
  decidedOnce,
  endsWell,
  inTheEndAWinner,
  noIntruder,
  noLoss,
  oneCode,
  oneWinner,
  providerOnce,
  revocationFinal,
  tellsTruth
} from './invariants.ts'
import { persist, signIn, type Outcome, type Scenario, type Session } from './run.ts'
import type { World } from './world.ts'

// How do users log in? All requests of a browser may come again, and to any instance.

/** A browser that has a consent page, or whose user has logged in at the provider. */
async function openBrowser (
  world: World,
  user: string,
  isReturning = false,
  browser = createBrowser(world, user)
): Promise<Session> {
  const { observer } = world
  const { form } = await browser.authorize(0, user)
  const page = await observer.sealer.open('request', form, observer.now())
  const query = isReturning ? browser.logIn(await browser.consent(0, form)) : ''
  const { grant } = codeIdsOf(observer.states.create(String(page?.['id']), 0))
  const login = { cookies: browser.jar, form, query }
  return { user, grant, code: '', session: '', tokens: [], login }
}

/** The browser of a session, as it was when the path began. */
function browserOf (
  world: World,
  { user, login }: Session,
  browser = createBrowser(world, user, login?.cookies)
) {
  const { form = '', query = '' } = login ?? {}
  return {
    ...browser,
    form,
    query,
    submit: (instances: number[], action?: 'deny') => () =>
      persist(at => browser.consent(at, form, action), instances),
    /** From the provider's login to tokens. */
    async finish (instances: number[], callback = query) {
      const { location = '' } = await persist(at => browser.callback(at, callback), instances)
      const code = new URL(location).searchParams.get('code') ?? ''
      return await persist(at => world.redeem(at, code), instances)
    }
  }
}

/** The user goes on where a consent page led to, when all is quiet. */
async function finishLogin (outcome: Outcome) {
  const { world } = outcome
  const browser = browserOf(world, first(outcome))
  const reply = world.history.find(entry => entry.reply.status === 303 && entry.asked.form)?.reply
  for (const line of reply?.cookies ?? []) browser.keep(line)
  if (!reply?.location?.startsWith('https://id.example/')) return
  await browser.finish([2, 0], browser.logIn(reply))
  await refreshNewest(outcome)
}

const loginFaults = { ...storeFaults, freezes: [0] }

export const logins: Scenario[] = [
  {
    title: 'the consent form is sent twice',
    before: async world => [await openBrowser(world, 'alice')],
    actors: (outcome) => {
      const browser = browserOf(outcome.world, first(outcome))
      return [browser.submit([0]), browser.submit([1])]
    },
    after: finishLogin,
    invariants: [...honest, decidedOnce]
  },
  {
    title: 'the consent form is sent twice while the store fails or an instance is frozen',
    faults: loginFaults,
    before: async world => [await openBrowser(world, 'alice')],
    actors: (outcome) => {
      const browser = browserOf(outcome.world, first(outcome))
      return [browser.submit([0, 1]), browser.submit([2, 0])]
    },
    after: finishLogin,
    invariants: [...slow, noLoss, endsWell, providerOnce, decidedOnce]
  },
  {
    title: 'a user denies and allows while the store fails or an instance is frozen',
    faults: loginFaults,
    before: async world => [await openBrowser(world, 'alice')],
    actors: (outcome) => {
      const browser = browserOf(outcome.world, first(outcome))
      return [browser.submit([0, 1]), browser.submit([2, 0], 'deny')]
    },
    after: finishLogin,
    invariants: [...slow, decidedOnce, tellsTruth, providerOnce]
  },
  {
    title: 'the consent form is sent again while its code is redeemed',
    before: async world => [await openBrowser(world, 'alice', true)],
    actors: (outcome) => {
      const browser = browserOf(outcome.world, first(outcome))
      return [() => browser.finish([0]), browser.submit([1])]
    },
    after: refreshNewest,
    invariants: [...always, oneWinner, aWinner, tellsTruth, providerOnce, endsWell]
  },
  {
    title: 'two callbacks of one login',
    before: async world => [await openBrowser(world, 'alice', true)],
    actors: (outcome) => {
      const browser = browserOf(outcome.world, first(outcome))
      return [0, 1].map(at => () => persist(at => browser.callback(at, browser.query), [at]))
    },
    after: async (outcome) => {
      await browserOf(outcome.world, first(outcome)).finish([2])
      await refreshNewest(outcome)
    },
    invariants: [...honest, oneCode]
  },
  {
    title: 'a callback while its code is redeemed, the store fails or an instance is frozen',
    faults: loginFaults,
    before: async world => [await openBrowser(world, 'alice', true)],
    actors: (outcome) => {
      const browser = browserOf(outcome.world, first(outcome))
      return [
        () => browser.finish([0, 1]),
        () => persist(at => browser.callback(at, browser.query), [2, 0])
      ]
    },
    after: refreshNewest,
    invariants: [...slow, oneCode, oneWinner, inTheEndAWinner, tellsTruth, providerOnce, endsWell]
  },
  {
    title: 'two logins in one browser',
    before: async (world) => {
      const browser = createBrowser(world, 'alice')
      const one = await openBrowser(world, 'alice', false, browser)
      const another = await openBrowser(world, 'alice', false, browser)
      return [one, another]
    },
    actors: ({ world, sessions }) => {
      const browser = createBrowser(world, 'alice', sessions[1]?.login?.cookies)
      return sessions.map((session, at) => async () => {
        const own = browserOf(world, session, browser)
        await own.finish([at], browser.logIn(await own.submit([at])()))
      })
    },
    after: refreshNewest,
    invariants: [...honest, decidedOnce, oneCode, oneWinner]
  },
  {
    title: 'a login of one user, a refresh and a revocation of another',
    before: async world => [await signIn(world, 'bob')],
    actors: (outcome) => {
      const { world, sessions: [bob] } = outcome
      const token = bob?.tokens[0] as string
      return [
        async () => {
          const browser = createBrowser(world, 'alice')
          const { form } = await browser.authorize(0, 'alice')
          const query = browser.logIn(await browser.consent(1, form))
          const { code } = await browser.callback(0, query)
          const { tokens } = await world.redeem(1, code)
          await world.refresh(0, tokens?.refresh_token ?? '')
        },
        () => world.refresh(0, token),
        () => world.revoke(1, token)
      ]
    },
    after: refreshNewest,
    invariants: [...always, oneCode, oneWinner, aWinner, revocationFinal, providerOnce]
  },
  {
    title: 'an intruder with the page, the callback and the code of another user',
    before: async world => [
      await openBrowser(world, 'alice', true),
      await openBrowser(world, 'mallory', true)
    ],
    actors: ({ world, sessions: [alice, mallory] }) => {
      const own = browserOf(world, alice as Session)
      const other = browserOf(world, mallory as Session)
      const params = new URLSearchParams(other.query)
      params.set('code', new URLSearchParams(own.query).get('code') ?? '')
      return [
        () => own.finish([0]),
        async () => {
          await other.consent(1, own.form)
          await other.callback(1, own.query)
          const { code } = await other.callback(1, String(params))
          await world.redeem(1, code)
        },
        () => own.callback(2, other.query)
      ]
    },
    after: refreshNewest,
    invariants: [...always, noIntruder, oneWinner, aWinner]
  },
  {
    title: 'a writer of the store copies the mark of a login to another',
    before: async world => [
      await openBrowser(world, 'alice', true),
      await openBrowser(world, 'bob', true)
    ],
    actors: ({ world, sessions }) => {
      const [alice = '', bob = ''] = sessions.map(({ login }) =>
        new URLSearchParams(login?.query).get('state') ?? ''
      )
      return [
        ...sessions.map((session, at) => () => browserOf(world, session).finish([at])),
        () => world.copyEntry('login', alice, bob)
      ]
    },
    after: refreshNewest,
    invariants: [...always, oneWinner]
  }
]
