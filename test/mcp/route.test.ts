import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { sessionHandler } from '../support/conformance/sessions.ts'
import { callerIn, raw, startGuarded, whoami, whoamiCall } from '../support/guarded.ts'

const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const body = JSON.stringify(whoamiCall)
const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1.0.0' }
  }
})

async function startWithToken (...setup: Parameters<typeof startGuarded>) {
  const running = await startGuarded(...setup)
  const authorization = `Bearer ${await running.token()}`
  return {
    ...running,
    authorization,
    post: (headers: Record<string, string>, sent: string | undefined = body) =>
      fetch(running.mcpUrl, {
        method: 'POST',
        headers: { ...json, authorization, ...headers },
        ...(sent !== undefined && { body: sent })
      })
  }
}

test('start-up names mcp.path if the app has a route there, whichever is added first', async (t) => {
  const own = { url: '/a/mcp', handler: async () => 'own' }
  const start = async (order: 'before' | 'after' | 'scope', method: string, more: object = {}) => {
    const app = Fastify()
    t.after(() => app.close())
    if (order === 'before') app.route({ ...own, method, ...more })
    await app.register(mcpOAuth, { auth: false, prefix: '/a', mcp: { server: whoami() } })
    if (order === 'after') app.route({ ...own, method, ...more })
    if (order === 'scope') {
      app.register(async scope => scope.route({ ...own, url: '/mcp', method, ...more }), {
        prefix: '/a'
      })
    }
    await app.ready()
    return app
  }
  for (const order of ['before', 'after', 'scope'] as const) {
    for (const method of ['GET', 'POST']) {
      await assert.rejects(
        start(order, method),
        /mcp\.path: the app has a route at \/a\/mcp, too\./
      )
    }
    const app = await start(order, 'POST', { constraints: { version: '1.0.0' } })
    const request = { method: 'POST' as const, url: '/a/mcp' }
    assert.equal(
      (await app.inject({ ...request, headers: { 'accept-version': '1.0.0' } })).body,
      'own'
    )
    assert.notEqual((await app.inject(request)).body, 'own')
  }
})

test('/mcp rejects a foreign Origin with 403 before it checks the token [HT-01 HT-02 Q-20]', async (t) => {
  const { mcpUrl, origin, post } = await startWithToken(t)
  for (
    const foreign of [
      'https://evil.example',
      'null',
      `${origin}.evil.example`,
      `${origin} https://evil.example`,
      'localhost',
      'file://'
    ]
  ) {
    for (
      const response of [
        await post({ origin: foreign }),
        await fetch(mcpUrl, { headers: { origin: foreign } }),
        await fetch(mcpUrl, { method: 'OPTIONS', headers: { origin: foreign } })
      ]
    ) {
      assert.equal(response.status, 403, foreign)
      assert.equal(response.headers.get('access-control-allow-origin'), null)
      assert.equal((await response.json() as { error: string }).error, 'access_denied')
    }
  }
  for (const allowed of [origin, 'http://127.0.0.1:6274', 'https://localhost']) {
    const response = await post({ origin: allowed })
    assert.equal(response.status, 200, allowed)
    assert.equal(response.headers.get('access-control-allow-origin'), allowed)
    assert.match(String(response.headers.get('vary')), /Origin/)
    assert.match(String(response.headers.get('access-control-expose-headers')), /WWW-Authenticate/)
    assert.equal(response.headers.get('access-control-allow-credentials'), null)
  }
  const plain = await post({})
  assert.deepEqual([plain.status, plain.headers.get('access-control-allow-origin')], [200, null])
})

test('POST /mcp lets a page of an allowed origin read the challenge [HT-23]', async (t) => {
  const { mcpUrl, origin } = await startWithToken(t)
  const response = await fetch(mcpUrl, { method: 'POST', headers: { origin } })
  assert.equal(response.status, 401)
  assert.equal(response.headers.get('access-control-allow-origin'), origin)
  assert.match(String(response.headers.get('access-control-expose-headers')), /WWW-Authenticate/)
})

test('GET /mcp rejects a foreign Host with 403, whatever the token [HT-03 Q-21]', async (t) => {
  const { origin, authorization } = await startWithToken(t)
  const send = async (...lines: string[]) =>
    Number(
      (await raw(origin, [
        'GET /mcp HTTP/1.1',
        'Connection: close',
        authorization && `Authorization: ${authorization}`,
        ...lines
      ])).split(' ')[1]
    )
  for (
    const host of [
      'evil.example',
      'localhost.evil.example',
      'localhost@evil.example',
      'evil.example:80',
      ''
    ]
  ) assert.equal(await send(`Host: ${host}`), 403, host)
  assert.equal(await send('Host: evil.example', 'X-Forwarded-Host: localhost'), 403)
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1', '[::1]:3000']) {
    assert.equal(await send(`Host: ${host}`), 405, host)
  }
})

test('POST /mcp checks :authority as the Host over HTTP/2 [HT-03 Q-21]', async (t) => {
  const app = Fastify({ http2: true })
  await app.register(mcpOAuth, { auth: false, mcp: { server: whoami() } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const session = connect(`http://127.0.0.1:${port}`)
  t.after(async () => {
    session.destroy()
    await app.close()
  })
  const statusFor = async (headers: Record<string, string>) => {
    const stream = session.request({ ':method': 'POST', ':path': '/mcp', ...json, ...headers })
    stream.end(body)
    const [{ ':status': status }] = await once(stream, 'response')
    stream.resume()
    return status
  }
  assert.equal(await statusFor({}), 200)
  assert.equal(await statusFor({ ':authority': 'evil.example' }), 403)
  assert.equal(await statusFor({ ':authority': 'evil.example', host: 'localhost' }), 403)
})

test('POST /mcp accepts the hosts and origins of publicUrl, allowedHosts and allowedOrigins', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, {
    auth: false,
    publicUrl: 'https://mcp.example.com:8443',
    mcp: { server: whoami() }
  })
  await app.register(mcpOAuth, {
    auth: false,
    prefix: '/listed',
    publicUrl: 'https://mcp.example.com',
    allowedHosts: ['inner.example'],
    allowedOrigins: ['https://app.example.com', 'null'],
    mcp: { server: whoami() }
  })
  await app.listen({ host: '0.0.0.0', port: 0 })
  const status = async (url: string, host: string, origin?: string) =>
    (await app.inject({
      method: 'POST',
      url,
      headers: { ...json, host, ...(origin && { origin }) },
      payload: body
    })).statusCode
  assert.equal(await status('/mcp', 'mcp.example.com'), 200)
  assert.equal(await status('/mcp', 'mcp.example.com:8443', 'https://mcp.example.com:8443'), 200)
  assert.equal(await status('/mcp', 'mcp.example.com', 'https://mcp.example.com'), 403)
  assert.equal(await status('/mcp', 'localhost'), 403)
  assert.equal(await status('/mcp', 'mcp.example.com', 'http://localhost'), 403)
  assert.equal(await status('/listed/mcp', 'inner.example', 'https://app.example.com'), 200)
  assert.equal(await status('/listed/mcp', 'inner.example', 'null'), 200)
  assert.equal(await status('/listed/mcp', 'mcp.example.com'), 403)
  assert.equal(await status('/listed/mcp', 'inner.example', 'https://mcp.example.com'), 403)
})

test('OPTIONS /mcp grants the requested headers without a token, and runs nothing [Q-11 HT-23]', async (t) => {
  const { mcpUrl, origin } = await startWithToken(t, {
    dependencies: [() => assert.fail('a dependency ran')]
  })
  const send = (headers: Record<string, string>) =>
    fetch(mcpUrl, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', ...headers }
    })
  const granted = await send({ 'access-control-request-headers': 'authorization, mcp-param-city' })
  assert.equal(granted.status, 204)
  assert.equal(granted.headers.get('access-control-allow-headers'), 'authorization, mcp-param-city')
  assert.equal(granted.headers.get('access-control-allow-methods'), 'POST')
  assert.equal(granted.headers.get('access-control-allow-origin'), origin)
  assert.equal(granted.headers.get('access-control-allow-credentials'), null)
  assert.equal(
    (await send({ 'access-control-request-headers': 'a"b' })).headers.get(
      'access-control-allow-headers'
    ),
    'authorization, content-type, mcp-protocol-version'
  )
})

test('/mcp rejects unserved methods of a client with a token with 405 and Allow [HT-06]', async (t) => {
  const { mcpUrl, authorization } = await startWithToken(t)
  for (const method of ['GET', 'DELETE', 'HEAD', 'PUT', 'PATCH']) {
    const response = await fetch(mcpUrl, { method, headers: { authorization } })
    assert.equal(response.status, 405, method)
    assert.equal(response.headers.get('allow'), 'POST')
    assert.equal(response.headers.get('www-authenticate'), null)
  }
})

test('POST /mcp rejects invalid JSON with a JSON-RPC error, and a large body with 413', async (t) => {
  const { post } = await startWithToken(t, { mcp: { server: whoami(), bodyLimit: 1000 } })
  for (
    const broken of [
      '{',
      '',
      ' ',
      '{"jsonrpc":"2.0",',
      '{"__proto__":{"x":1}}',
      '{"a":{"constructor":{"prototype":{}}}}',
      '\u0000'
    ]
  ) {
    const response = await post({}, broken)
    assert.equal(response.status, 400, broken)
    assert.equal(
      (await response.json() as { error?: { code?: number } }).error?.code,
      broken === '' ? -32600 : -32700,
      broken
    )
  }
  assert.equal((await post({}, `{"pad":"${'x'.repeat(1000)}"}`)).status, 413)
  for (
    const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx'
    ]
  ) {
    const response = await post({ 'content-type': type })
    assert.ok([400, 415].includes(response.status), `${type} ${response.status}`)
  }
  assert.equal((await post({ 'content-type': 'application/json; charset=utf-8' })).status, 200)
})

test('POST /mcp accepts a notification with 202, and names no session [HT-07 SE-01]', async (t) => {
  const { post } = await startWithToken(t)
  const accepted = await post(
    {},
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
  )
  assert.deepEqual([accepted.status, await accepted.text()], [202, ''])
  const response = await post({ 'mcp-session-id': 'someone-elses' })
  assert.deepEqual([response.status, response.headers.get('mcp-session-id')], [200, null])
})

test('/mcp forbids caches to store any response', async (t) => {
  const { mcpUrl, post } = await startWithToken(t)
  for (
    const response of [
      await post({}),
      await post({}, '{'),
      await fetch(mcpUrl),
      await post({ origin: 'null' })
    ]
  ) {
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  }
})

test('POST /mcp aborts the tool when the client disconnects [HT-20]', async (t) => {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  const started = deferred()
  const aborted = deferred()
  server.registerTool('whoami', {}, async (extra) => {
    started.resolve(undefined)
    await once(extra.signal, 'abort')
    aborted.resolve(undefined)
    return { content: [] }
  })
  const { mcpUrl, authorization } = await startWithToken(t, { mcp: { server } })
  const controller = new AbortController()
  const response = fetch(mcpUrl, {
    method: 'POST',
    headers: { ...json, authorization },
    body,
    signal: controller.signal
  })
  await started.promise
  controller.abort()
  await assert.rejects(response, { name: 'AbortError' })
  await aborted.promise
})

test('POST /mcp passes an aborted signal after a disconnect during the dependencies [F-23]', async (t) => {
  const disconnect = new AbortController()
  let report!: (aborted: boolean) => void
  const reported = new Promise<boolean>((resolve) => {
    report = resolve
  })
  const handler = {
    fetch: async ({ signal }: Request) => {
      report(signal.aborted)
      return new Response()
    }
  }
  const { mcpUrl, token } = await startGuarded(t, {
    mcp: { handler },
    dependencies: [async (_request, reply) => {
      const close = once(reply.raw, 'close')
      disconnect.abort()
      await close
    }],
    tokens: async (token) => ({ token, clientId: 'c', scopes: [] })
  })
  const headers = { ...json, authorization: `Bearer ${await token()}` }
  await assert.rejects(fetch(mcpUrl, { method: 'POST', headers, body, signal: disconnect.signal }))
  assert.equal(await reported, true)
})

for (const http2 of [false, true]) {
  test(`POST /mcp over HTTP/${http2 ? 2 : 1.1} drops a stream after a disconnect [HT-20 F-23]`, async (t) => {
    let disconnectClient = () => {}
    let disconnected: Promise<unknown> = Promise.resolve()
    let destroyed = 0
    let handlerSignal: AbortSignal | undefined
    let respond = () => {}
    const responded = new Promise<void>((resolve) => {
      respond = resolve
    })
    const handler = {
      async fetch ({ signal }: Request) {
        handlerSignal = signal
        disconnectClient()
        await disconnected
        setImmediate(respond)
        return new Response(new ReadableStream({ start () {} }), {
          headers: { 'content-type': 'text/event-stream' }
        })
      }
    }
    const app = Fastify({ http2 } as object)
    t.after(() => app.close())
    app.addHook('onRequest', async (_request, { raw }) => {
      disconnected = once(raw, 'close').then(() => {
        raw.destroy = () => {
          destroyed++
          return raw
        }
      })
    })
    await app.register(mcpOAuth, {
      mcp: { handler },
      tokens: async (token) => ({ token, clientId: 'c', scopes: [] })
    })
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    const headers = { ...json, authorization: 'Bearer x' }
    if (http2) {
      const session = connect(origin)
      const stream = session.request({ ':method': 'POST', ':path': '/mcp', ...headers })
      stream.on('error', () => {}).end(body)
      disconnectClient = () => {
        stream.close(8)
      }
      await responded
      session.destroy()
    } else {
      const disconnect = new AbortController()
      disconnectClient = () => {
        disconnect.abort()
      }
      await assert.rejects(
        fetch(`${origin}/mcp`, { method: 'POST', headers, body, signal: disconnect.signal })
      )
      await responded
    }
    destroyed = 0
    await app.close()
    assert.deepEqual([handlerSignal?.aborted, destroyed], [true, 0])
  })
}

for (const http2 of [false, true]) {
  test(`GET /mcp over HTTP/${http2 ? 2 : 1.1} sends headers before the first event [HT-06]`, async (t) => {
    const app = Fastify({ http2 } as object)
    t.after(() => app.close())
    const handler = {
      fetch: async () =>
        new Response(new ReadableStream({ start () {} }), {
          headers: { 'content-type': 'text/event-stream' }
        })
    }
    await app.register(mcpOAuth, { auth: false, mcp: { handler } })
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    const signal = AbortSignal.timeout(10_000)
    if (http2) {
      const session = connect(origin)
      const [headers] = await once(session.request({ ':path': '/mcp' }), 'response', { signal })
        .finally(() => {
          session.destroy()
        })
      assert.equal(headers[':status'], 200)
    } else {
      const { status } = await fetch(`${origin}/mcp`, { signal })
      assert.equal(status, 200)
    }
  })
}

test('/mcp accepts a session id only with a token of its caller [RS-02 SE-02 SE-03]', async (t) => {
  const { mcpUrl, token } = await startGuarded(t, { mcp: { handler: sessionHandler() } })
  const send = async (method: string, subject: string | null, headers = {}) => {
    const authorization = subject === null
      ? {}
      : { authorization: `Bearer ${await token({ sub: subject })}` }
    return fetch(mcpUrl, {
      method,
      headers: { ...json, ...authorization, ...headers },
      ...(method === 'POST' && { body: initialize })
    })
  }
  const session = {
    'mcp-session-id': String((await send('POST', 'alice')).headers.get('mcp-session-id'))
  }
  for (const method of ['POST', 'GET', 'DELETE']) {
    assert.equal((await send(method, null, session)).status, 401, method)
    assert.equal((await send(method, 'bob', session)).status, 404, method)
  }
  assert.equal((await send('GET', 'alice', session)).status, 200)
  assert.equal((await send('DELETE', 'alice', session)).status, 200)
  assert.equal((await send('GET', 'alice', session)).status, 404)
})

test('GET /mcp ends a stream with its token, or with the app [Q-26 F-24 RS-24]', async (t) => {
  const endless = () =>
    new Response(
      new ReadableStream({
        start (controller) {
          controller.enqueue(new TextEncoder().encode(': open\n\n'))
        }
      }),
      { headers: { 'content-type': 'text/event-stream' } }
    )
  const open = async (expiresAt?: number) => {
    const running = await startGuarded(t, {
      mcp: { handler: { fetch: async () => endless() } },
      tokens: async (token) => ({
        token,
        clientId: 'c',
        scopes: [],
        ...(expiresAt !== undefined && { expiresAt })
      })
    })
    const { body } = await fetch(running.mcpUrl, { headers: { authorization: 'Bearer x' } })
    const reader = body?.getReader()
    assert.equal((await reader?.read())?.done, false)
    return { app: running.app, ended: reader?.read().then(() => 'end', () => 'cut') }
  }
  const expired = await open(Math.ceil(Date.now() / 1000) + 1)
  assert.equal(await expired.ended, 'cut')
  for (const expiresAt of [undefined, 1e15]) {
    const lasting = await open(expiresAt)
    await lasting.app.close()
    assert.equal(await lasting.ended, 'end')
  }
})

test('POST /mcp responds 500 without the reason when the server fails', async (t) => {
  const handler = {
    fetch: async () => {
      throw new Error('canary')
    }
  }
  const { post } = await startWithToken(t, { mcp: { handler } })
  const response = await post({})
  assert.equal(response.status, 500)
  assert.doesNotMatch(await response.text(), /canary/)
})

test('POST /mcp responds 400 before the server sees headers that differ from the body [HT-11]', async (t) => {
  let calls = 0
  const handler = {
    fetch: async () => {
      calls++
      return Response.json({})
    }
  }
  const { post } = await startWithToken(t, { mcp: { handler } })
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }
  const response = await post(headers)
  assert.equal(response.status, 400, await response.text())
  assert.equal(calls, 0)
})

test('POST /mcp runs dependencies with the parsed body', async (t) => {
  const received: unknown[] = []
  const { post, token } = await startWithToken(t, {
    tokens: async (token) => ({ token, clientId: 'c', scopes: [] }),
    dependencies: [({ body }) => {
      received.push(body)
    }]
  })
  assert.equal((await callerIn(await post({})))['clientId'], 'c')
  assert.deepEqual(received, [whoamiCall])
  assert.ok(await token())
})

test('a registration without a server adds no MCP route', async (t) => {
  const { mcpUrl, call, token } = await startGuarded(t, { mcp: {} }, {
    routes: (app) => {
      app.post(
        '/mcp',
        { onRequest: app.requireMcpAuth() },
        async ({ mcpAuth }) => ({ subject: mcpAuth?.subject })
      )
    }
  })
  assert.equal((await call()).status, 401)
  assert.deepEqual(await (await call(await token())).json(), { subject: 'alice' })
  assert.equal((await fetch(mcpUrl)).status, 404)
})

test('HEAD /mcp responds alike whether the host exposes HEAD routes or not [Q-18]', async (t) => {
  for (const exposeHeadRoutes of [true, false]) {
    const { mcpUrl } = await startGuarded(t, {}, { app: Fastify({ exposeHeadRoutes }) })
    assert.equal((await fetch(mcpUrl, { method: 'HEAD' })).status, 401)
    assert.equal(
      (await fetch(mcpUrl.replace('/mcp', '/.well-known/oauth-protected-resource/mcp'), {
        method: 'HEAD'
      })).status,
      200
    )
  }
})

function deferred () {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise((_resolve) => {
    resolve = _resolve
  })
  return { promise, resolve }
}
