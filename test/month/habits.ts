import { hidden, openBrowser } from '../support/browser.ts'
import { challenge, loopbackUri, publicUrl } from '../support/credentials.ts'
import type { Reply } from '../support/replies.ts'
import { claimsOf, json, query, redeem, renew } from '../support/requests.ts'
import { causeOf, type Login } from './causes.ts'
import type { Counts } from './counts.ts'
import { day, hour, minute, second, Unavailable, type Answer, type World } from './world.ts'

// Users, each with processes that share one file of credentials.

export interface Tokens {
  refresh: string
  /** When the access token ends. */
  until: number
  login: Login
}

/** Habits that bring a token which is days old. */
export const lateHabits: readonly string[] = ['four days late', 'never persisted']

export type Habit =
  | 'reads the file'
  | 'sleeps 7 m 45 s'
  | 'five at once'
  | 'killed in mid-refresh'
  | 'four days late'
  | 'never persisted'

/** The eight processes of a user, and those of one with processes that are late. */
export const busy: readonly Habit[] = [
  'reads the file',
  'reads the file',
  'sleeps 7 m 45 s',
  'sleeps 7 m 45 s',
  'five at once',
  'five at once',
  'killed in mid-refresh',
  'killed in mid-refresh'
]
export const late: readonly Habit[] = [
  'reads the file',
  'sleeps 7 m 45 s',
  'sleeps 7 m 45 s',
  'five at once',
  'killed in mid-refresh',
  'killed in mid-refresh',
  'four days late',
  'never persisted'
]

export type User = ReturnType<typeof addUser>

/** Adds a user whose processes have these habits. */
export function addUser (world: World, counts: Counts, index: number, habits: readonly Habit[]) {
  const { clock, between, provider } = world
  let client = ''
  let file: Tokens
  let isOver = false
  let loggingIn: Promise<Tokens> | undefined

  /** Sends a request until it is answered, as clients do that find the server unavailable. */
  async function insist<T> (request: () => Promise<T>, most = minute): Promise<T> {
    for (;;) {
      try {
        return await request()
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        counts.repeated++
        await clock.sleep(between(second, most))
      }
    }
  }

  const tokensOf = (reply: Reply, login: Login): Tokens => {
    const { refresh_token: refresh, expires_in: seconds } = reply.json()
    return { refresh, until: clock.now() + seconds * second, login }
  }

  /** Refreshes. Returns the response if the token is refused. */
  async function refresh ({ refresh: token, login }: Tokens): Promise<Tokens | Answer> {
    const reply = await insist(() => {
      counts.refreshes++
      return world.token(index, renew(client, token))
    })
    if (reply.status === 200) return tokensOf(reply, login)
    if (reply.json()['error'] !== 'invalid_grant') throw new Error(reply.text)
    return reply
  }

  /** Refreshes with a token, then with that of the file, and logs in if neither works. */
  async function renewFrom (tokens: Tokens, habit: Habit): Promise<Tokens> {
    const renewed = await refresh(tokens)
    if ('refresh' in renewed) return renewed
    const cause = causeOf(world, tokens.login, renewed, habit)
    counts.refused(habit, cause)
    if (tokens.refresh !== file.refresh) {
      const other = await refresh(file)
      if ('refresh' in other) return other
      causeOf(world, file.login, other, habit)
    }
    loggingIn ??= logIn().then(tokens => {
      counts.loggedIn(cause)
      return tokens
    }).finally(() => {
      loggingIn = undefined
    })
    return await loggingIn
  }

  /** Logs in with a browser, and again if that takes too long. */
  async function logIn (): Promise<Tokens> {
    for (;;) {
      const started = await insist(openLogin, 10 * second)
      const deadline = clock.now() + 50 * second
      while (clock.now() < deadline) {
        const reply = await world.token(index, redeem(client, started.code))
          .catch((error: unknown) => {
            if (!(error instanceof Unavailable)) throw error
          })
        if (reply?.status === 200) {
          const { session, startedAt } = started
          const { gid: grant } = claimsOf(reply.json()['access_token'])
          file = tokensOf(reply, { grant, session, startedAt })
          return file
        }
        if (reply) break
        await clock.sleep(between(1, 5) * second)
      }
      counts.repeatedLogins++
    }
  }

  async function openLogin () {
    const browser = openBrowser()
    const at = () => world.instance(index) as never
    const expect = (reply: Reply, status: number) => {
      if (reply.status !== status) throw new Unavailable(reply.text)
      return reply
    }
    const startedAt = clock.now()
    const params = query({
      response_type: 'code',
      client_id: client,
      redirect_uri: loopbackUri,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 'state',
      resource: `${publicUrl}/mcp`
    })
    const page = expect(await browser.get(at(), `/oauth/authorize?${params}`), 200)
    const consent = expect(
      await browser.post(at(), '/oauth/consent', { request: hidden(page.text), action: 'approve' }),
      303
    )
    const { query: answer, session } = provider.authorize(`user ${index}`, consent.location as URL)
    const callback = expect(await browser.get(at(), `/oauth/callback?${answer}`), 302)
    const code = callback.location?.searchParams.get('code')
    if (!code) throw new Unavailable(callback.location?.href)
    return { code, session, startedAt }
  }

  /** One round of each habit. Returns the pause after it. */
  const rounds: Record<Habit, (own: Tokens) => Promise<number>> = {
    async 'reads the file' () {
      if (file.until - clock.now() < 5 * minute) file = await renewFrom(file, 'reads the file')
      return Math.max(minute, file.until - clock.now() - between(0, 5) * minute)
    },
    async 'sleeps 7 m 45 s' () {
      const tokens = file
      await clock.sleep(7.75 * minute)
      file = await renewFrom(tokens, 'sleeps 7 m 45 s')
      return between(1, 4) * hour
    },
    async 'five at once' () {
      const tokens = file
      await Promise.all(Array.from({ length: 5 }, async () => {
        file = await renewFrom(tokens, 'five at once')
      }))
      return between(2, 12) * hour
    },
    async 'killed in mid-refresh' () {
      // The response is lost, and the file still has the old token.
      const tokens = file
      counts.refreshes++
      world.token(index, renew(client, tokens.refresh)).catch(() => {})
      await clock.sleep(between(1, 300) * second)
      file = await renewFrom(tokens, 'killed in mid-refresh')
      return between(3, 20) * hour
    },
    async 'four days late' (own) {
      await renewFrom(own, 'four days late')
      return 4 * day
    },
    async 'never persisted' (own) {
      await renewFrom(own, 'never persisted')
      return day
    }
  }

  async function live (habit: Habit) {
    // That of the last start, or of the login: this process never writes down what it gets.
    let own = file
    await clock.sleep(habit === 'four days late' ? 4 * day : between(0, 50) * minute)
    for (;;) {
      if (isOver) return
      const pause = await rounds[habit](own)
      if (habit === 'four days late' || own.login !== file.login) own = file
      await clock.sleep(pause)
    }
  }

  async function start () {
    await clock.sleep(between(0, 2) * hour)
    client = await insist(async () => {
      const metadata = {
        redirect_uris: [loopbackUri],
        client_name: `Client ${index}`,
        grant_types: ['authorization_code', 'refresh_token']
      }
      const reply = await world.instance(index).send('/oauth/register', json(metadata))
      if (reply.status !== 201) throw new Unavailable(reply.text)
      return reply.json()['client_id'] as string
    })
    await logIn()
    counts.loggedIn('first')
    for (const habit of habits) live(habit).catch(world.fail)
  }
  const ready = start()
  ready.catch(world.fail)

  return {
    ready,
    /** Sends a refresh of a thief, who insists, too. */
    refresh,
    /** The file at this moment. */
    copy: () => file,
    /** Ends the processes of the user. */
    end () {
      isOver = true
    },
    isOver: () => isOver
  }
}
