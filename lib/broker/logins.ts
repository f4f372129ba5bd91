/** How does a login return to the browser that began it: with which `state` and cookies? */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { deriveKey } from '../crypto/derive-key.ts'
import { loginSkewSeconds, maxLoginCookieBytes, maxLoginCookies } from '../limits.ts'
import type { LoginSecrets } from '../provider/login.ts'
import { hash } from '../util/hash.ts'
import { lazy } from '../util/lazy.ts'

/** A login at the provider. */
export interface ProviderLoginIds {
  upstreamState: string
  secrets: LoginSecrets
}

/**
 * Makes and verifies the `state` values for the provider. A state that we did not make is an error
 * of its own: it does not mean that the login began in another browser.
 *
 * @param context names the registration: others verify no state of it
 * @param lifetime in seconds
 */
export function createLoginStates (secrets: readonly string[], context: string, lifetime: number) {
  const keys = secrets.map(secret => deriveKey(secret, `state:${context}`))
  const sign = (body: string, key: Uint8Array) =>
    createHmac('sha256', key).update(body).digest().subarray(0, 12)
  return {
    /**
     * Returns the login that follows from a consent page: the same one, however often its form is
     * sent. The state contains the time, 116 bits of a hash, and an HMAC of both. States sort by
     * time.
     *
     * @param id 96 random bits or more, which only the sealed page contains
     * @param ms time of the decision, in milliseconds since 1970
     */
    create (id: string, ms: number): ProviderLoginIds {
      const seconds = Math.floor(ms / 1000).toString(36).padStart(8, '0')
      const seed = Buffer.from(hash(`state ${id}`), 'base64url').toString('hex').slice(0, 29)
      const body = seconds + (ms % 1000).toString(16).padStart(3, '0') + seed
      return {
        upstreamState: body + sign(body, keys[0] as Uint8Array).toString('hex'),
        secrets: { verifier: verifierOf(id), nonce: hash(`nonce ${id}`) }
      }
    },
    /** Whether a state is ours and has not expired. */
    verify (state: string, now: number) {
      if (!/^[\da-z]{8}[\da-f]{56}$/.test(state)) return false
      const body = state.slice(0, 40)
      const hmac = Buffer.from(state.slice(40), 'hex')
      const age = now - parseInt(state.slice(0, 8), 36)
      return age >= -loginSkewSeconds && age < lifetime &&
        keys.some(key => timingSafeEqual(sign(body, key), hmac))
    }
  }
}

const verifierOf = (id: string) => hash(`verifier ${id}`)

/** The id of the grant that follows from a consent page. */
export const grantOf = (id: string) => idOf('grant', verifierOf(id))

/**
 * The ids of the code and the grant of a login. They follow from a secret in the cookie, so that a
 * login whose callback is repeated has one code.
 */
export function codeIdsOf ({ secrets: { verifier } }: ProviderLoginIds) {
  return { id: idOf('code', verifier), grant: idOf('grant', verifier) }
}

const idOf = (use: string, verifier: string) => hash(`${use} ${verifier}`).slice(0, 22)

type Header = string | undefined

/** Ends the value of a cookie whose login is complete. */
const complete = '~'

export const loadCookie = lazy('cookie', () => import('cookie'))

/**
 * Reads and writes the cookies of a login.
 *
 * @param secure false on plain http (loopback), where browsers refuse the prefix `__Host-`
 * @param lifetimes of a login and of a code, in seconds
 */
export async function createLoginCookies (
  secure: boolean,
  lifetimes: { consent: number, code: number }
) {
  const { parse, serialize } = await loadCookie()
  const prefix = secure ? '__Host-' : ''
  const csrf = `${prefix}mcp-csrf`
  const loginPrefix = `${prefix}mcp-login.`
  const csrfName = (browser: string) => `${csrf}.${browser.slice(0, 22)}`
  // Other cookies may begin like ours, with names that cannot be written back.
  const isOurs = (name: string) =>
    name.startsWith(loginPrefix) && /^[\da-z]{64}$/.test(name.slice(loginPrefix.length))
  const write = (name: string, value: string, maxAge: number) =>
    serialize(name, value, { path: '/', httpOnly: true, secure, sameSite: 'lax', maxAge })
  /** Seconds since 1970. Complete logins count as older than all others. */
  const timeOf = ([name, value = '']: [string, string | undefined]) => {
    const [, seconds = '', ms = ''] = /\.(.{8})(.{3})/.exec(name) ?? []
    return parseInt(seconds, 36) + parseInt(ms, 16) / 4096 - (value.endsWith(complete) ? 1e10 : 0)
  }
  /** Browsers put spaces and tabs only before a name: others belong to it, and to other cookies. */
  function valueOf (header: Header, name: string) {
    const pairs = (header ?? '').split(';')
      .filter(pair => pair.replace(/^[ \t]+/, '').startsWith(`${name}=`))
    return pairs.length === 1 ? parse(pairs[0] ?? '')[name] ?? null : null
  }
  return {
    /**
     * The CSRF value of the page with this hash. Null if there is none, or two (an attacker planted
     * one). Version 0.1.0 had one cookie for all pages.
     */
    csrf: (header: Header, browser: string) =>
      valueOf(header, csrfName(browser)) ?? valueOf(header, csrf),
    /** The CSRF value of any page of the browser, for another page; null if there is none. */
    anyCsrf (header: Header) {
      const own = Object.entries(parse(header ?? ''))
        .find(([name, value = '']) => name.startsWith(csrf) && name === csrfName(hash(value)))
      return own ? valueOf(header, own[0]) : null
    },
    /** Pages that load at the same time have values of their own: none replaces another. */
    setCsrf: (value: string) => write(csrfName(hash(value)), value, lifetimes.consent),
    /** The sealed login of a state. Null if there is none, or two. */
    login: (header: Header, state: string) =>
      valueOf(header, loginPrefix + state)?.replace(complete, '') ?? null,
    clearLogin: (state: string) => write(loginPrefix + state, '', 0),
    /** Keeps a login that is complete while its code lives: browsers reload pages. */
    completeLogin: (state: string, value: string) =>
      write(loginPrefix + state, value + complete, lifetimes.code),
    /** Sets the cookie of a login, and removes those of the oldest logins if there are too many. */
    setLogin (header: Header, state: string, value: string) {
      const name = loginPrefix + state
      const others = Object.entries(parse(header ?? ''))
        .filter(([other]) => isOurs(other) && other !== name)
        // Of equal times, the cookie that the browser received last is the newest (RFC 6265 §5.4).
        .reverse().sort((a, b) => timeOf(b) - timeOf(a))
      let bytes = name.length + value.length
      const removed = others.filter(([name, content = ''], index) => {
        bytes += name.length + content.length
        return index >= maxLoginCookies - 1 || bytes > maxLoginCookieBytes
      })
      return [write(name, value, lifetimes.consent), ...removed.map(([name]) => write(name, '', 0))]
    }
  }
}
