import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth, McpOAuthError, type McpOAuthOptions } from '../../lib/index.ts'

const issuer = 'https://id.example'
const publicUrlRequired = (error: unknown) =>
  error instanceof McpOAuthError && error.code === 'FST_MCP_OAUTH_PUBLIC_URL_REQUIRED' &&
  /publicUrl: missing.*(0\.0\.0\.0|::)/s.test(error.message)

test('with publicUrl every URL is derived from it, whatever the request contains', async (t) => {
  const cases: Array<[publicUrl: string, prefix: string, resource: string, metadataUrl: string]> = [
    [
      'https://mcp.example.com',
      '',
      'https://mcp.example.com/mcp',
      'https://mcp.example.com/.well-known/oauth-protected-resource/mcp'
    ],
    [
      'https://mcp.example.com/',
      '/api',
      'https://mcp.example.com/api/mcp',
      'https://mcp.example.com/.well-known/oauth-protected-resource/api/mcp'
    ],
    [
      'https://example.com/base/',
      '',
      'https://example.com/base/mcp',
      'https://example.com/.well-known/oauth-protected-resource/base/mcp'
    ],
    [
      'http://127.0.0.1:8080',
      '',
      'http://127.0.0.1:8080/mcp',
      'http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp'
    ]
  ]
  for (const trustProxy of [false, true]) {
    for (const [publicUrl, prefix, resource, metadataUrl] of cases) {
      const app = Fastify({ trustProxy })
      t.after(() => app.close())
      await app.register(mcpOAuth, { issuer, publicUrl, prefix, mcp: { tools: true } })
      const { health, revoke, grants, connectedApplications, ...urls } = app.mcpOAuth
      for (const method of [health, revoke, grants, connectedApplications]) {
        assert.equal(typeof method, 'function')
      }
      assert.deepEqual(urls, { prefix, resource, issuer, metadataUrl })
      const forged = {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'gopher',
        'x-forwarded-prefix': '/evil',
        forwarded: 'host=evil.example'
      }
      const { statusCode, body } = await app.inject({
        url: new URL(metadataUrl).pathname,
        headers: forged
      })
      assert.equal(statusCode, 200)
      assert.equal(JSON.parse(body).resource, resource)
      const { host } = new URL(publicUrl)
      const rejected = await app.inject({
        method: 'POST',
        url: `${prefix}/mcp`,
        headers: { ...forged, host }
      })
      assert.equal(
        rejected.headers['www-authenticate'],
        `Bearer resource_metadata="${metadataUrl}"`
      )
      assert.equal(
        (await app.inject({ method: 'POST', url: `${prefix}/mcp`, headers: forged })).statusCode,
        403
      )
    }
  }
})

test('without publicUrl every URL has the port of loopback, once the app listens', async (t) => {
  for (const host of ['127.0.0.1', 'localhost']) {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, { issuer, mcp: { tools: true } })
    assert.equal(
      (await app.inject('/.well-known/oauth-protected-resource/mcp')).json().resource,
      'http://localhost/mcp'
    )
    assert.equal(app.mcpOAuth.resource, 'http://localhost/mcp')
    await app.listen({ host, port: 0 })
    const { port } = app.server.address() as AddressInfo
    const resource = `http://localhost:${port}/mcp`
    assert.equal(app.mcpOAuth.resource, resource)
    const document =
      await (await fetch(`http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`))
        .json() as { resource: string }
    assert.equal(document.resource, resource)
  }
})

test('without publicUrl listen() rejects all addresses except loopback [HT-04]', async (t) => {
  const several: McpOAuthOptions[] = [{ issuer, prefix: '/a' }, { issuer, prefix: '/b' }]
  for (
    const [host, registrations] of [['0.0.0.0', [{ issuer }]], ['::', [{ issuer }]], [
      '0.0.0.0',
      several
    ]] as const
  ) {
    const app = Fastify()
    t.after(() => app.close())
    for (const options of registrations) await app.register(mcpOAuth, options)
    await assert.rejects(app.listen({ host, port: 0 }), publicUrlRequired)
    if (app.server.listening) await once(app.server, 'close')
    assert.equal(app.server.address(), null)
    assert.equal(
      (await app.inject('/.well-known/oauth-protected-resource/mcp')).statusCode,
      registrations.length === 1 ? 200 : 404
    )
  }
})

test('with publicUrl the app may listen anywhere', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { issuer, publicUrl: 'https://mcp.example.com' })
  await app.listen({ host: '0.0.0.0', port: 0 })
  assert.equal(app.mcpOAuth.resource, 'https://mcp.example.com/mcp')
})

test('listen() rejects a used port, and another port can be tried', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { issuer })
  await assert.rejects(
    app.listen({ host: '127.0.0.1', port: (other.address() as AddressInfo).port }),
    { code: 'EADDRINUSE' }
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  assert.equal(
    app.mcpOAuth.resource,
    `http://localhost:${(app.server.address() as AddressInfo).port}/mcp`
  )
})
