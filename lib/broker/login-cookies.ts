import { parse, serialize } from 'cookie'

/**
 * Prefix of the cookies that carry a login on its way through the provider, named after its state.
 */
const transaction = 'mcp-login.'
const csrf = 'mcp-csrf'

/**
 * Most logins one browser can have under way; their cookies travel with every request, so the
 * oldest go first.
 */
const maxTransactions = 5
const maxBytes = 6 * 1024

/** Others may have set cookies that begin like ours, with names that cannot be written back. */
const ourState = /^[\da-z]{64}$/

/**
 * Reads and writes our cookies. `secure` is false on plain http (loopback), where browsers refuse
 * the `__Host-` prefix.
 */
export interface LoginCookies {
  /** The browser's CSRF value, or null if it has none, or two (somebody planted one). */
  csrf(header: string | undefined): string | null
  /** The sealed login of a state, or null if it is absent or doubled. */
  transaction(header: string | undefined, state: string): string | null
  setCsrf(value: string, seconds: number): string
  /**
   * Sets a login's cookie, and ends those of the oldest ones if there are too many. States begin
   * with the time they were made.
   */
  setTransaction(
    header: string | undefined,
    state: string,
    value: string,
    seconds: number
  ): string[]
  clearTransaction(state: string): string
}

export function createLoginCookies (secure: boolean): LoginCookies {
  const prefix = secure ? '__Host-' : ''
  const attributes = { path: '/', httpOnly: true, secure, sameSite: 'lax' as const }
  const write = (name: string, value: string, maxAge: number) =>
    serialize(prefix + name, value, { ...attributes, maxAge })
  return {
    csrf: (header) => only(header, prefix + csrf),
    transaction: (header, state) => only(header, prefix + transaction + state),
    setCsrf: (value, seconds) => write(csrf, value, seconds),
    clearTransaction: (state) => write(transaction + state, '', 0),
    setTransaction (header, state, value, seconds) {
      const others = Object.entries(parse(header ?? '')).filter(([name]) =>
        name.startsWith(prefix + transaction) &&
        ourState.test(name.slice((prefix + transaction).length))
      ).sort(([a], [b]) => a < b ? 1 : -1)
      let bytes = prefix.length + transaction.length + state.length + value.length
      const dropped = others.filter(([name, content = ''], index) => {
        bytes += name.length + content.length
        return index >= maxTransactions - 1 || bytes > maxBytes
      })
      return [
        write(transaction + state, value, seconds),
        ...dropped.map(([name]) => write(name.slice(prefix.length), '', 0))
      ]
    }
  }
}

function only (header: string | undefined, name: string): string | null {
  const found = (header ?? '').split(';').filter(pair => pair.trim().startsWith(`${name}=`))
  return found.length === 1 ? parse(found[0] ?? '')[name] ?? null : null
}
