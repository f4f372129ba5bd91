import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { startFlow } from '../support/flow.ts'

// versions.test.ts runs this file in a process of its own, on the Fastify that FASTIFY names.

const { default: create } = await import(process.env['FASTIFY'] as string) as {
  default: (options?: FastifyServerOptions) => FastifyInstance
}

test('the broker works on this Fastify: challenge, discovery, login, a tool call', async (t) => {
  const flow = await startFlow(t, { app: async () => create() })
  console.log(`Fastify ${flow.app.version}`)

  const challenged = await flow.send('/mcp', { method: 'POST' })
  assert.equal(challenged.status, 401)
  const metadataUrl = /resource_metadata="([^"]+)"/.exec(
    challenged.headers.get('www-authenticate') ?? ''
  )?.[1]
  const resource = await flow.send(new URL(metadataUrl ?? '').pathname)
  assert.deepEqual([resource.status, resource.json()['resource']], [200, flow.resource])
  const server = await flow.send('/.well-known/oauth-authorization-server')
  assert.deepEqual([server.status, server.json()['issuer']], [200, flow.base])

  const { access_token: token } = await flow.tokens(await flow.register())
  const called = await flow.call(token)
  assert.equal(called.status, 200)
  assert.match(called.text, /alice/)
  assert.equal((await flow.call(`${token}x`)).status, 401)
  assert.deepEqual((await flow.send('/host')).json(), { host: true })
})
