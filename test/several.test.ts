import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth, McpOAuthError, type McpOAuthOptions } from '../lib/index.ts'
import { callerIn, whoami, whoamiCall } from './support/guarded.ts'
import { startIssuer, type Issuer } from './support/issuer.ts'
import { sendRequest } from './support/requests.ts'

/** Two issuers, a host that accepts a registration for each, and helpers that request its paths. */
async function start (
  t: TestContext,
  register: (app: FastifyInstance, a: McpOAuthOptions, b: McpOAuthOptions) => unknown,
  app = Fastify()
) {
  const issuers = [await startIssuer(), await startIssuer({ path: '/b' })] as const
  t.after(async () => {
    await app.close()
    for (const issuer of issuers) await issuer.close()
  })
  const [a, b] = issuers.map(({ issuer }): McpOAuthOptions => ({
    issuer,
    mcp: { server: whoami() }
  })) as [McpOAuthOptions, McpOAuthOptions]
  await register(app, a, b)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://localhost:${(app.server.address() as AddressInfo).port}`
  const call = (path: string, token?: string) =>
    sendRequest(origin + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(token !== undefined && { authorization: `Bearer ${token}` })
      },
      body: JSON.stringify(whoamiCall)
    })
  return { app, origin, issuers, call }
}

/**
 * Asserts that each of two paths is a resource of its own issuer, and rejects tokens of the other.
 */
async function assertSeparate (
  { origin, issuers, call }: Awaited<ReturnType<typeof start>>,
  paths: readonly [string, string]
): Promise<void> {
  for (const [index, path] of paths.entries()) {
    const [own, other] = index === 0 ? issuers : [...issuers].reverse() as [Issuer, Issuer]
    const metadataUrl = `${origin}/.well-known/oauth-protected-resource${path}`
    const rejected = await call(path)
    assert.equal(rejected.status, 401, path)
    assert.equal(
      rejected.headers.get('www-authenticate'),
      `Bearer resource_metadata="${metadataUrl}"`
    )
    const document = await (await sendRequest(metadataUrl)).json()
    assert.deepEqual(document, {
      resource: origin + path,
      authorization_servers: [own.issuer],
      bearer_methods_supported: ['header']
    })

    const audience = { aud: origin + path }
    assert.equal((await callerIn(await call(path, await own.mint(audience))))['subject'], 'alice')
    assert.equal((await call(path, await other.mint(audience))).status, 401)
    assert.equal((await call(path, await other.mint({ ...audience, iss: own.issuer }))).status, 401)
    assert.equal((await call(path, await own.mint({ aud: origin + paths[1 - index] }))).status, 401)
  }
}

test('registrations in two scopes of the host accept the tokens of their own provider [PRM-10]', async (t) => {
  const running = await start(t, async (app, a, b) => {
    await app.register(async (scope) => {
      await scope.register(mcpOAuth, a)
    }, { prefix: '/a' })
    await app.register(async (scope) => {
      await scope.register(mcpOAuth, b)
    }, { prefix: '/b' })
  })
  await assertSeparate(running, ['/a/mcp', '/b/mcp'])
  const bare = await sendRequest(`${running.origin}/.well-known/oauth-protected-resource`)
  assert.equal(bare.status, 404)
})

test('registrations with two prefixes accept the tokens of their own provider [PRM-10]', async (t) => {
  const running = await start(t, async (app, a, b) => {
    await app.register(mcpOAuth, { ...a, prefix: '/a' })
    await app.register(mcpOAuth, { ...b, prefix: '/b' })
  })
  await assertSeparate(running, ['/a/mcp', '/b/mcp'])
})

test('registrations at the root and below it accept the tokens of their own provider [PRM-10]', async (t) => {
  const running = await start(t, async (app, a, b) => {
    await app.register(mcpOAuth, a)
    await app.register(mcpOAuth, { ...b, prefix: '/b' })
  })
  await assertSeparate(running, ['/mcp', '/b/mcp'])
})

test('registrations with two MCP paths accept the tokens of their own provider [PRM-10]', async (t) => {
  const running = await start(t, async (app, a, b) => {
    await app.register(mcpOAuth, { ...a, mcp: { ...a.mcp, path: '/mcp/v1' } })
    await app.register(mcpOAuth, { ...b, mcp: { ...b.mcp, path: '/mcp/v2' } })
  })
  await assertSeparate(running, ['/mcp/v1', '/mcp/v2'])
})

test('the prefixes of nested scopes and the option prefix add up [PRM-03]', async (t) => {
  const running = await start(t, async (app, a, b) => {
    await app.register(async (outer) => {
      await outer.register(async (inner) => {
        await inner.register(mcpOAuth, { ...a, prefix: '/own' })
      }, { prefix: '/inner' })
      await outer.register(mcpOAuth, b)
    }, { prefix: '/outer/' })
  })
  await assertSeparate(running, ['/outer/inner/own/mcp', '/outer/mcp'])
  assert.deepEqual([...running.app.mcpOAuthRegistry.keys()].sort(), [
    '/outer/inner/own/mcp',
    '/outer/mcp'
  ])
})

test('the routes of the proxies have the prefix of their registration', async (t) => {
  const { origin } = await start(t, async (app, a, b) => {
    const proxies = {
      setupProxies: true,
      version: '2025-03-26',
      clientId: 'server',
      clientSecret: 'secret'
    } as const
    await app.register(async (scope) => {
      await scope.register(mcpOAuth, { ...a, ...proxies, prefix: '/own' })
    }, { prefix: '/a' })
    await app.register(mcpOAuth, { ...b, ...proxies })
  })
  for (const prefix of ['/a/own', '']) {
    const { issuer, registration_endpoint: url } =
      await (await sendRequest(`${origin}/.well-known/oauth-authorization-server${prefix}`))
        .json() as Record<string, string>
    assert.deepEqual([issuer, url], [origin + prefix, `${origin}${prefix}/oauth/register`])
    const registered = await sendRequest(`${origin}${prefix}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: ['http://127.0.0.1/cb'] })
    })
    assert.equal(registered.status, 201, prefix)
  }
})

test('mcpOAuth rejects a second registration for one MCP route', async (t) => {
  const options = { issuer: 'https://id.example' }
  for (const second of [{}, { prefix: '/' }]) {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, options)
    await assert.rejects(async () => await app.register(mcpOAuth, { ...options, ...second }), {
      code: 'FST_MCP_OAUTH_DUPLICATE_REGISTRATION',
      message: /\/mcp is already protected.*prefix.*mcp\.path/s
    })
  }
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { ...options, prefix: '/a' })
  await assert.rejects(async () =>
    await app.register(async (scope) => {
      await scope.register(mcpOAuth, options)
    }, { prefix: '/a' }), { code: 'FST_MCP_OAUTH_DUPLICATE_REGISTRATION' })
})

test('mcpOAuth rejects two registrations that would hide each other from clients [F9]', async (t) => {
  const document = (name: string) => ({
    issuer: `https://${name}.example`,
    token_endpoint: `https://${name}.example/token`,
    grant_types_supported: ['client_credentials']
  })
  const dependencies = [async () => {}]
  const pairs: Array<[McpOAuthOptions, McpOAuthOptions]> = [
    [{ customOAuthMetadata: document('a'), dependencies, mcp: { path: '/a' } }, {
      customOAuthMetadata: document('b'),
      dependencies,
      mcp: { path: '/b' }
    }],
    [{ issuer: 'https://a.example', publicUrl: 'https://mcp.example/x' }, {
      issuer: 'https://b.example',
      publicUrl: 'https://mcp.example',
      prefix: '/x'
    }]
  ]
  for (const [one, two] of pairs) {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(mcpOAuth, one)
    await assert.rejects(async () => {
      await app.register(mcpOAuth, two)
    }, { code: 'FST_MCP_OAUTH_DUPLICATE_REGISTRATION' })
  }
})

test('mcpOAuth rejects a registration in an app that is ready', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.ready()
  await assert.rejects(async () => await app.register(mcpOAuth, { issuer: 'https://id.example' }))
})

test('requireMcpAuth() uses the registration of its scope, and throws if two match', async (t) => {
  const { origin, issuers, app } = await start(t, async (app, a, b) => {
    await app.register(mcpOAuth, { ...a, prefix: '/a' })
    await app.register(mcpOAuth, { ...b, prefix: '/b' })
    assert.throws(() => app.requireMcpAuth(), {
      code: 'FST_MCP_OAUTH_AMBIGUOUS_REGISTRATION',
      message: /prefix: missing; this scope has '\/a', '\/b'.*requireMcpAuth\({ prefix }\)/s
    })
    assert.throws(() => app.requireMcpAuth({ prefix: '/c' }), {
      code: 'FST_MCP_OAUTH_AMBIGUOUS_REGISTRATION',
      message: /'\/c'/
    })
    assert.throws(() => app.mcpOAuth, McpOAuthError)
    app.get(
      '/own-b',
      { onRequest: app.requireMcpAuth({ prefix: '/b' }) },
      async ({ mcpAuth }) => mcpAuth?.subject
    )
    // A scope with a registration of its own uses that one, and its child scopes inherit it.
    await app.register(async (scope) => {
      await scope.register(mcpOAuth, { ...a, mcp: { server: whoami() } })
      assert.equal(scope.mcpOAuth.prefix, '/c')
      await scope.register(async (child) => {
        child.get(
          '/own',
          { preHandler: child.requireMcpAuth() },
          async ({ mcpAuth }) => mcpAuth?.subject
        )
      }, { prefix: '/below' })
    }, { prefix: '/c' })
  })
  const send = async (path: string, issuer: Issuer, aud: string) =>
    (await sendRequest(origin + path, {
      headers: { authorization: `Bearer ${await issuer.mint({ aud: origin + aud })}` }
    })).status
  assert.equal(await send('/own-b', issuers[1], '/b/mcp'), 200)
  assert.equal(await send('/own-b', issuers[0], '/a/mcp'), 401)
  assert.equal(await send('/c/below/own', issuers[0], '/c/mcp'), 200)
  assert.equal(await send('/c/below/own', issuers[0], '/a/mcp'), 401)
  assert.equal(await send('/c/below/own', issuers[1], '/b/mcp'), 401)
  assert.throws(() => app.mcpOAuth, McpOAuthError)
})

test('decorators exist in their scope and its children, the registry and request.mcpAuth everywhere', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(async (scope) => {
    await scope.register(mcpOAuth, {
      issuer: 'https://id.example',
      publicUrl: 'https://mcp.example.com'
    })
    await scope.register(async (child) => {
      assert.equal(child.mcpOAuth.resource, 'https://mcp.example.com/a/mcp')
    })
  }, { prefix: '/a' })
  await app.register(async (sibling) => {
    assert.equal(sibling.hasDecorator('requireMcpAuth'), false)
    assert.equal(sibling.hasDecorator('mcpOAuth'), false)
    sibling.get('/caller', async ({ mcpAuth }) => ({ mcpAuth }))
  }, { prefix: '/b' })
  await app.ready()
  assert.equal(app.hasDecorator('requireMcpAuth'), false)
  assert.deepEqual((await app.inject('/b/caller')).json(), { mcpAuth: null })
  const registration = app.mcpOAuthRegistry.get('/a/mcp')
  assert.deepEqual([...app.mcpOAuthRegistry], [['/a/mcp', {
    prefix: '/a',
    resource: 'https://mcp.example.com/a/mcp',
    issuer: 'https://id.example',
    metadataUrl: 'https://mcp.example.com/.well-known/oauth-protected-resource/a/mcp',
    health: registration?.health,
    revoke: registration?.revoke,
    grants: registration?.grants,
    connectedApplications: registration?.connectedApplications
  }]])
})

test('mcpOAuth accepts a registration in a scope before that of its parent', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const options = { issuer: 'https://id.example', mcp: { tools: true as const } }
  let inner: FastifyInstance | undefined
  await app.register(async (scope) => {
    await (inner = scope).register(mcpOAuth, options)
  }, { prefix: '/a' })
  await app.register(mcpOAuth, options)
  await app.ready()
  assert.deepEqual([inner?.mcpOAuth.prefix, app.mcpOAuth.prefix], ['/a', ''])
  for (const url of ['/mcp', '/a/mcp']) {
    assert.equal(
      (await app.inject({ method: 'POST', url, headers: { host: 'localhost' } })).statusCode,
      401,
      url
    )
  }
})

test('the option root names the instance that serves the discovery documents', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(async (scope) => {
    await scope.register(mcpOAuth, { issuer: 'https://id.example', root: app })
  }, { prefix: '/a' })
  assert.equal((await app.inject('/.well-known/oauth-protected-resource/a/mcp')).statusCode, 200)
})

test('a host that is mounted below a prefix serves its discovery documents at the root', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  // fastify-cli with --prefix starts an app in this way.
  await app.register(async (userApp) => {
    await userApp.register(mcpOAuth, { issuer: 'https://id.example', mcp: { tools: true } })
  }, { prefix: '/mounted' })
  assert.equal(
    (await app.inject('/.well-known/oauth-protected-resource/mounted/mcp')).statusCode,
    200
  )
  assert.equal(
    (await app.inject('/mounted/.well-known/oauth-protected-resource/mcp')).statusCode,
    404
  )
  assert.equal(
    (await app.inject({ method: 'POST', url: '/mounted/mcp', headers: { host: 'localhost' } }))
      .statusCode,
    401
  )
})
