import assert from 'node:assert/strict'
import { once } from 'node:events'
import dns from 'node:dns'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import Fastify, { type FastifyServerOptions } from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { type Run, type Way, eras, sessionsOf, waysToServe } from '../support/ways.ts'
import { post } from './route.ts'

/** A tool that runs until it is released. */
function slowTool () {
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const calls: Array<Parameters<Run>[0]> = []
  const run: Run = async (call) => {
    calls.push(call)
    await released
    return 'done'
  }
  return { run, calls, release: () => release() }
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

async function start (
  t: TestContext,
  { mcp, routes }: Way,
  { closeTimeout, server = {} }: { closeTimeout?: number, server?: FastifyServerOptions } = {}
) {
  const app = Fastify(server)
  t.after(() => app.close())
  await app.register(mcpOAuth, {
    tokens: false,
    dependencies: [async () => ({})],
    mcp,
    ...(closeTimeout !== undefined && { closeTimeout })
  })
  routes?.(app)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/mcp`
  return {
    app,
    port,
    url,
    call: (era: keyof typeof eras, id: string, meta: object = {}) => {
      const { headers, body } = eras[era](id, meta)
      return post(url, body, headers)
    }
  }
}

/** The JSON-RPC responses in a body, be it JSON or an event stream. */
async function repliesIn (response: Response): Promise<any[]> {
  const text = await response.text()
  if (!text.includes('data: ')) return [JSON.parse(text)].flat()
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data))
    .filter(({ id }) => id !== undefined)
}

const ways = Object.keys(waysToServe(async () => ''))

for (const way of ways) {
  for (const era of Object.keys(eras) as Array<keyof typeof eras>) {
    test(`POST /mcp of ${way} completes calls of ${era} when the app closes, but no new ones [field:S8]`, async (t) => {
      const tool = slowTool()
      const { app, call } = await start(t, waysToServe(tool.run)[way] as Way)
      const running = call(era, 'running')
      await until(() => tool.calls.length === 1)
      const closed = app.close()
      await sleep(20)
      const refused = await call(era, 'new')
      assert.equal(refused.status, 503)
      assert.match(String(refused.headers.get('retry-after')), /^[1-9]\d*$/)
      assert.equal(refused.headers.get('connection'), 'close')
      const [{ id, error }] = await repliesIn(refused)
      assert.deepEqual([id, error.code], ['new', -32000])
      assert.equal(tool.calls[0]?.signal.aborted, false)
      tool.release()
      const response = await running
      assert.equal(response.status, 200)
      const [{ id: completed, result }] = await repliesIn(response)
      assert.deepEqual([completed, result.content[0].text], ['running', 'done'])
      assert.equal(tool.calls.length, 1)
      await closed
    })

    test(`POST /mcp of ${way} gives calls of ${era} that exceed closeTimeout their id [field:S8]`, async (t) => {
      const tool = slowTool()
      const { app, call } = await start(t, waysToServe(tool.run)[way] as Way, { closeTimeout: 0.3 })
      const running = call(era, 'running')
      await until(() => tool.calls.length === 1)
      await app.close()
      const response = await running
      const [{ id, error }] = await repliesIn(response)
      assert.deepEqual([id, error.code], ['running', -32000])
      assert.match(error.message, /may have taken effect/)
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
        assert.equal(response.status, 503)
        assert.match(String(response.headers.get('retry-after')), /^[1-9]\d*$/)
      }
      await until(() => tool.calls[0]?.signal.aborted === true)
    })

    test(`POST /mcp of ${way} ends streams of ${era} with a response when the app closes [field:S8]`, async (t) => {
      for (const closeTimeout of [10, 0.3]) {
        const tool = slowTool()
        const { app, call } = await start(t, waysToServe(tool.run)[way] as Way, { closeTimeout })
        const running = call(era, 'running', { progressToken: 1 })
        await until(() => tool.calls.length === 1)
        await tool.calls[0]?.report()
        const response = await running
        assert.equal(response.headers.get('content-type'), 'text/event-stream')
        const closed = app.close()
        if (closeTimeout === 10) tool.release()
        const replies = await repliesIn(response)
        assert.deepEqual(replies.map(({ id }) => id), ['running'])
        assert.equal(replies[0].error?.code, closeTimeout === 10 ? undefined : -32000)
        await closed
      }
    })
  }
}

async function modernClient (t: TestContext, url: string): Promise<Client> {
  const client = new Client({ name: 'client', version: '1.0.0' }, {
    versionNegotiation: { mode: { pin: '2026-07-28' } }
  })
  t.after(() => client.close())
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  return client
}

test('POST /mcp ends a subscription at once when the app closes, and then a running call [field:S8]', async (t) => {
  const tool = slowTool()
  const { app, call, url } = await start(t, waysToServe(tool.run)['a handler'] as Way)
  const client = await modernClient(t, url)
  const { closed } = await client.listen({ toolsListChanged: true })
  const running = call('2026-07-28', 'running')
  await until(() => tool.calls.length === 1)
  const closing = app.close()
  assert.equal(await closed, 'remote')
  tool.release()
  assert.equal((await running).status, 200)
  await closing
})

test('GET /mcp ends its stream at once when the app closes, not a running call [field:S8]', async (t) => {
  const tool = slowTool()
  const { app, url } = await start(t, { mcp: { handler: sessionsOf(tool.run) } })
  const send = (headers: Record<string, string>, body?: object) =>
    fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'content-type': 'application/json',
        accept: `text/event-stream${body === undefined ? '' : ', application/json'}`,
        ...headers
      },
      ...(body && { body: JSON.stringify(body) })
    })
  const initialized = await send({}, {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1.0.0' }
    }
  })
  await initialized.text()
  const session = { 'mcp-session-id': String(initialized.headers.get('mcp-session-id')) }
  const stream = await send(session)
  assert.equal(stream.status, 200)
  const { headers, body } = eras['2025-11-25']('running')
  const running = await send({ ...headers, ...session }, body)
  await until(() => tool.calls.length === 1)
  const closed = app.close()
  assert.equal(await stream.text(), '')
  const notification = { jsonrpc: '2.0', method: 'notifications/roots/list_changed' }
  assert.equal((await send({ ...headers, ...session }, notification)).status, 202)
  const refused = await send(session)
  assert.equal(refused.status, 503)
  assert.equal((await refused.json() as { id: unknown }).id, null)
  tool.release()
  assert.deepEqual((await repliesIn(running)).map(({ id }) => id), ['running'])
  await closed
})

test('an app closes after a client of the SDK 2.x has aborted a call [field:S8]', async (t) => {
  for (const way of ways) {
    const tool = slowTool()
    const { app, url } = await start(t, waysToServe(tool.run)[way] as Way)
    const client = await modernClient(t, url)
    const abort = new AbortController()
    const call = client.callTool({ name: 'slow', arguments: {} }, { signal: abort.signal })
    await until(() => tool.calls.length === 1)
    abort.abort()
    await assert.rejects(call)
    await app.close()
  }
})

test('an app closes although clients neither send nor read what is left [field:S8]', async (t) => {
  const tool = slowTool()
  const way = waysToServe(tool.run)['a server'] as Way
  const { app, port } = await start(t, way, { closeTimeout: 0.3 })
  const head = 'Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{'
  const sockets = ['', `POST /mcp HTTP/1.1\r\n${head}`].map(text => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.on('error', () => {}).write(text)
    return once(socket, 'close')
  })
  let arrived = 0
  app.server.on('request', () => {
    arrived++
  })
  await until(() => arrived === 1)
  await app.close()
  await Promise.all(sockets)
})

test('an app closes unused connections to every address of localhost [field:S8]', async (t) => {
  // As on machines where localhost is 127.0.0.1 and ::1.
  const { lookup } = dns
  t.mock.method(dns, 'lookup', (host: string, options: object, done: () => void) =>
    'all' in options
      ? (done as (error: null, found: object[]) => void)(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 }
      ])
      : lookup(host, options, done))
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { auth: false, ...waysToServe(async () => '')['a server'] as Way })
  await app.listen({ port: 0 })
  const addresses = app.addresses() as AddressInfo[]
  assert.equal(addresses.length, 2)
  const sockets = addresses.map(({ port, address }) => connectTcp(port, address))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  const closed = sockets.map(socket => once(socket, 'close'))
  await app.close()
  await Promise.all(closed)
})

test('POST /mcp on an unused connection is not answered without its id when the app closes [field:S8]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { auth: false, ...waysToServe(async () => '')['a server'] as Way })
  let received = ''
  const unused: Socket[] = []
  // Fastify calls this after it has begun to refuse requests.
  app.addHook('preClose', async () => {
    const { body } = eras['2025-11-25']('late')
    const content = JSON.stringify(body)
    unused[0]?.write(
      'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n' +
        'accept: application/json, text/event-stream\r\n' +
        `content-length: ${content.length}\r\n\r\n${content}`
    )
    await sleep(50)
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connectTcp(port, '127.0.0.1')
  unused.push(socket)
  socket.on('data', chunk => (received += chunk)).on('error', () => {})
  await once(socket, 'connect')
  const ended = once(socket, 'close')
  await app.close()
  await ended
  assert.equal(received, '')
})

test('an app closes HTTP/2 sessions after their calls [field:S8]', async (t) => {
  const tool = slowTool()
  const app = Fastify({ http2: true })
  await app.register(mcpOAuth, { auth: false, ...waysToServe(tool.run)['a server'] as Way })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connectHttp2(url)
  t.after(() => session.destroy())
  const send = (id: string) => {
    const { headers, body } = eras['2025-11-25'](id)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/mcp',
      'content-type': 'application/json',
      accept: 'application/json',
      ...headers
    })
    stream.resume().end(JSON.stringify(body))
    return once(stream, 'response').then(([headers]) => headers[':status'])
  }
  const running = send('running')
  await until(() => tool.calls.length === 1)
  const closed = app.close()
  assert.equal(await send('new'), 503)
  tool.release()
  assert.equal(await running, 200)
  await closed
})
