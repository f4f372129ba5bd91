interface Cookie {
  host: string
  name: string
  value: string
  path: string
}

/** Where a login ended: the client's redirect URI with what the authorization server added. */
export interface LoginResult {
  url: URL
  code: string | null
  state: string | null
  /** RFC 9207. */
  iss: string | null
  error: string | null
}

export interface LoginOptions {
  /** Who signs in. Defaults to `alice`. */
  user?: string
  /**
   * The client's redirect URI: the login is over when it is reached, and nothing is fetched from
   * there.
   */
  stopAt: string
  /** What to answer on every form. Defaults to `allow`. */
  decision?: 'allow' | 'deny'
  /** Cookies of an earlier login; a new, empty jar by default. */
  jar?: Cookie[]
  fetch?: typeof fetch
}

/**
 * A browser without a screen: keeps cookies, follows redirects, fills in the forms it meets. Throws
 * when it meets anything else.
 */
export async function headlessLogin (
  authorizationUrl: string | URL,
  options: LoginOptions
): Promise<LoginResult> {
  const { user = 'alice', stopAt, decision = 'allow', jar = [] } = options
  let url = new URL(authorizationUrl)
  let form: URLSearchParams | undefined

  for (let hop = 0; hop < 20; hop++) {
    const headers: Record<string, string> = { cookie: cookiesFor(jar, url), accept: 'text/html' }
    if (form) Object.assign(headers, { origin: url.origin, 'sec-fetch-site': 'same-origin' })
    const response = await (options.fetch ?? fetch)(url, {
      redirect: 'manual',
      headers,
      ...form && { method: 'POST', body: form }
    })
    keepCookies(jar, url, response.headers.getSetCookie())
    const body = await response.text()
    const location = response.headers.get('location')

    if (location !== null && response.status >= 300) {
      url = new URL(location, url)
      form = undefined
      if (url.href.startsWith(stopAt)) return resultOf(url)
    } else {
      form = response.ok ? fillIn(body, user, decision) : undefined
      if (!form) {
        throw new Error(
          `The login stopped at ${url.origin}${url.pathname}: ${response.status} ${textOf(body)}`
        )
      }
      url = new URL(attribute(/<form[^>]*>/i.exec(body)?.[0] ?? '', 'action') || url, url)
    }
  }
  throw new Error(`The login did not reach ${stopAt} within 20 steps`)
}

function resultOf (url: URL): LoginResult {
  const read = (name: string) => url.searchParams.get(name)
  return { url, code: read('code'), state: read('state'), iss: read('iss'), error: read('error') }
}

function fillIn (body: string, user: string, decision: string): URLSearchParams | undefined {
  if (!/<form/i.test(body)) return
  const form = new URLSearchParams()
  for (const [input] of body.matchAll(/<input[^>]*>/gi)) {
    const name = attribute(input, 'name')
    if (name) form.set(name, attribute(input, 'value') ?? '')
  }
  if (/<select[^>]*name="user"/i.test(body)) form.set('user', user)
  const buttons = [...body.matchAll(/<button[^>]*>/gi)].map(([button]) => button)
  const words = decision === 'deny' ? ['deny'] : ['allow', 'approve']
  const pressed = buttons.find((button) => words.includes(attribute(button, 'value') ?? ''))
  if (pressed) form.set(attribute(pressed, 'name') ?? 'decision', attribute(pressed, 'value') ?? '')
  return form
}

function attribute (tag: string, name: string): string | undefined {
  const value = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1]
  return value === undefined ? undefined : unescaped(value)
}

function textOf (body: string): string {
  const text = body.replace(/<(style|title)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ')
  return unescaped(text).replace(/\s+/g, ' ').trim().slice(0, 200)
}

/** The text of a piece of HTML, its entities resolved. */
export function unescaped (text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' }
  return text.replace(
    /&(?:#(\d+)|(\w+));/g,
    (entity, code, name) => code ? String.fromCodePoint(Number(code)) : named[name] ?? entity
  )
}

function cookiesFor (jar: Cookie[], { hostname, pathname }: URL): string {
  return jar
    .filter(({ host, path }) =>
      host === hostname && (pathname === path || pathname.startsWith(path.replace(/\/?$/, '/')))
    )
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ')
}

function keepCookies (jar: Cookie[], { hostname: host }: URL, lines: string[]) {
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    const path = /;\s*path=([^;]*)/i.exec(line)?.[1] ?? '/'
    const expires = /;\s*expires=([^;]*)/i.exec(line)?.[1]
    const gone = /;\s*max-age=(0|-\d+)/i.test(line) ||
      (expires !== undefined && Date.parse(expires) <= Date.now())
    const known = jar.findIndex((cookie) =>
      cookie.host === host && cookie.name === name && cookie.path === path
    )
    if (known !== -1) jar.splice(known, 1)
    if (!gone) jar.push({ host, name, value, path })
  }
}
