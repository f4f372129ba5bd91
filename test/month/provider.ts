import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import { Agent } from 'undici'
import { createKey } from '../support/issuer.ts'
import type { Clock } from './clock.ts'

// An identity provider that rotates its refresh tokens, for requests in this process. It knows
// which of its answers never arrived.

export type Provider = Awaited<ReturnType<typeof startProvider>>

/** A login at the provider. */
export interface Session {
  user: string
  /** The only refresh token that works. */
  token: string
  /** When it was issued, in milliseconds, and the instance that asked for it. */
  rotatedAt: number
  holder: Holder
  /** Whether the answer with it arrived. Undefined: it is under way. */
  arrived: boolean | undefined
  /** Whether a strict provider ended it, since an older token was used. */
  ended: boolean
}

/** The part of an instance that the provider sees. */
export interface Holder {
  isGone: boolean
  /** Whether it ended without closing. */
  isKilled?: boolean
}

/** Faults of the token endpoint. They spend no token. */
export const faults = {
  reset: null,
  unavailable: [503, '{"error":"temporarily_unavailable"}'],
  busy: [429, 'rate limited'],
  error: [500, 'oops'],
  html: [200, '<html>Maintenance</html>'],
  redirect: [302, ''],
  missing: [404, 'Not Found']
} as const

type Answer = readonly [status: number, body: string, session?: Session]

/** What `undici` passes to a dispatcher. */
interface Handler {
  onConnect(abort: (reason: Error) => void, context: null): void
  onHeaders(status: number, headers: Buffer[], resume: () => void, text: string): boolean
  onData(chunk: Buffer): boolean
  onComplete(trailers: Buffer[]): void
  onError(error: Error): void
}

/**
 * Starts the provider. All requests of the package go there until `stop` is called.
 *
 * @param setup.strict whether the use of a spent token ends its session
 * @param setup.between a random number
 */
export async function startProvider (
  { clock, strict, between }: {
    clock: Clock
    strict: boolean
    between: (least: number, most: number) => number
  }
) {
  const issuer = 'http://127.0.0.1:1'
  const metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    id_token_signing_alg_values_supported: ['ES256'],
    code_challenge_methods_supported: ['S256']
  }
  const codes = new Map<string, { session: Session, nonce: string | null }>()
  const tokens = new Map<string, Session>()
  /** Instances by the client secret that they use. */
  const holders = new Map<string, Holder>()
  let key = await createKey('key 0')
  const random = () => randomBytes(16).toString('base64url')

  const provider = {
    issuer,
    holders,
    fault: undefined as keyof typeof faults | undefined,
    /** Milliseconds until an answer. */
    delay: () => between(20, 400),
    /** Takes an answer with a new token that is under way. Returns whether it is lost. */
    intercept: (_holder: Holder): boolean => false,
    /** Requests to the token endpoint, new refresh tokens, and uses of spent ones. */
    counts: { requests: 0, rotations: 0, reused: 0 },
    /** A user signs in. Returns the code and the session. */
    authorize (user: string, location: URL) {
      const code = random()
      const session: Session = {
        user,
        token: '',
        rotatedAt: clock.now(),
        holder: { isGone: false },
        arrived: true,
        ended: false
      }
      codes.set(code, { session, nonce: location.searchParams.get('nonce') })
      const state = location.searchParams.get('state') ?? ''
      return { query: new URLSearchParams({ code, state }).toString(), session }
    },
    async rotateKey () {
      key = await createKey(`key ${random()}`)
    },
    stop: () => Reflect.deleteProperty(Agent.prototype, 'dispatch')
  }
  Object.defineProperty(Agent.prototype, 'dispatch', { value: dispatch, configurable: true })
  return provider

  function dispatch (
    { path, body, headers }: { path: string, body?: string, headers: Record<string, string> },
    handler: Handler
  ) {
    let isOver = false
    const end = (run: () => void) => {
      if (isOver) return
      isOver = true
      run()
    }
    handler.onConnect(reason => end(() => handler.onError(reason)), null)
    respond(path, new URLSearchParams(body), headers['authorization']).then(
      ([status, text, session]) => {
        if (session) session.arrived = !isOver
        end(() => {
          const type = text.startsWith('{') ? 'application/json' : 'text/html'
          handler.onHeaders(
            status,
            ['content-type', type].map(value => Buffer.from(value)),
            () => {},
            ''
          )
          handler.onData(Buffer.from(text))
          handler.onComplete([])
        })
      }
    ).catch((error: Error) => end(() => handler.onError(error)))
    return true
  }

  async function respond (
    path: string,
    params: URLSearchParams,
    authorization = ''
  ): Promise<Answer> {
    if (path.startsWith('/.well-known/')) return json(200, metadata)
    if (path === '/jwks') return await failing() ?? json(200, { keys: [key.jwk] })
    if (path !== '/token') return [404, '']
    const [, secret = ''] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
    const holder = holders.get(secret)
    if (holder === undefined || holder.isGone) return await new Promise(() => {})
    provider.counts.requests++
    const [before, after] = [between(5, 50), provider.delay()]
    await clock.sleep(before)
    const fault = await failing()
    if (fault) return fault
    const [session, nonce] = sessionOf(params)
    if (session === undefined) return json(400, { error: 'invalid_grant' })
    tokens.set(session.token = random(), session)
    Object.assign(session, { rotatedAt: clock.now(), holder, arrived: undefined })
    provider.counts.rotations++
    const [status, body] = await tokenResponse(session, nonce)
    await clock.sleep(after)
    // The process is gone, or goes just now, or the connection breaks.
    if (holder.isGone) return await new Promise(() => {})
    if (provider.intercept(holder)) {
      session.arrived = false
      throw new Error('the connection was reset')
    }
    return [status, body, session]
  }

  async function failing (): Promise<Answer | undefined> {
    const { fault } = provider
    if (fault === undefined) return
    await clock.sleep(between(5, 50))
    const answer = faults[fault]
    if (answer === null) throw new Error('the connection was reset')
    return answer
  }

  /** The session of a code or refresh token that works. */
  function sessionOf (params: URLSearchParams): [Session?, (string | null)?] {
    const code = params.get('code')
    if (code !== null) {
      const login = codes.get(code)
      codes.delete(code)
      return login ? [login.session, login.nonce] : []
    }
    const token = params.get('refresh_token') ?? ''
    const session = tokens.get(token)
    if (session === undefined || session.ended) return []
    if (session.token === token) return [session]
    provider.counts.reused++
    session.ended = strict
    return []
  }

  async function tokenResponse ({ user, token }: Session, nonce: string | null = null) {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: issuer,
      aud: 'broker',
      sub: user,
      iat: now,
      exp: now + 300,
      ...(nonce !== null && { nonce })
    }
    const { kid, alg, privateKey } = key
    return json(200, {
      access_token: random(),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: token,
      id_token: await new SignJWT(claims).setProtectedHeader({ kid, alg }).sign(privateKey)
    })
  }

  function json (status: number, body: object): Answer {
    return [status, JSON.stringify(body)]
  }
}
