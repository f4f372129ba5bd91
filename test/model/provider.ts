import { McpOAuthError } from '../../lib/errors.ts'
import type { LoginSecrets, ProviderLogin } from '../../lib/provider/login.ts'

// The provider of the model: its tokens rotate, and a token that comes twice ends the session.

/** How a call of the provider ends. */
export type Ending = 'done' | 'fails' | 'late' | 'lost' | 'unverified'

/** A session of a user at the provider. */
export interface Session {
  user: string
  /** Generation of the only refresh token that works. */
  current: number
  ended: boolean
  /** How often a token that was used came again. */
  reuses: number
  refreshes: number
}

/** The state of the provider. */
export interface ProviderState {
  /** With the verifier of the login, if that took place here. */
  codes: Record<string, { user: string, verifier?: string, session?: string }>
  sessions: Record<string, Session>
}

/** What the scheduler does for the provider. */
export interface Scheduling {
  state: ProviderState
  /** A provider whose answer was lost answers the same request again. */
  forgives: boolean
  /** Resolves when the scheduler lets the call through. */
  call(text: string, key: string, endings: readonly Ending[]): Promise<Ending>
  /** Resolves when the instance can read an answer. */
  awake(): Promise<void>
  /** Resolves when the scheduler lets a late answer through. */
  lateAnswer(text: string): Promise<void>
}

/** Seconds until a request for tokens whose answer is lost gives up. */
const patienceMs = 60_000

/** Longer than a request waits, and than a lease lasts. */
const slownessMs = 7_500

interface Answer {
  access_token: string
  refresh_token: string
  sub: string
}

type Received = (tokens: { refreshToken: string, answer: Record<string, unknown> }) => void

function answerOf (session: string, { user, current }: Session): Answer {
  return {
    access_token: `access.${session}.${current}`,
    refresh_token: `${session}.${current}`,
    sub: user
  }
}

function tokensOf ({ access_token: accessToken, refresh_token: refreshToken, sub }: Answer) {
  return { accessToken, refreshToken, expiresIn: null, scope: null, claims: { sub } }
}

function redeem (
  { state, forgives }: Scheduling,
  code: string,
  verifier: string
): Answer | null {
  const known = state.codes[code]
  if (known && (known.verifier ?? verifier) !== verifier) return null
  if (known?.session !== undefined) {
    const session = state.sessions[known.session] as Session
    if (forgives) return answerOf(known.session, session)
    session.ended = true
    session.reuses++
  }
  if (known === undefined || known.session !== undefined) return null
  known.session = `s${code}`
  const session = { user: known.user, current: 0, ended: false, reuses: 0, refreshes: 0 }
  state.sessions[known.session] = session
  return answerOf(known.session, session)
}

function refresh (state: ProviderState, token: string, forgives: boolean): Answer | null {
  const [name = '', generation] = token.split('.')
  const session = state.sessions[name]
  if (!session || session.ended) return null
  if (Number(generation) === session.current - 1 && forgives) return answerOf(name, session)
  if (Number(generation) !== session.current) {
    session.reuses++
    session.ended = true
    return null
  }
  session.current++
  session.refreshes++
  return answerOf(name, session)
}

/** Logs a user in, whose browser was sent here. @returns the query of the callback */
export function logInAtProvider (state: ProviderState, location: string, user: string): string {
  const { searchParams: params } = new URL(location)
  const code = `code-${user}-${Object.keys(state.codes).length}`
  state.codes[code] = { user, verifier: params.get('verifier') ?? '' }
  return String(new URLSearchParams({ code, state: params.get('state') ?? '' }))
}

/** The provider as the broker of one instance sees it. */
export function createFakeProvider (
  scheduling: Scheduling
): Partial<Record<keyof ProviderLogin, unknown>> {
  const { state, forgives, call, awake, lateAnswer } = scheduling
  const tokenEndings = ['done', 'fails', 'late', 'lost', 'unverified'] as const

  async function request (
    text: string,
    key: string,
    effect: () => Answer | null,
    received?: Received
  ) {
    const ending = await call(text, key, tokenEndings)
    const answer = ending === 'fails' ? null : effect()
    await awake()
    if (ending === 'fails') throw new McpOAuthError('providerUnavailable')
    if (ending === 'late') {
      await new Promise(resolve => setTimeout(resolve, slownessMs))
      await lateAnswer(`the answer to ${text}`)
    }
    if (ending === 'lost') {
      await new Promise(resolve => setTimeout(resolve, patienceMs))
      throw new McpOAuthError('providerTimeout')
    }
    if (answer === null) throw new McpOAuthError('invalidGrant')
    received?.({ refreshToken: answer.refresh_token, answer: { ...answer } })
    if (ending === 'unverified') throw new McpOAuthError('providerUnavailable')
    return tokensOf(answer)
  }

  return {
    ready: async () => ({}),
    isFromProvider: async () => true,
    loginUrl: async (state: string, { verifier }: LoginSecrets) =>
      `https://id.example/authorize?${new URLSearchParams({ state, verifier })}`,
    async redeem (code: string, { verifier }: LoginSecrets, received?: Received, kept?: Answer) {
      if (kept !== undefined) return tokensOf(kept)
      const effect = () => redeem(scheduling, code, verifier)
      return await request(`redeem ${code}`, `code ${code}`, effect, received)
    },
    async refresh (token: string, received?: Received) {
      const key = `session ${token.split('.')[0]}`
      return await request(`refresh ${token}`, key, () => refresh(state, token, forgives), received)
    },
    recheck: null,
    async revoke (token: string) {
      const [name = '', generation] = token.split('.')
      const ending = await call(`revoke ${token}`, `session ${name}`, ['done', 'fails'])
      const session = state.sessions[name]
      // For a token that it does not know, a provider does nothing (RFC 7009 §2.2).
      const isKnown = session && Number(generation) === session.current
      if (ending === 'done' && isKnown) session.ended = true
      await awake()
      if (ending === 'fails') throw new McpOAuthError('providerUnavailable')
    }
  }
}
