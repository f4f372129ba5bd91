/** How does a login return to the browser that began it: with which `state` and cookies? */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { parse, serialize } from 'cookie'
import { deriveKey } from '../crypto/derive-key.ts'
import { loginSeconds, loginSkewSeconds, maxLoginCookieBytes, maxLoginCookies } from '../limits.ts'

/**
 * Makes and verifies the `state` values for the provider. A state that we did not make is an error
 * of its own: it does not mean that the login began in another browser.
 *
 * @param context names the registration: others verify no state of it
 */
export function createLoginStates (secrets: readonly string[], context: string) {
  const keys = secrets.map(secret => deriveKey(secret, `state:${context}`))
  const sign = (body: string, key: Uint8Array) =>
    createHmac('sha256', key).update(body).digest().subarray(0, 12)
  return {
    /** A time, 128 random bits, and an HMAC of both. States sort by time. */
    create (now: number) {
      const body = Math.floor(now).toString(36).padStart(8, '0') + randomBytes(16).toString('hex')
      return body + sign(body, keys[0] as Uint8Array).toString('hex')
    },
    /** Whether a state is ours and has not expired. */
    verify (state: string, now: number) {
      if (!/^[\da-z]{8}[\da-f]{56}$/.test(state)) return false
      const body = state.slice(0, 40)
      const hmac = Buffer.from(state.slice(40), 'hex')
      const age = now - parseInt(state.slice(0, 8), 36)
      return age >= -loginSkewSeconds && age < loginSeconds &&
        keys.some(key => timingSafeEqual(sign(body, key), hmac))
    }
  }
}

type Header = string | undefined

/**
 * Reads and writes the cookies of a login.
 *
 * @param secure false on plain http (loopback), where browsers refuse the prefix `__Host-`
 */
export function createLoginCookies (secure: boolean) {
  const prefix = secure ? '__Host-' : ''
  const csrf = `${prefix}mcp-csrf`
  const loginPrefix = `${prefix}mcp-login.`
  // Other cookies may begin like ours, with names that cannot be written back.
  const isOurs = (name: string) =>
    name.startsWith(loginPrefix) && /^[\da-z]{64}$/.test(name.slice(loginPrefix.length))
  const write = (name: string, value: string, maxAge: number) =>
    serialize(name, value, { path: '/', httpOnly: true, secure, sameSite: 'lax', maxAge })
  const remove = (name: string) => write(name, '', 0)
  return {
    /** The browser's CSRF value. Null if it has none, or two (an attacker planted one). */
    csrf: (header: Header) => valueOf(header, csrf),
    /** The sealed login of a state. Null if there is none, or two. */
    login: (header: Header, state: string) => valueOf(header, loginPrefix + state),
    setCsrf: (value: string) => write(csrf, value, loginSeconds),
    clearLogin: (state: string) => remove(loginPrefix + state),
    /** Sets the cookie of a login, and removes those of the oldest logins if there are too many. */
    setLogin (header: Header, state: string, value: string) {
      const name = loginPrefix + state
      // States begin with their time: the newest logins come first.
      const others = Object.entries(parse(header ?? ''))
        .filter(([name]) => isOurs(name))
        .sort(([a], [b]) => a < b ? 1 : -1)
      let bytes = name.length + value.length
      const removed = others.filter(([name, content = ''], index) => {
        bytes += name.length + content.length
        return index >= maxLoginCookies - 1 || bytes > maxLoginCookieBytes
      })
      return [write(name, value, loginSeconds), ...removed.map(([name]) => remove(name))]
    }
  }
}

function valueOf (header: Header, name: string) {
  const pairs = (header ?? '').split(';').filter(pair => pair.trim().startsWith(`${name}=`))
  return pairs.length === 1 ? parse(pairs[0] ?? '')[name] ?? null : null
}
