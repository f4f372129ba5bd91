import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'

// The process of users with their browsers, and of the MCP clients they use. It receives orders,
// and returns how long each of them took, in milliseconds.

/** What visitors do: log in and allow access, redeem the codes, or use the refresh tokens. */
export interface Order {
  step: 'login' | 'code' | 'refresh' | 'forget'
  authorize: string
  token: string
  client: string
  count: number
  concurrency: number
}

const dispatcher = new Agent({ connections: 64 })
const redirectUri = 'http://127.0.0.1:4711/callback'
const logins: Array<{ code: string, verifier: string }> = []
const refreshTokens: string[] = []
/** Cookies of a user who has signed in at oidc-provider before. */
const signedIn = new Map<string, Map<string, string>>()

process.on('message', async (order: Order) => {
  const steps = { login: logIn, code: redeem, refresh, forget: async () => {} }
  if (order.step === 'forget') logins.length = refreshTokens.length = 0
  const times: number[] = []
  let started = 0
  await Promise.all(Array.from({ length: order.concurrency }, async (_, lane) => {
    while (started++ < order.count) {
      const before = performance.now()
      await steps[order.step](order, lane)
      times.push(performance.now() - before)
    }
  }))
  process.send?.(times)
})

async function logIn ({ authorize, token, client }: Order, lane: number): Promise<void> {
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client,
    redirect_uri: redirectUri,
    scope: 'mcp:read offline_access',
    state: 'state',
    code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    resource: resourceOf(token),
    // The broker asks for consent in any case.
    prompt: 'consent'
  })
  const browser = `${authorize} ${lane}`
  const cookies = new Map(signedIn.get(browser)).set('user', 'bench')
  const result = await browse(`${authorize}?${query}`, cookies)
  const code = result.searchParams.get('code')
  if (code === null) throw new Error(`The login failed: ${result.href}`)
  signedIn.set(
    browser,
    new Map([...cookies].filter(([name]) => name.startsWith('_session')))
  )
  logins.push({ code, verifier })
}

/** Follows redirects and sends forms, until the browser is back at the client. */
async function browse (first: string, cookies: Map<string, string>): Promise<URL> {
  let url = new URL(first)
  let form: string | undefined
  for (let step = 0; step < 15; step++) {
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        cookie: [...cookies].map(pair => pair.join('=')).join('; '),
        ...(form !== undefined && {
          'content-type': 'application/x-www-form-urlencoded',
          origin: url.origin,
          'sec-fetch-site': 'same-origin'
        })
      },
      body: form ?? null
    })
    const page = await body.text()
    for (const line of [headers['set-cookie'] ?? []].flat()) keep(cookies, line)
    form = undefined
    if (headers.location !== undefined) {
      url = new URL(String(headers.location), url)
      if (url.href.startsWith(redirectUri)) return url
    } else if (statusCode === 200) {
      const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1]
      if (action !== undefined) url = new URL(action, url)
      const sealed = /name="request" value="([^"]+)"/.exec(page)?.[1]
      // What the forms of both servers have. They ignore what they do not know.
      const fields = { decision: 'allow', user: 'alice', action: 'approve' }
      form = String(new URLSearchParams({ ...fields, ...(sealed && { request: sealed }) }))
    } else throw new Error(`${url.pathname}: ${statusCode} ${page.slice(0, 500)}`)
  }
  throw new Error(`${first}: too many steps`)
}

function keep (cookies: Map<string, string>, line: string): void {
  const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
  if (/;\s*(?:max-age=0|expires=thu, 01 jan 1970)/i.test(line)) cookies.delete(name)
  else cookies.set(name, value)
}

async function redeem (order: Order): Promise<void> {
  const { code, verifier } = logins.pop() ?? { code: '', verifier: '' }
  await requestTokens(order, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier
  })
}

async function refresh (order: Order): Promise<void> {
  // The oldest one: that of a user who comes back.
  const token = refreshTokens.shift() ?? ''
  await requestTokens(order, { grant_type: 'refresh_token', refresh_token: token })
}

async function requestTokens (
  { token, client }: Order,
  parameters: Record<string, string>
): Promise<void> {
  const { body } = await request(token, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(
      new URLSearchParams({ ...parameters, client_id: client, resource: resourceOf(token) })
    )
  })
  const text = await body.text()
  const tokens = JSON.parse(text)
  const parts = String(tokens.access_token).split('.')
  if (parts.length !== 3 || typeof tokens.refresh_token !== 'string') throw new Error(text)
  refreshTokens.push(tokens.refresh_token)
}

const resourceOf = (token: string) => new URL('/mcp', token).href
