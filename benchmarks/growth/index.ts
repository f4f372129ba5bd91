import Fastify, { type FastifyInstance } from 'fastify'
import { type McpOAuthOptions, mcpOAuth } from '../../lib/index.ts'
import { createEchoServer } from '../contenders/echo-server.ts'
import { echoCall } from '../frame/calls.ts'
import { audience, startIssuer } from '../frame/issuer.ts'
import { writeReport } from '../frame/report.ts'
import { costRowsOf, costTable, markdown } from '../frame/table.ts'

// npm run bench:growth [-- --quick]: does a request cost more, or memory grow, with the number of
// tools, scopes and providers, or with that of earlier requests? Requests are injected.

const isQuick = process.argv.includes('--quick')
const collect = (globalThis as { gc?: () => void }).gc
if (collect === undefined) throw new Error('Run it with --expose-gc, as npm run bench:growth does')

const { issuer, mint } = await startIssuer('ES256')

interface Request {
  url: string
  headers?: Record<string, string>
  body: string
  status?: number
}

/** Sends a request some times, and returns the CPU time of one in microseconds. */
async function send (app: FastifyInstance, count: number, next: (index: number) => Request) {
  const before = process.cpuUsage()
  for (let index = 0; index < count; index++) {
    const { url, headers, body, status = 200 } = next(index)
    const { statusCode } = await app.inject({
      method: 'POST',
      url,
      headers: {
        host: 'localhost',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers
      },
      payload: body
    })
    if (statusCode !== status) throw new Error(`${url}: ${statusCode}`)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

const call = (token: string, prefix = ''): Request => ({
  url: `${prefix}/mcp`,
  headers: { ...echoCall().headers, authorization: `Bearer ${token}` },
  body: echoCall().body ?? ''
})

async function start (options: Partial<McpOAuthOptions> = {}, prefixes = ['']) {
  const app = Fastify()
  for (const prefix of prefixes) {
    await app.register(mcpOAuth, {
      issuer,
      audience,
      prefix,
      mcp: { server: createEchoServer() },
      ...options
    } as McpOAuthOptions)
  }
  await app.ready()
  return app
}

/** CPU time of a call in apps of several sizes, in turns, beside that in the first of them. */
async function costs (
  title: string,
  apps: Record<string, { app: FastifyInstance, request: Request }>
) {
  const rounds = isQuick ? 1 : 9
  const count = isQuick ? 20 : 1_000
  const all: Record<string, number[]> = {}
  for (let round = -2; round < rounds; round++) {
    for (const [size, { app, request }] of Object.entries(apps)) {
      const cost = await send(app, count, () => request)
      if (round >= 0) (all[size] ??= []).push(cost)
    }
  }
  const rows = costRowsOf(all)
  console.log(`\n### ${title}\n\n${costTable(rows)}`)
  writeReport('growth', title, { rounds, count, rows })
  for (const { app } of Object.values(apps)) await app.close()
}

/** Memory before and after requests of an app that is warm. */
async function memory (
  title: string,
  app: FastifyInstance,
  next: (index: number) => Request | Promise<Request>,
  count: number
) {
  const rounds = isQuick ? 40 : count
  const requests = async (from: number, to: number) => {
    for (let index = from; index < to; index += 1_000) {
      const prepared = await Promise.all(
        Array.from({ length: Math.min(1_000, to - index) }, (_, at) => next(index + at))
      )
      await send(app, prepared.length, at => prepared[at] as Request)
    }
    collect?.()
    const { rss, heapUsed } = process.memoryUsage()
    return { rss: rss / 2 ** 20, heap: heapUsed / 2 ** 20 }
  }
  const warm = await requests(0, rounds / 4)
  const after = await requests(rounds / 4, rounds * 5 / 4)
  const row = [
    title,
    rounds.toLocaleString('en-US'),
    ...[warm.heap, after.heap, warm.rss, after.rss].map(value => value.toFixed(0)),
    (after.rss / warm.rss).toFixed(2)
  ]
  writeReport('growth', title, { requests: rounds, warm, after })
  await app.close()
  return row
}

const token = await mint()
const sizes = async (
  values: readonly number[],
  create: (value: number) => Promise<{ app: FastifyInstance, request: Request }>
) =>
  Object.fromEntries(
    await Promise.all(values.map(async value => [` ${value}`, await create(value)]))
  )

await costs(
  'tools',
  await sizes([1, 100, 1_000], async number => ({
    app: await start({ mcp: { server: createEchoServer(number - 1) } }),
    request: call(token)
  }))
)
await costs(
  'scopes of the token',
  await sizes([1, 100, 500], async number => ({
    app: await start(),
    request: call(
      await mint(0, { scope: Array.from({ length: number }, (_, at) => `s${at}`).join(' ') })
    )
  }))
)
await costs(
  'scopes in the hierarchy',
  await sizes([1, 100, 1_000], async number => ({
    app: await start({
      requiredScopes: ['openid'],
      scopeHierarchy: Object.fromEntries(
        Array.from({ length: number }, (_, at) => [`s${at}`, [`s${at + 1}`]])
      )
    }),
    request: call(token)
  }))
)
await costs(
  'providers',
  await sizes([1, 10, 100], async number => {
    const prefixes = Array.from({ length: number }, (_, at) => `/p${at}`)
    return { app: await start({}, prefixes), request: call(token, prefixes.at(-1)) }
  })
)

const broker = await start({
  audience: undefined,
  clientId: 'broker',
  clientSecret: 'the secret of the broker at the provider',
  setupProxies: true,
  secret: 'a secret of more than thirty-two characters',
  publicUrl: 'https://mcp.example.com'
} as Partial<McpOAuthOptions>)
const rows = [
  await memory('calls', await start(), () => call(token), 1_000_000),
  await memory('new tokens', await start(), async at => call(await mint(at)), 100_000),
  await memory(
    'invalid tokens',
    await start(),
    at => ({ ...call(`${token.slice(0, -8)}${at.toString(36).padStart(8, 'A')}`), status: 401 }),
    100_000
  ),
  await memory(
    'registrations',
    broker,
    at => ({
      url: '/oauth/register',
      status: 201,
      body: JSON.stringify({ redirect_uris: [`http://127.0.0.1:1234/${at}`] })
    }),
    100_000
  )
]
console.log(
  `\n${
    markdown(
      ['memory in MB', 'requests', 'heap, warm', 'after', 'RSS, warm', 'after', '×'],
      rows
    )
  }`
)
