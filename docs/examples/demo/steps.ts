import { unescaped } from './browser.ts'
import { json, type Exchange, type Step } from './transcript.ts'

const posts = (path: string, words = '') => ({ url, sent, method }: Exchange) =>
  method === 'POST' && url.pathname === path && sent.includes(words)
const gets = (path: string) => ({ url, method }: Exchange) =>
  method === 'GET' && url.pathname.startsWith(path)
const calls = (method: string) => posts('/mcp', `"method":"${method}"`)
const member = (exchange: Exchange, ...names: string[]) =>
  names.map((name) => `${name}: ${JSON.stringify(json(exchange)[name])}`)
const challenge = ({ headers }: Exchange) => `WWW-Authenticate: ${headers.get('www-authenticate')}`
const result = (exchange: Exchange) =>
  `result: ${JSON.stringify(json(exchange).result?.structuredContent ?? json(exchange).result)}`

/**
 * What every MCP client goes through, from nothing but the URL of the server to the result of a
 * tool, and how it ends.
 */
export const steps: Step[] = [
  {
    title: 'The client calls the MCP server and is told to log in',
    matches: posts('/mcp'),
    status: 401,
    show: (exchange) => [challenge(exchange)]
  },
  {
    title: 'It reads what the server is and who issues its tokens: itself',
    matches: gets('/.well-known/oauth-protected-resource'),
    status: 200,
    show: (exchange) => member(exchange, 'resource', 'authorization_servers', 'scopes_supported')
  },
  {
    title: 'It reads how to get one',
    matches: gets('/.well-known/oauth-authorization-server'),
    status: 200,
    show: (exchange) =>
      member(
        exchange,
        'issuer',
        'authorization_endpoint',
        'token_endpoint',
        'registration_endpoint'
      )
  },
  {
    title: 'It registers with us. The provider never hears of it',
    matches: posts('/oauth/register'),
    status: 201,
    show: (exchange) => [
      ...member(exchange, 'client_name', 'redirect_uris', 'token_endpoint_auth_method'),
      `client_id: ${
        json(exchange).client_id?.length
      } characters, all of the above sealed inside; nothing is stored`
    ]
  },
  {
    title: 'It opens the browser: who is asking, and for what?',
    matches: gets('/oauth/authorize'),
    status: 200,
    show: ({ received }) => sentences(received)
  },
  {
    title: 'alice allows it, and we send her to the provider as ourselves',
    matches: posts('/oauth/consent', 'action=approve'),
    status: 303,
    show: ({ headers }) =>
      going(headers, 'client_id', 'redirect_uri', 'scope', 'code_challenge_method')
  },
  {
    title: 'She signs in there and comes back to our one redirect URI',
    matches: ({ headers }) => headers.get('location')?.includes('/oauth/callback?') ?? false,
    status: 303,
    show: ({ headers }) => going(headers, 'code', 'state', 'iss')
  },
  {
    title: 'We send her on to the client, with a code of our own',
    matches: gets('/oauth/callback'),
    status: 302,
    show: ({ headers }) => going(headers, 'code', 'state', 'iss')
  },
  {
    title: 'The client trades the code for a token of ours',
    matches: posts('/oauth/token', 'grant_type=authorization_code'),
    status: 200,
    show: (
      exchange
    ) => [
      ...member(exchange, 'token_type', 'expires_in', 'scope'),
      `inside: ${claimsOf(json(exchange).access_token)}`
    ]
  },
  {
    title: 'It calls again with the token, and is let in',
    matches: calls('initialize'),
    status: 200,
    show: (exchange) => [`serverInfo: ${JSON.stringify(json(exchange).result?.serverInfo)}`]
  },
  {
    title: 'It asks which tools there are: the routes of the API',
    matches: calls('tools/list'),
    status: 200,
    show: (exchange) =>
      (json(exchange).result?.tools ?? []).map(({ name, description }) =>
        `${name.padEnd(12)} ${description?.split('\n')[0]}`
      )
  },
  {
    title: 'It calls one, and the route knows who is calling',
    matches: calls('tools/call'),
    status: 200,
    show: (exchange) => [result(exchange)]
  },
  {
    title: 'It refreshes: is alice still a user of the provider?',
    matches: posts('/oauth/token', 'grant_type=refresh_token'),
    status: 200,
    show: (
      exchange
    ) => [
      ...member(exchange, 'expires_in'),
      'a new refresh token; the old one works until this one is used, and ten minutes more'
    ]
  },
  {
    title: 'It goes on with the new token',
    matches: calls('tools/call'),
    status: 200,
    show: (exchange) => [result(exchange)]
  },
  {
    title: 'alice disconnects the client, and its tokens are revoked …',
    matches: posts('/oauth/revoke'),
    status: 200,
    show: () => []
  },
  {
    title: '… which holds at once',
    matches: posts('/mcp'),
    status: 401,
    show: (exchange) => [challenge(exchange)]
  }
]

/** Where a redirect goes, with some of its parameters. What is random is shown by its length. */
function going (headers: Headers, ...names: string[]): string[] {
  const { origin, pathname, searchParams } = new URL(headers.get('location') ?? '')
  const shown = (name: string, value: string) =>
    ['code', 'state'].includes(name) ? `(${value.length} characters)` : value
  return [
    `to ${origin}${pathname}`,
    ...names.map((name) => `  ${name}: ${shown(name, searchParams.get(name) ?? '')}`)
  ]
}

/** What a page says, block by block. */
function sentences (page: string): string[] {
  const text = page.replace(/^[\s\S]*<body>/, '').replace(
    /<button[^>]*>(.*)<\/button>\s*/g,
    '[ $1 ] '
  ).replace(/<\/?(?:h\d|p|div|li)\b[^>]*>/g, '\n').replace(/<[^>]*>/g, ' ')
  const lines = text.split('\n').map((line) => unescaped(line).replace(/\s+/g, ' ').trim())
  return lines.filter((line) => line !== '').map((line) => `│ ${line}`)
}

/**
 * The claims of a JWT that say who may use it where. Read, not verified: that is the server's job.
 */
function claimsOf (token = ''): string {
  const { iss, aud, sub, scope } = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  )
  return JSON.stringify({ iss, aud, sub, scope })
}
