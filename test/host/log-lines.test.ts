import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loggingApp } from '../support/app.ts'
import { quoted } from '../../lib/errors.ts'
import { query, redeem, renew, startFlow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { json } from '../support/requests.ts'

/** Lines that Fastify writes itself. */
const fastifyLines = /^(?:incoming request|request completed|Server listening at .*)$/

test('every log line of the plugin has plugin: a login, rejected requests, a broken provider', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const tokens = await flow.tokens(id)
  assert.equal((await flow.call(tokens['access_token'])).status, 200)
  assert.equal((await flow.call('opaque')).status, 401)
  assert.equal((await flow.send('/oauth/authorize')).status, 400)
  assert.equal((await flow.token(redeem(id, 'unknown'))).status, 400)

  flow.provider.tokenOverrides = { access_token: undefined }
  assert.equal((await flow.token(redeem(id, await flow.login(id)))).status, 502)
  flow.provider.fail.set('/token', 'error')
  assert.equal((await flow.token(renew(id, tokens['refresh_token']))).status, 503)
  assert.equal((await flow.revoke({ client_id: id, token: tokens['refresh_token'] })).status, 200)

  const lines = flow.logs.map(line => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => !fastifyLines.test(String(msg)))
  assert.ok(lines.length >= 6, `${lines.length} lines`)
  for (const { msg, plugin, ...members } of lines) {
    assert.equal(plugin, 'mcp-oauth', `${String(msg)} ${JSON.stringify(members)}`)
  }
})

test('log lines have no control, bidirectional or other invisible characters of a request [field:A10]', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const hostile = '\x9b31m\x85\x7f\u202eevil\u2066\u2028\u200b\ufeff'
  // Headers are Latin-1.
  const headers = { host: 'evil.example\x9b31m\x85', accept: 'text/html' }
  for (
    const url of [
      `/oauth/authorize?${
        query({ ...flow.params(id), redirect_uri: `https://a.example/${hostile}` })
      }`,
      `/oauth/authorize?${query({ ...flow.params(hostile) })}`,
      '/mcp'
    ]
  ) await flow.app.inject({ url, headers })
  const claims = Buffer.from(JSON.stringify({ iss: `https://${hostile}` })).toString('base64url')
  await flow.call(`eyJhbGciOiJSUzI1NiJ9.${claims}.AAAA`)
  await flow.send('/oauth/register', json({ redirect_uris: [`https://a.example/${hostile}`] }))
  const logs = flow.logs.join('')
  for (const text of ['31m\\\\u{85}', '\\\\u{202e}evil\\\\u{2066}']) {
    assert.ok(logs.includes(text), text)
  }
  assert.doesNotMatch(logs.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  assert.equal(quoted('a\u{e0041}\ud800\n'), '"a\\u{e0041}\\ud800\\n"')
})

test('no log line has the query of a login at a mistyped URL, and routes of the host keep theirs', async (t) => {
  for (const prefix of ['', '/api']) {
    const logs: string[] = []
    const flow = await startFlow(t, {
      options: { prefix },
      app: async () => {
        const app = loggingApp(logs)
        app.get('/oauth/callback/mine', async ({ query }) => query)
        app.get('/Oauth/*', async ({ query }) => query)
        return app
      }
    })
    const login = 'code=canary-code&state=canary-state'
    for (const name of ['authorize', 'consent', 'callback']) {
      for (
        const path of [
          `/oauth/${name}/`,
          `/oauth/${name.toUpperCase()}`,
          `//oauth/${name}`,
          `/oauth//${name}`,
          `/oauth%2F${name}`,
          `/oauth/%2F${name}`,
          `/oauth/${name}/x`,
          `/OAUTH/${name}`
        ]
      ) {
        const response = await fetch(`${flow.origin}${prefix}${path}?${login}`)
        assert.equal(response.status, 404, path)
        assert.doesNotMatch(await response.text(), /canary/)
        await flow.app.inject(`/${prefix}/${path}?${login}`)
      }
    }
    assert.doesNotMatch(logs.join(''), /canary/)
    const other = await flow.app.inject('/other?name=canary-other')
    assert.match(other.body, /canary-other/)
    for (const path of ['/oauth/callback/mine', '/Oauth/callback']) {
      assert.deepEqual((await flow.app.inject(`${path}?code=mine`)).json(), { code: 'mine' })
    }
  }
})

test('POST /mcp responds although hooks of the host log objects of their own', async (t) => {
  const logs: string[] = []
  const app = loggingApp(logs)
  app.addHook('onResponse', async (request) => {
    for (const members of [{ req: {} }, { req: { url: 1 } }, { err: null }, { err: 'text' }]) {
      request.log.info(members, 'of the host')
    }
  })
  const running = await startGuarded(t, {}, { app })
  assert.equal((await running.call(await running.token())).status, 200)
  const lines = logs.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'of the host')
  assert.deepEqual(lines.map(({ req, err }) => req ?? err), [{}, { url: 1 }, null, 'text'])
})
