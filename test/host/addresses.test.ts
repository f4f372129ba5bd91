import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { loggingApp } from '../support/app.ts'
import { startFlow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { sendRequest } from '../support/requests.ts'

async function start (t: TestContext, options = {}, routes = (_app: FastifyInstance) => {}) {
  const logs: string[] = []
  const running = await startGuarded(t, options, { app: loggingApp(logs), routes })
  const port = new URL(running.origin).port
  const warnings = () =>
    logs.map(line => JSON.parse(line)).filter(({ level, option }) =>
      level === 40 && option === 'publicUrl'
    ).map(({ msg }) => String(msg))
  const post = (url: string, headers = {}) =>
    sendRequest(url, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', ...headers }
    })
  return { ...running, port, warnings, post }
}

test('a reverse proxy without publicUrl is one warning that names publicUrl [field:H9]', async (t) => {
  for (const header of ['x-forwarded-for', 'x-forwarded-host', 'forwarded']) {
    const { mcpUrl, warnings, post } = await start(t)
    for (let count = 0; count < 2; count++) await post(mcpUrl, { [header]: 'mcp.example.com' })
    assert.equal(warnings().length, 1, header)
    assert.match(String(warnings()[0]), /reverse proxy.*Set publicUrl/)
  }
})

test('127.0.0.1 for localhost is one warning that names the URL [field:H9]', async (t) => {
  const { port, mcpUrl, warnings, post } = await start(t)
  await post(mcpUrl)
  assert.deepEqual(warnings(), [])
  for (let count = 0; count < 2; count++) await post(`http://127.0.0.1:${port}/mcp`)
  assert.equal(warnings().length, 1)
  assert.ok(warnings()[0]?.includes(`Give them the URL ${mcpUrl}`))
})

test('POST to / and to /mcp/ is one warning each that names the URL [field:H9]', async (t) => {
  for (const prefix of ['', '/api']) {
    const { origin, mcpUrl, warnings, post } = await start(t, { prefix })
    for (const path of ['/', `${prefix}/mcp/`, '/other', '/']) {
      assert.equal((await post(`${origin}${path}?token=canary`)).status, 404)
    }
    await sendRequest(`${origin}/`)
    assert.equal(warnings().length, 2, prefix)
    assert.ok(warnings().every(line => line.endsWith(`Give clients the URL ${mcpUrl}`)))
    assert.doesNotMatch(warnings().join(''), /canary/)
  }
})

test('with publicUrl, and where the app has a route for POST /, there is no warning', async (t) => {
  const { port, warnings, post } = await start(
    t,
    { publicUrl: 'https://mcp.example.com' },
    (app) => {
      app.post('/', async () => ({}))
    }
  )
  await post(`http://127.0.0.1:${port}/`)
  await post(`http://127.0.0.1:${port}/mcp`, {
    host: 'mcp.example.com',
    'x-forwarded-for': '192.0.2.1'
  })
  assert.deepEqual(warnings(), [])
})

test('a request to an endpoint without the beginning of its path is one warning for each', async (t) => {
  const flow = await startFlow(t, { options: { prefix: '/api' } })
  const warnings = () => flow.logs.filter(line => line.includes('"option":"publicUrl"'))
  const send = async (path: string, type?: string) => {
    const post = type === undefined ? {} : { method: 'POST', headers: { 'content-type': type } }
    assert.equal((await sendRequest(flow.origin + path, post)).status, 404)
  }
  const form = 'application/x-www-form-urlencoded'
  for (const path of ['/authorize', '/token', '/', '/callback?code=canary']) await send(path)
  await send('/other', form)
  // Robots try forms of other applications.
  await send('/register', form)
  assert.deepEqual(warnings(), [])
  await send('/oauth/token', form)
  await send('/token', form)
  await send('/authorize?client_id=canary')
  const [token = '', authorize = '', ...others] = warnings()
  assert.deepEqual(others, [])
  assert.match(token, /a request to \/oauth\/token, and the endpoint is \/api\/oauth\/token\./)
  assert.match(authorize, /a request to \/authorize, and the endpoint is \/api\/oauth\/authorize\./)
  assert.doesNotMatch(token + authorize, /canary/)
})
