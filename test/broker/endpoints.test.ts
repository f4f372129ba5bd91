import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { endpoints } from '../../lib/broker/routes.ts'
import { isError, startFlow } from '../support/flow.ts'

const legacyEndpoints = true

test('POST /oauth/register refuses every endpoint of the broker as a redirect URI', async (t) => {
  const flow = await startFlow(t, { options: { legacyEndpoints } })
  const register = async (uri: string) =>
    await flow.send('/oauth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [uri] })
    })
  for (const { name } of endpoints) {
    await t.test(name, async () => {
      for (const path of [`/oauth/${name}`, `/oauth/${name}?a=b`, `/${name}`]) {
        isError(await register(flow.base + path), 400, 'invalid_redirect_uri', path)
      }
    })
  }
  assert.equal((await register(`${flow.base}/oauth/other`)).status, 201)
})

test('the metadata document names the URLs of the endpoints, and no others', async (t) => {
  const flow = await startFlow(t, { options: { legacyEndpoints } })
  const document = (await flow.send('/.well-known/oauth-authorization-server')).json()
  const urls = Object.entries(document).filter(([name]) => /_(?:endpoint|uri)$/.test(name))
  assert.deepEqual(
    Object.fromEntries(urls),
    Object.fromEntries(
      endpoints.flatMap(({ name, metadata }) =>
        metadata ? [[metadata, `${flow.base}/oauth/${name}`]] : []
      )
    )
  )
})

test('docs/routes.md has the path and the methods of every endpoint', async (t) => {
  const text = readFileSync(new URL('../../docs/routes.md', import.meta.url), 'utf8')
  for (const { name, methods } of endpoints) {
    await t.test(name, () => {
      const row = text.split('\n').find(line => line.includes(`{prefix}/oauth/${name}\``)) ?? ''
      for (const method of methods) assert.ok(row.includes(method), `${method}: ${row}`)
    })
  }
})

test('an endpoint rejects other methods, and responds to preflights if pages of any origin may use it', async (t) => {
  const flow = await startFlow(t, { options: { legacyEndpoints, backchannelLogout: true } })
  for (const { name, methods, anyOrigin = false, legacy } of endpoints) {
    for (const path of [`/oauth/${name}`, ...(legacy ? [`/${name}`] : [])]) {
      await t.test(path, async () => {
        const put = await flow.send(path, { method: 'PUT' })
        isError(put, 405, 'invalid_request')
        assert.equal(put.headers.get('allow'), methods.join(', '))
        const preflight = await fetch(flow.origin + path, {
          method: 'OPTIONS',
          headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' }
        })
        assert.equal(preflight.status, 204)
        assert.equal(preflight.headers.has('access-control-allow-origin'), anyOrigin)
      })
    }
  }
})
