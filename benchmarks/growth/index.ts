import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { createEchoServer } from '../contenders/echo-server.ts'
import { writeReport } from '../frame/report.ts'
import { nextMessage, request } from '../frame/slices.ts'
import { start as launch } from '../frame/start.ts'
import { costRowsOf, costTable, markdown } from '../frame/table.ts'
import { call, mint, type Request, send, start } from './requests.ts'

// npm run bench:growth [-- --quick] [-- part of a title]: does a request cost more, or memory grow,
// with the number of tools, scopes, providers and streams, or with that of earlier requests?

const isQuick = process.argv.includes('--quick')
const rounds = isQuick ? 1 : 9
const count = isQuick ? 20 : 1_000
const part = process.argv.slice(2).find(argument => !argument.startsWith('--')) ?? ''
const token = await mint()
const names = (length: number, prefix: string) =>
  Array.from({ length }, (_, index) => `${prefix}${index}`)

/** Starts an app of a size. */
type Create = (size: number) => Promise<{ app: FastifyInstance, request: Request }>

function report (title: string, costs: Record<string, number[]>) {
  // As keys, numbers would be sorted.
  const rows = costRowsOf(costs).map(row => ({ ...row, name: row.name.trim() }))
  console.log(`\n### ${title}\n\n${costTable(rows)}`)
  writeReport('growth', title, { rounds, count, rows })
}

/** CPU time of a call in apps of several sizes, in turns, beside that in the first of them. */
async function compare (
  title: string,
  sizes: readonly number[],
  create: Create
) {
  const apps = []
  for (const size of sizes) apps.push({ name: ` ${size}`, ...await create(size) })
  const costs: Record<string, number[]> = {}
  for (let round = -2; round < rounds; round++) {
    for (const { name, app, request } of apps) {
      const cost = await send(app, count, () => request)
      if (round >= 0) (costs[name] ??= []).push(cost)
    }
  }
  report(title, costs)
  for (const { app } of apps) await app.close()
}

/** The same with event streams that stay open, in processes of their own. */
async function compareStreams (sizes: readonly number[]) {
  const children: ChildProcess[] = []
  try {
    for (const size of sizes) {
      const child = launch(new URL('streams.ts', import.meta.url))
      children.push(child)
      await open(size, await nextMessage<{ port: number, token: string }>(child))
    }
    const costs: Record<string, number[]> = {}
    const idle: Record<string, number[]> = {}
    for (let round = -2; round < rounds; round++) {
      for (const [index, child] of children.entries()) {
        const cost = await request<number>(child, count)
        const second = await request<number>(child, 0)
        if (round < 0) continue
        ;(costs[` ${sizes[index]}`] ??= []).push(cost)
        ;(idle[` ${sizes[index]}`] ??= []).push(second)
      }
    }
    report('open event streams', costs)
    report('open event streams: a second without calls', idle)
  } finally {
    for (const child of children) child.kill()
  }
}

/** Opens streams, a hundred at a time. They end with their server. */
async function open (number: number, { port, token }: { port: number, token: string }) {
  const get = 'GET /streams/mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n' +
    `authorization: Bearer ${token}\r\n\r\n`
  for (let opened = 0; opened < number; opened += 100) {
    await Promise.all(Array.from({ length: Math.min(100, number - opened) }, async () => {
      const socket = connect(port, '127.0.0.1').on('error', () => {}).unref()
      socket.write(get)
      const [chunk] = await once(socket, 'data')
      if (!String(chunk).startsWith('HTTP/1.1 200')) throw new Error(String(chunk))
      socket.resume()
    }))
  }
}

/** Memory before and after requests, each kind in a process of its own that is warm. */
async function measureMemory (requests: Record<string, number>) {
  const rows = []
  for (const [title, full] of Object.entries(requests)) {
    const count = isQuick ? 40 : full
    const file = new URL('memory.ts', import.meta.url)
    const child = launch(file, [title, String(count)], ['--expose-gc'])
    const { warm, after } = await nextMessage<Record<string, { heap: number, rss: number }>>(child)
    if (warm === undefined || after === undefined) continue
    const numbers = [warm.heap, after.heap, warm.rss, after.rss].map(value => value.toFixed(0))
    rows.push([title, count.toLocaleString('en-US'), ...numbers, (after.rss / warm.rss).toFixed(2)])
    writeReport('growth', title, { requests: count, warm, after })
  }
  const head = ['memory in MB', 'requests', 'heap, warm', 'after', 'RSS, warm', 'after', '×']
  console.log(`\n${markdown(head, rows)}`)
}

const comparisons: Record<string, [sizes: number[], create: Create]> = {
  tools: [[10, 100, 1_000], async size => ({
    app: await start({ mcp: { server: createEchoServer(size - 1) } }),
    request: call(token)
  })],
  providers: [[1, 10, 100], async (size) => {
    const prefixes = names(size, '/p')
    return { app: await start({}, prefixes), request: call(token, prefixes.at(-1)) }
  }],
  'scopes of the token': [[1, 10, 100], async size => ({
    app: await start(),
    request: call(await mint(0, { scope: names(size, 's').join(' ') }))
  })],
  'scopes of the tools': [[1, 10, 100], async (size) => {
    const tools = names(100, 'tool-').map((name, index) => [name, [`s${index % size}`]])
    const toolScopes = Object.fromEntries(tools)
    return {
      app: await start({ mcp: { server: createEchoServer(100), toolScopes } }),
      request: call(token)
    }
  }],
  'scopes in the hierarchy': [[1, 10, 100, 1_000], async size => ({
    app: await start({
      requiredScopes: ['openid'],
      scopeHierarchy: Object.fromEntries(
        names(size, 's').map((scope, index) => [scope, [`s${index + 1}`]])
      )
    }),
    request: call(token)
  })]
}

for (const [title, [sizes, create]] of Object.entries(comparisons)) {
  if (title.includes(part)) await compare(title, sizes, create)
}
if ('open event streams'.includes(part)) await compareStreams(isQuick ? [0, 20] : [0, 10_000])
if ('memory'.includes(part)) {
  await measureMemory({
    'calls of a guarded route': 1_000_000,
    'tools/call': 100_000,
    'new tokens': 100_000,
    'invalid tokens': 100_000,
    registrations: 100_000
  })
}
process.exit()
