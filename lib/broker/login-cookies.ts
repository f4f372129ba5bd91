/** Which cookies does a login set? */
import { parse, serialize } from 'cookie'
import { loginSeconds, maxLoginCookieBytes, maxLoginCookies } from '../limits.ts'

/** Reads and writes the cookies of a login. */
export interface LoginCookies {
  /** The browser's CSRF value. Null if it has none, or two (an attacker planted one). */
  csrf(header: string | undefined): string | null
  /** The sealed login of a state. Null if there is none, or two. */
  login(header: string | undefined, state: string): string | null
  setCsrf(value: string): string
  /** Sets the cookie of a login, and removes those of the oldest logins if there are too many. */
  setLogin(header: string | undefined, state: string, value: string): string[]
  clearLogin(state: string): string
}

/**
 * @param secure false on plain http (loopback), where browsers refuse the prefix `__Host-`
 */
export function createLoginCookies (secure: boolean): LoginCookies {
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
    csrf: header => valueOf(header, csrf),
    login: (header, state) => valueOf(header, loginPrefix + state),
    setCsrf: value => write(csrf, value, loginSeconds),
    clearLogin: state => remove(loginPrefix + state),
    setLogin (header, state, value) {
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

function valueOf (header: string | undefined, name: string): string | null {
  const pairs = (header ?? '').split(';').filter(pair => pair.trim().startsWith(`${name}=`))
  return pairs.length === 1 ? parse(pairs[0] ?? '')[name] ?? null : null
}
