import { call, mint, type Request, send, start } from './requests.ts'

// A process that measures its memory before and after requests, once it is warm. Arguments: the
// requests, and how many of them.

const [title = '', given = '0'] = process.argv.slice(2)
const count = Number(given)
const collect = (globalThis as { gc?: () => void }).gc
const token = await mint()

const broker = {
  audience: undefined,
  clientId: 'broker',
  clientSecret: 'the secret of the broker at the provider',
  setupProxies: true,
  secret: 'a secret of more than thirty-two characters',
  publicUrl: 'https://mcp.example.com'
} as const

const ways: Record<string, (index: number) => Request | Promise<Request>> = {
  'calls of a guarded route': () => ({ ...call(token), url: '/guarded' }),
  'tools/call': () => call(token),
  'new tokens': async index => call(await mint(index)),
  'invalid tokens': index => ({
    ...call(`${token.slice(0, -8)}${index.toString(36).padStart(8, 'A')}`),
    status: 401
  }),
  registrations: index => ({
    url: '/oauth/register',
    status: 201,
    body: JSON.stringify({ redirect_uris: [`http://127.0.0.1:1234/${index}`] })
  })
}
const next = ways[title]
if (next === undefined) throw new Error(`No requests are named ${title}`)
const app = await start(title === 'registrations' ? broker : {})

const first = Math.min(count / 4, 25_000)
const warm = await requests(0, first)
const after = await requests(first, first + count)
process.send?.({ warm, after })
process.disconnect()
await app.close()

async function requests (from: number, to: number) {
  for (let index = from; index < to; index += 1_000) {
    const size = Math.min(1_000, to - index)
    const prepared: Request[] = []
    for (let at = 0; at < size; at++) prepared.push(await (next as typeof next & {})(index + at))
    await send(app, size, at => prepared[at] as Request)
  }
  collect?.()
  const { rss, heapUsed } = process.memoryUsage()
  return { rss: rss / 2 ** 20, heap: heapUsed / 2 ** 20 }
}
