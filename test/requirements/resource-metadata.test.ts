import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { raw } from '../support/guarded.ts'
import { modes, type RunningMode } from '../support/modes.ts'
import { revisions } from '../support/revisions.ts'
import { sendRequest } from '../support/requests.ts'

const bare = '/.well-known/oauth-protected-resource'
const names = ({ path }: RunningMode) => [bare + path, bare]

for (const [name, start] of Object.entries(modes)) {
  const metadata = !name.endsWith('no issuer') && !name.endsWith('dependency')

  test(`${name}: GET of an unknown well-known path is 404 in JSON [PRM-02 PRM-13]`, async (t) => {
    const mode = await start(t)
    const unknownPaths = [
      `${bare}/evil`,
      `${bare}${mode.path}/evil`,
      `${bare}/`,
      `${mode.path}${bare}`,
      ...metadata ? [] : names(mode)
    ]
    for (const path of unknownPaths) {
      for (
        const headers of [{}, { authorization: `Bearer ${await mode.token()}` }] as Array<
          Record<string, string>
        >
      ) {
        const response = await sendRequest(mode.origin + path, { headers })
        assert.equal(response.status, 404, path)
        assert.match(String(response.headers.get('content-type')), /^application\/json/)
      }
    }
    assert.equal(
      mode.metadataUrl === null,
      !metadata,
      'a document without authorization servers is never named'
    )
  })

  if (!metadata) continue

  const title = `${name}: the URL of the challenge serves the metadata of the resource`
  test(`${title} [PRM-01 PRM-02 PRM-03 PRM-04 PRM-05 PRM-07 PRM-08 PRM-09]`, async (t) => {
    const mode = await start(t)
    const challenged = await sendRequest(mode.origin + mode.path, { method: 'POST' })
    const [, url = ''] =
      /resource_metadata="([^"]+)"/.exec(String(challenged.headers.get('www-authenticate'))) ?? []
    const { origin, pathname } = new URL(mode.resource)
    assert.equal(url, `${origin}${bare}${pathname}`, 'between the host and the path')
    for (const path of [new URL(url).pathname, bare]) {
      const response = await sendRequest(mode.origin + path)
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
      assert.deepEqual(await response.json(), {
        resource: mode.resource,
        authorization_servers: mode.issuers,
        scopes_supported: ['mcp:read'],
        bearer_methods_supported: ['header']
      }, path)
    }
  })

  test(`${name}: GET of the metadata is open to every origin and always the same [PRM-11 PRM-12]`, async (t) => {
    const mode = await start(t)
    for (const path of names(mode)) {
      const document = await (await sendRequest(mode.origin + path)).text()
      const headerSets: Array<Record<string, string>> = [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { authorization: 'Bearer garbage' },
        { accept: 'text/html' },
        { cookie: 'a=b' },
        {
          'x-forwarded-host': 'evil.example',
          'x-forwarded-proto': 'https',
          forwarded: 'host=evil.example'
        },
        ...revisions.map(revision => ({ 'mcp-protocol-version': revision }))
      ]
      for (const headers of headerSets) {
        const response = await sendRequest(mode.origin + path, { headers })
        assert.deepEqual(
          [
            response.status,
            response.headers.get('access-control-allow-origin'),
            await response.text()
          ],
          [200, '*', document],
          JSON.stringify(headers)
        )
        assert.equal(response.headers.get('access-control-allow-credentials'), null)
      }
      const foreignHost = await raw(mode.origin, [
        `GET ${path} HTTP/1.1`,
        'Host: evil.example',
        'Connection: close'
      ])
      assert.equal(foreignHost.slice(foreignHost.indexOf('\r\n\r\n') + 4), document)

      const head = await sendRequest(mode.origin + path, { method: 'HEAD' })
      assert.deepEqual([head.status, await head.text(), head.headers.get('content-length')], [
        200,
        '',
        String(document.length)
      ])
      const preflight = await sendRequest(mode.origin + path, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://app.example',
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'mcp-protocol-version'
        }
      })
      assert.deepEqual([
        preflight.status,
        preflight.headers.get('access-control-allow-origin'),
        preflight.headers.get('access-control-allow-headers')
      ], [204, '*', 'mcp-protocol-version'])
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const rejected = await sendRequest(mode.origin + path, { method })
        assert.deepEqual(
          [rejected.status, rejected.headers.get('allow')],
          [405, 'GET, HEAD'],
          method
        )
      }
    }
  })
}

test('The metadata spell the resource in one way for all options [PRM-03 PRM-04 PRM-05 PRM-06]', async (t) => {
  for (
    const [publicUrl, prefix, path, resource] of [
      ['HTTPS://API.Example.com', '', '/mcp', 'https://api.example.com/mcp'],
      ['https://API.example.com:443/', '', '/public/mcp', 'https://api.example.com/public/mcp'],
      ['https://api.example.com/', '/v1', '/mcp', 'https://api.example.com/v1/mcp'],
      [
        'https://api.example.com:8443/Base/',
        '/v1',
        '/mcp',
        'https://api.example.com:8443/Base/v1/mcp'
      ],
      ['http://LOCALHOST:3000', '', '/mcp', 'http://localhost:3000/mcp']
    ] as const
  ) {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, {
      issuer: 'https://idp.example.net/',
      publicUrl,
      prefix,
      allowedHosts: ['localhost'],
      mcp: { path, tools: true }
    })
    const { origin, pathname } = new URL(resource)
    const url = `${origin}${bare}${pathname}`
    const challenged = await app.inject({ method: 'POST', url: `${prefix}${path}` })
    assert.equal(challenged.headers['www-authenticate'], `Bearer resource_metadata="${url}"`)
    const document = await app.inject(
      pathname.startsWith('/Base') ? new URL(url).pathname : `${bare}${prefix}${path}`
    )
    assert.equal(document.statusCode, 200)
    // A trailing slash is part of the name of an issuer. The registration has no scopes to publish.
    assert.deepEqual(document.json(), {
      resource,
      authorization_servers: ['https://idp.example.net/'],
      bearer_methods_supported: ['header']
    })
    assert.equal((await app.inject(`${prefix}${path}${bare}`)).statusCode, 404)
  }
})

test('Every MCP route has its own metadata, and none describes the host app [PRM-10]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const publicUrl = 'https://api.example.com'
  for (const name of ['a', 'b']) {
    await app.register(mcpOAuth, {
      issuer: `https://${name}.example`,
      publicUrl,
      prefix: `/${name}`,
      allowedHosts: ['localhost'],
      mcp: { tools: true }
    })
  }
  for (const name of ['a', 'b']) {
    const { resource, authorization_servers: servers } = (await app.inject(`${bare}/${name}/mcp`))
      .json()
    assert.deepEqual([resource, servers], [`${publicUrl}/${name}/mcp`, [`https://${name}.example`]])
    const challenged = await app.inject({ method: 'POST', url: `/${name}/mcp` })
    assert.equal(
      challenged.headers['www-authenticate'],
      `Bearer resource_metadata="${publicUrl}${bare}/${name}/mcp"`
    )
  }
  assert.equal((await app.inject(bare)).statusCode, 404)
})
