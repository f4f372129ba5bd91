import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mcpOAuth } from '../../lib/index.ts'
import { buildApp } from '../support/app.ts'
import { customizedHost } from '../support/host.ts'
import type { faults } from '../support/issuer.ts'
import { mounts, raw, startThin, type ThinServer } from '../support/thin.ts'
import { sweep } from '../support/sweep.ts'

const resourceNames = (
  prefix: string
) => [`/.well-known/oauth-protected-resource${prefix}/mcp`, '/.well-known/oauth-protected-resource']
const serverNames = (prefix: string) => [
  ...new Set([
    `/.well-known/oauth-authorization-server${prefix}`,
    `/.well-known/openid-configuration${prefix}`,
    `${prefix}/.well-known/openid-configuration`,
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration'
  ])
]

for (const [mount, prefix] of Object.entries(mounts)) {
  test(
    `GET /.well-known/* serves the documents at all their URLs (${mount}) [PRM-01 PRM-03 ASM-01 ASM-04]`,
    async (t) => {
      const server = await startThin(t, { mount: mount as keyof typeof mounts })
      for (const path of [...resourceNames(prefix), ...serverNames(prefix)]) {
        const reply = await server.send(path, {
          headers: { 'mcp-protocol-version': '2025-03-26', origin: 'https://evil.example' }
        })
        assert.equal(reply.status, 200, path)
        assert.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8')
        assert.equal(reply.headers.get('cache-control'), 'public, max-age=300')
        assert.equal(reply.headers.get('access-control-allow-origin'), '*')
        assert.equal(reply.headers.get('access-control-allow-credentials'), null)
        assert.match(reply.headers.get('access-control-expose-headers') ?? '', /WWW-Authenticate/)

        const again = await server.send(path, {
          headers: { 'if-none-match': reply.headers.get('etag') ?? '' }
        })
        assert.deepEqual([again.status, again.text], [304, ''], path)

        const head = await server.send(path, { method: 'HEAD' })
        assert.deepEqual([head.status, head.text, head.headers.get('content-length')], [
          200,
          '',
          reply.headers.get('content-length')
        ], `G-02 ${path}`)
        const preflight = await server.send(path, {
          method: 'OPTIONS',
          headers: {
            origin: 'https://evil.example',
            'access-control-request-method': 'GET',
            'access-control-request-headers': 'mcp-protocol-version'
          }
        })
        assert.equal(preflight.status, 204, `PRM-12 ${path}`)
        assert.equal(preflight.headers.get('access-control-allow-origin'), '*')
        assert.match(
          preflight.headers.get('access-control-allow-headers') ?? '',
          /mcp-protocol-version/i
        )
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
          const rejected = await server.send(path, { method })
          assert.deepEqual(
            [rejected.status, rejected.headers.get('allow'), rejected.json()['error']],
            [
              405,
              'GET, HEAD',
              'invalid_request'
            ],
            `G-01 ${method} ${path}`
          )
        }
      }
    }
  )

  test(
    `GET /.well-known/* returns our metadata (${mount}) [M-04 M-05 M-06 M-09 ASM-05 ASM-11 ASM-13 PRM-04 PRM-08]`,
    async (t) => {
      const server = await startThin(t, {
        mount: mount as keyof typeof mounts,
        options: { requiredScopes: ['read', 'write'] },
        prepare: ({ metadata, origin }) =>
          Object.assign(metadata, {
            scopes_supported: ['openid', 'offline_access'],
            registration_endpoint: `${origin}/canary`,
            client_secret: 'canary',
            pushed_authorization_request_endpoint: `${origin}/canary`,
            mtls_endpoint_aliases: { token_endpoint: `${origin}/canary` },
            signed_metadata: 'canary',
            code_challenge_methods_supported: ['plain', 'S256'],
            grant_types_supported: ['implicit', 'client_credentials'],
            authorization_response_iss_parameter_supported: true
          })
      })
      const { base } = server
      const resource = (await server.send(`/.well-known/oauth-protected-resource${prefix}/mcp`))
        .json()
      assert.deepEqual(resource, {
        resource: `${base}/mcp`,
        authorization_servers: [base],
        scopes_supported: ['read', 'write'],
        bearer_methods_supported: ['header']
      })
      const bodies = await Promise.all(
        serverNames(prefix).map(async (path) => (await server.send(path)).text)
      )
      assert.equal(new Set(bodies).size, 1)
      assert.deepEqual(JSON.parse(String(bodies[0])), {
        issuer: base,
        authorization_endpoint: `${base}/oauth/authorize`,
        token_endpoint: `${base}/oauth/token`,
        registration_endpoint: `${base}/oauth/register`,
        scopes_supported: ['openid', 'offline_access'],
        response_types_supported: ['code'],
        grant_types_supported: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_methods_supported: ['none'],
        code_challenge_methods_supported: ['S256']
      })
    }
  )

  test(
    `GET /.well-known/* responds 404 to unknown paths, even beside a catch-all page (${mount}) [M-01 M-02 PRM-13]`,
    async (t) => {
      const server = await startThin(t, {
        mount: mount as keyof typeof mounts,
        before: (app) => {
          app.get(
            '/*',
            async (_request, reply) => await reply.type('text/html').send('<h1>the app</h1>')
          )
        }
      })
      for (
        const path of [
          '/.well-known/oauth-protected-resource/evil',
          '/.well-known/oauth-protected-resource/mcp/evil',
          '/.well-known/oauth-protected-resource/',
          '/.well-known/oauth-authorization-server/other',
          '/.well-known/openid-configuration/other',
          `/.well-known/oauth-authorization-server${prefix}/mcp`
        ]
      ) {
        const reply = await server.send(path)
        assert.equal(reply.status, 404, path)
        assert.equal(reply.json()['error'], 'invalid_request')
      }
      assert.equal(
        await (await fetch(`http://127.0.0.1:${server.port}/somewhere`)).text(),
        '<h1>the app</h1>',
        'I10'
      )
      assert.match(
        (await server.send(`/.well-known/oauth-protected-resource${prefix}/mcp`)).text,
        /"resource"/
      )
    }
  )

  for (const trustProxy of [false, true]) {
    test(
      `GET /.well-known/* does not depend on request headers, trustProxy ${trustProxy} (${mount}) [G-13 M-03 PRM-11]`,
      async (t) => {
        const server = await startThin(t, { mount: mount as keyof typeof mounts, trustProxy })
        for (const path of [...resourceNames(prefix), ...serverNames(prefix)]) {
          const expected = (await server.send(path)).text
          for (
            const lines of [
              'Host: evil.example',
              'Host: evil.example/x@y?z',
              'Host: localhost\r\nHost: evil.example',
              'Host: x\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https',
              'Host: x\r\nX-Forwarded-Prefix: /evil',
              'Host: x\r\nForwarded: host=evil.example;proto=https',
              'Host: x\r\nX-Original-URL: /evil'
            ]
          ) {
            const response = await raw(
              server.port,
              `GET ${path} HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n`
            )
            assert.match(response, /^HTTP\/1\.1 200 /, lines)
            assert.equal(response.slice(response.indexOf('\r\n\r\n') + 4), expected, lines)
          }
          const absolute = await raw(
            server.port,
            `GET http://evil.example${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`
          )
          assert.equal(absolute.slice(absolute.indexOf('\r\n\r\n') + 4), expected)
        }
      }
    )
  }
}

test(
  'GET /.well-known/* needs no key and is unaffected by parsers, hooks and serializers of the host [G-19 PRM-11]',
  async (t) => {
    const server = await startThin(t, { app: await customizedHost({ key: 'k' }) })
    for (const path of [...resourceNames(''), ...serverNames('')]) {
      const reply = await server.send(path, { headers: { origin: 'https://evil.example' } })
      assert.equal(reply.status, 200)
      assert.equal(reply.headers.get('access-control-allow-origin'), '*')
      assert.equal((await server.send(path, { method: 'POST' })).status, 405)
    }
    const unknown = await server.send('/.well-known/oauth-protected-resource/evil')
    assert.deepEqual(Object.keys(unknown.json()), ['error', 'error_description'])
    assert.equal(unknown.status, 404)
  }
)

test(
  'GET /.well-known/* serves each of two registrations its own documents, and 404 at the bare URLs [PRM-10 F-32]',
  async (t) => {
    const server = await startThin(t, {
      mount: 'prefix',
      before: async (app) => {
        await app.register(mcpOAuth, { issuer: 'https://other.example', mcp: { tools: true } })
      }
    })
    const one = (await server.send('/.well-known/oauth-protected-resource/mcp')).json()
    assert.deepEqual([one['resource'], one['authorization_servers']], [`${server.origin}/mcp`, [
      'https://other.example'
    ]])
    const two = (await server.send('/.well-known/oauth-protected-resource/api/mcp')).json()
    assert.deepEqual([two['resource'], two['authorization_servers']], [`${server.origin}/api/mcp`, [
      `${server.origin}/api`
    ]])
    assert.equal(
      (await server.send('/.well-known/oauth-authorization-server/api')).json()['issuer'],
      `${server.origin}/api`
    )
    for (
      const name of [
        'oauth-protected-resource',
        'oauth-authorization-server',
        'openid-configuration'
      ]
    ) {
      assert.equal((await server.send(`/.well-known/${name}`)).status, 404, name)
    }
  }
)

test(
  'GET /.well-known/* publishes one issuer, whether or not a reverse proxy strips the path of publicUrl [M-05]',
  async (t) => {
    for (const publicUrl of ['https://mcp.example.com/v1', 'https://mcp.example.com/v1/']) {
      const server = await startThin(t, {
        mount: 'prefix',
        options: { publicUrl, secret: 'x'.repeat(32) }
      })
      const issuer = 'https://mcp.example.com/v1/api'
      for (const path of ['/v1/api', '/api']) {
        const resource = (await server.send(`/.well-known/oauth-protected-resource${path}/mcp`))
          .json()
        assert.deepEqual([resource['resource'], resource['authorization_servers']], [
          `${issuer}/mcp`,
          [issuer]
        ])
        for (
          const name of [
            `/.well-known/oauth-authorization-server${path}`,
            `/.well-known/openid-configuration${path}`,
            `${path}/.well-known/openid-configuration`
          ]
        ) {
          const document = (await server.send(name)).json()
          assert.deepEqual([document['issuer'], document['token_endpoint']], [
            issuer,
            `${issuer}/oauth/token`
          ])
        }
      }
    }
  }
)

test('GET /.well-known/* shares one fetch from the provider among parallel callers [M-13]', async (t) => {
  const server = await startThin(t, {
    before: (app) => {
      app.server.maxConnections = 2_000
    }
  })
  const replies = await Promise.all(
    Array.from(
      { length: sweep(1_000) },
      () => server.send('/.well-known/oauth-authorization-server')
    )
  )
  assert.ok(replies.every(({ status, text }) => status === 200 && text === replies[0]?.text))
  assert.equal(server.issuer.requests.get(server.issuer.metadataPath), 1)
})

const outages: Array<[keyof typeof faults, number]> = [
  ['unavailable', 503],
  ['error', 503],
  ['reset', 503],
  ['resetMidBody', 503],
  ['garbage', 502],
  ['bomb', 502],
  ['oversize', 502],
  ['redirect', 502],
  ['missing', 502],
  ['hang', 504]
]
test('GET /.well-known/* reports faults of the provider, and recovers [F-07 ASM-12]', {
  concurrency: 5
}, async (t) => {
  await Promise.all(
    outages.map(([fault, status]) =>
      t.test(`responds ${status} to the fault "${fault}" of the provider`, async (t) => {
        const server = await startThin(t, {
          prepare: ({ fail, metadataPath }) => fail.set(metadataPath, fault)
        })
        const reply = await server.send('/.well-known/oauth-authorization-server')
        assert.equal(reply.status, status)
        assert.equal(reply.json()['error'], 'temporarily_unavailable')
        assert.equal(reply.headers.get('access-control-allow-origin'), '*')
        assert.equal(
          (await server.send('/.well-known/oauth-protected-resource/mcp')).status,
          200,
          'the resource metadata does not depend on the provider'
        )
        assert.equal(server.issuer.requests.get('/trap'), undefined)
        server.issuer.fail.clear()
        await recovered(server)
      })
    )
  )
})

/**
 * Repeats the request until the response is 200, as clients do. The time limit of the runner ends
 * it.
 */
async function recovered (server: ThinServer): Promise<void> {
  while ((await server.send('/.well-known/oauth-authorization-server')).status !== 200) {
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
}

for (
  const [defect, id, change] of [
    ['a script', 'M-07', { authorization_endpoint: 'javascript:canary' }],
    ['a private address', 'M-07', { token_endpoint: 'http://169.254.169.254/canary' }],
    ['a shell command', 'M-07', { authorization_endpoint: 'https://a$(canary)' }],
    ['a relative URL', 'M-07', { authorization_endpoint: '/canary' }],
    ['null', 'M-07', { authorization_endpoint: null }],
    ['a URL of 5 kB', 'M-07', { token_endpoint: `https://a.example/${'canary'.repeat(900)}` }],
    ['user info', 'M-07', { token_endpoint: 'https://canary:p@a.example/' }],
    ['another issuer', 'M-08', { issuer: 'https://canary.example' }],
    ['no authorization endpoint', 'M-07', { authorization_endpoint: undefined }],
    ['no token endpoint', 'M-07', { token_endpoint: undefined }]
  ] as const
) {
  test(
    `GET /.well-known/oauth-authorization-server never publishes provider metadata with ${defect} [SS-04 ${id}]`,
    async (t) => {
      const server = await startThin(t, {
        prepare: ({ metadata }) => Object.assign(metadata, change)
      })
      const reply = await server.send('/.well-known/oauth-authorization-server')
      assert.ok(reply.status === 502 || reply.status === 503, `${reply.status}`)
      const clientId = await server.register()
      const page = await server.authorize({
        response_type: 'code',
        client_id: clientId,
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256'
      })
      assert.ok(page.status === 502 || page.status === 503, `${page.status}`)
      assert.equal(page.location, null)
    }
  )
}

test(
  'GET /.well-known/oauth-authorization-server leaves out an invalid scope list [SS-04 M-10 field:P1]',
  async (t) => {
    const server = await startThin(t, {
      prepare: ({ metadata }) => Object.assign(metadata, { scopes_supported: { canary: 1 } })
    })
    const reply = await server.send('/.well-known/oauth-authorization-server')
    assert.equal(reply.status, 200)
    assert.doesNotMatch(reply.text, /canary/)
  }
)

test(
  'GET /.well-known/oauth-authorization-server responds 404 where clients use the provider directly [ASM-01]',
  async (t) => {
    const { origin } = await buildApp(t, { issuer: 'https://idp.example', mcp: { tools: true } })
    assert.equal((await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`)).status, 200)
    for (const path of serverNames('')) assert.equal((await fetch(origin + path)).status, 404)
  }
)

test('POST /oauth/register is neither published nor served with registration: false [ASM-10]', async (t) => {
  const server = await startThin(t, { options: { setupFakeDynamicRegistration: false } })
  assert.ok(
    !('registration_endpoint' in
      (await server.send('/.well-known/oauth-authorization-server')).json())
  )
  assert.equal(
    (await fetch(`http://127.0.0.1:${server.port}/oauth/register`, { method: 'POST' })).status,
    404
  )
})
